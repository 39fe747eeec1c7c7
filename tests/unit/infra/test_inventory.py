"""What each service must have is written beside it."""

from graphs import city, of_city

from catalogue.model import Profile
from infra import inventory

REMEDY = "run `python -m infra.inventory` and look at what it changes"


def test_each_service_has_what_its_inventory_says() -> None:
    """At every site, in every profile; a service without an inventory is told."""
    graphs = {
        (site, profile): of_city(site, profile) for site in city().sites for profile in Profile
    }
    found = inventory.found(graphs)
    assert found.keys() == city().services.keys()
    for service, now in found.items():
        expected = inventory.expected(service)
        assert expected is not None, f"{service} has no inventory: {REMEDY}"
        assert now == expected, f"{service} differs from its inventory: {REMEDY}"


def test_there_is_no_inventory_of_no_service() -> None:
    """What is no more has none."""
    names = {path.name for path in inventory.folder().glob("*.inventory.yaml")}
    assert names == {f"{service}.inventory.yaml" for service in city().services}
