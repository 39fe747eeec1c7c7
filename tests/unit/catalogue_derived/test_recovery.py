"""What of a service stands where follows from its recovery tier."""

import pytest
from small_city import backup, main, small_city, third

from catalogue import recovery
from catalogue.model import Profile

CITY = small_city(sites=[main(), backup(), third()])


@pytest.mark.parametrize(
    ("service", "servers", "volumes", "networks"),
    [
        ("shop", {"web": 3, "app": 2, "store": 2}, {"web": 3, "app": 2, "store": 2}, True),
        ("desk", {"app": 2, "jobs": 2}, {"app": 2, "jobs": 2}, True),
        ("files", {"app": 0, "index": 0}, {"app": 2, "index": 1}, True),
        ("lab", {"app": 0}, {"app": 0}, False),
    ],
)
def test_a_standby_site_has_its_share(
    service: str,
    servers: dict[str, int],
    volumes: dict[str, int],
    networks: bool,  # noqa: FBT001 - a case's value
) -> None:
    """Active has all, warm standby half rounded up, pilot light its data, backup only nothing."""
    for site in ("backup", "third"):
        found = recovery.standing(
            CITY, CITY.sites[site], CITY.services[service], Profile.PRODUCTION
        )
        assert found.servers == servers
        assert found.volumes == volumes
        assert found.networks is networks
        assert found.tier is CITY.services[service].recovery.tier


def test_a_primary_site_has_everything() -> None:
    """Whatever the tier."""
    for service in CITY.services.values():
        found = recovery.standing(CITY, CITY.sites["main"], service, Profile.LAB)
        assert found.networks
        assert found.tier is None
        assert set(found.servers.values()) == {1}


def test_peers_are_the_sites_that_carry_the_same_services() -> None:
    """The primary's are its standbys; a standby's are the primary and the other standbys."""
    names = {
        site.id: [one.id for one in recovery.peers(CITY, site)] for site in CITY.sites.values()
    }
    assert names == {
        "main": ["backup", "third"],
        "backup": ["main", "third"],
        "third": ["main", "backup"],
    }


def test_parts_come_by_number() -> None:
    """Whatever the order in the file."""
    shop = CITY.services["shop"]
    turned = shop.model_copy(update={"components": shop.components[::-1]})
    assert [one.id for one in recovery.parts(turned)] == ["web", "app", "store"]
