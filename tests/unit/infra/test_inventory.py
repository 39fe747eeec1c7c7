"""What each service must have is written beside it."""

from pathlib import Path

import pytest
from graphs import city, of_city, of_small

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


def test_inventories_are_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of services that are no more go; a service that has none is said to have none."""
    monkeypatch.setattr(inventory, "folder", lambda: tmp_path)
    (tmp_path / "gone.inventory.yaml").write_text("{}")
    now = inventory.found({("main", Profile.LAB): of_small()})
    inventory.write(now)
    assert {path.name for path in tmp_path.iterdir()} == {f"{one}.inventory.yaml" for one in now}
    assert inventory.expected("shop") == now["shop"]
    assert inventory.expected("gone") is None
    assert now["shop"]["main"]["lab"]["servers"] == {
        "shop-app-1": "az1",
        "shop-store-1": "az2",
        "shop-web-1": "az2",
    }
