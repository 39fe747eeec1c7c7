"""What stands in for what at the standby site, and what is missing."""

from collections.abc import Iterator

import pytest
from graphs import city, of_city, of_small
from small_city import small_city

from catalogue.model import Profile, RecoveryTier
from infra import parity
from infra.graph import Graph, Resource
from infra.parity import ServiceParity

CLASSES = small_city().city.recovery


@pytest.mark.parametrize("profile", list(Profile))
def test_nothing_of_the_city_is_missing(profile: Profile) -> None:
    """Every service of the catalogue has at the backup site what its tier asks for."""
    found = parity.compare(
        of_city("main", profile), of_city("backup", profile), city().city.recovery
    )
    assert {one.service for one in found} == set(city().services)
    assert [missing for one in found for missing in one.missing] == []


def small(standby: Graph | None = None) -> dict[str, ServiceParity]:
    """Return the small city's parity, by service."""
    there = standby or of_small("backup", Profile.PRODUCTION)
    found = parity.compare(of_small("main", Profile.PRODUCTION), there, CLASSES)
    return {one.service: one for one in found}


def pairs(service: str, kind: str) -> list[tuple[str, int, int]]:
    """Return each component with its numbers here and there."""
    return [
        (one.component, len(one.primary), len(one.standby))
        for one in small()[service].stand_ins
        if one.type == kind
    ]


def test_each_tier_stands_in_as_it_promises() -> None:
    """Active wholly, warm standby by half, pilot light by its data, backup only by its bucket."""
    assert pairs("shop", "Instance") == [
        ("shop-app", 2, 2),
        ("shop-store", 2, 2),
        ("shop-web", 3, 3),
    ]
    assert pairs("desk", "Instance") == [("desk-app", 4, 2), ("desk-jobs", 3, 2)]
    assert pairs("files", "Instance") == [("files-app", 2, 0), ("files-index", 2, 0)]
    assert pairs("files", "Volume") == [("files-app", 4, 2), ("files-index", 4, 1)]
    assert pairs("lab", "Network") == [("lab-app", 1, 0)]
    assert pairs("lab", "Container") == [("", 1, 1)]
    assert small()["files"].tier is RecoveryTier.PILOT_LIGHT


def counterparts() -> Iterator[Resource]:
    """Yield every resource of the standby site that belongs to a service."""
    graph = of_small("backup", Profile.PRODUCTION)
    known = {one.urn: one for one in graph.resources}
    for resource in graph.resources:
        above: Resource | None = resource
        while above and above.type != parity.SERVICE:
            above = known.get(above.parent)
        if above and not resource.type.startswith("citydc:"):
            yield resource


def test_whatever_is_taken_away_is_missed() -> None:
    """Each single resource of each service at the standby site, by its type and name."""
    graph = of_small("backup", Profile.PRODUCTION)
    taken = list(counterparts())
    assert len(taken) > 150
    for gone in taken:
        rest = Graph([one for one in graph.resources if one is not gone])
        missing = [name for one in small(rest).values() for name in one.missing]
        kind = gone.type.rpartition(":")[2]
        name = gone.name.replace("replication-main", "replication-backup")
        assert missing == [f"{kind} {name}"], gone.urn


def test_a_service_that_is_not_there_is_missing_whole() -> None:
    """All that its tier asks for is named, but for rules to services that are not there either."""
    asked = {
        f"{one.type} {name}"
        for one in small()["desk"].stand_ins
        for name in one.standby
        if one.type != "SecGroupRule" or "-mirror-" in name
    }
    assert set(small(Graph([]))["desk"].missing) == asked
