"""Changes of the catalogue touch what they name, and nothing else."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from graphs import declared, of_city, of_small
from small_city import all_services, component, listen, service, small_city, third

from catalogue.model import Service
from infra.graph import Graph

LISTS = {"routes", "allowedCidrs"}
"""Inputs that hold one entry for each neighbour, and change in place."""
QUOTAS = {"QuotaSetV2", "QuotaV2", "QuoteSetV3", "Quota"}


@functools.cache
def before() -> dict[str, Any]:
    """Return what is declared before any change."""
    return by_urn(of_small())


def by_urn(graph: Graph) -> dict[str, Any]:
    """Return each resource's inputs, but for what changes in place."""
    return {
        one.urn: {name: value for name, value in one.inputs.items() if name not in LISTS}
        for one in graph.resources
        if one.type.rpartition(":")[2] not in QUOTAS
    }


BEFORE = small_city()
NEW = service(
    "new",
    6,
    "police",
    "active",
    components=[component("app", 0, 2, listens=[listen("https", 443, ["desk/app", "all"])])],
)


@pytest.mark.parametrize(
    "change",
    [
        lambda services: [*services, NEW],
        lambda services: [NEW, *services],
        lambda services: [one for one in services if one.id != "lab"],
    ],
    ids=["added last", "added first", "removed"],
)
def test_a_service_more_or_less_changes_no_other(
    change: Callable[[list[Service]], list[Service]],
) -> None:
    """Same URNs and same inputs; new are only the rules that lead to and from it."""
    old = before()
    after = by_urn(declared(small_city(services=change(all_services()))))
    gone = {urn for urn in old.keys() - after.keys() if "lab" not in urn.split("::")[3]}
    come = {urn for urn in after.keys() - old.keys() if "new" not in urn.split("::")[3]}
    assert not gone
    assert not come
    assert all(old[urn] == after[urn] for urn in old.keys() & after.keys())
    assert old.keys() != after.keys()


def test_order_in_the_files_does_not_matter() -> None:
    """Services, components, listens, callers and agencies turned around declare the same."""
    turned = [
        one.model_copy(
            update={
                "components": [
                    part.model_copy(update={"listens": part.listens[::-1]})
                    for part in one.components[::-1]
                ],
                "databases": one.databases[::-1],
                "buckets": one.buckets[::-1],
            }
        )
        for one in all_services()[::-1]
    ]
    city = BEFORE.city.model_copy(update={"agencies": BEFORE.city.agencies[::-1]})
    after = small_city(services=turned).model_copy(update={"city": city})
    found = declared(after)
    assert by_urn(found) == before()
    assert found.outputs == of_small().outputs


def test_a_server_more_replaces_none() -> None:
    """The others keep zone, addresses, group and policy."""
    services = all_services()
    web = services[0].components[0]
    grown = web.model_copy(update={"count": web.count.model_copy(update={"lab": 3})})
    services[0] = services[0].model_copy(
        update={"components": [grown, *services[0].components[1:]]}
    )
    old, after = before(), by_urn(declared(small_city(services=services)))
    assert old.keys() < after.keys()
    assert all("shop-web-" in urn for urn in after.keys() - old.keys())
    records = {urn for urn in old if old[urn] != after[urn]}
    assert not [urn for urn in records if "RecordSet" not in urn]


def test_a_further_site_changes_the_others_only_where_they_meet() -> None:
    """One more file: rules for replication with it, routes to it, and nothing else."""
    sites = [*BEFORE.sites.values(), third()]
    old, after = before(), by_urn(declared(small_city(sites=sites)))
    assert old.keys() <= after.keys()
    assert all("replication-third" in urn for urn in after.keys() - old.keys())
    assert all(old[urn] == after[urn] for urn in old)


def test_a_further_site_is_declared_from_its_file_alone() -> None:
    """It stands for the primary site as the first standby does."""
    known = small_city(sites=[*BEFORE.sites.values(), third()])
    assert names(declared(known, "third")) == names(of_small("backup"))


def names(graph: Graph) -> set[tuple[str, str]]:
    """Return what is declared, but for names that tell the site or the peers."""
    return {
        (one.type, one.name)
        for one in graph.resources
        if "replication" not in one.name
        and one.type.rpartition(":")[2] not in ("Zone", "Stack")
        and one.type != "citydc:dns:SiteZone"
    }


def test_one_name_is_declared_once() -> None:
    """No two resources of a site have the same URN."""
    urns = [one.urn for one in of_city("main").resources]
    assert len(urns) == len(set(urns))
