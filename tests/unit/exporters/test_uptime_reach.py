"""Whether who watches the city may open all that the uptime exporter probes."""

import ipaddress
import json
from collections.abc import Iterable
from functools import cache
from itertools import product
from typing import NamedTuple

import pytest

import catalogue
from catalogue import addresses, flows, recovery
from catalogue.addresses import Prefixes
from catalogue.flows import PartKey, Rule
from catalogue.model import Catalogue, Profile
from exporters.outputs import Outputs
from exporters.uptime import targets
from exporters.uptime.targets import Address, Plan, Target
from infra import offline
from infra.settings import Settings

CITY = catalogue.load()
SITES = list(CITY.sites)
WATCHER = PartKey("operations", "monitoring")
WAYS = list(product(Profile, SITES))
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Place(NamedTuple):
    """Whose network it is, and where."""

    site: str
    agency: str
    part: PartKey
    prefixes: Prefixes


PLACES = [
    Place(
        site.id,
        service.agency,
        PartKey(service.id, part.id),
        addresses.network(site, service, part.number),
    )
    for site, service in product(CITY.sites.values(), CITY.services.values())
    for part in recovery.parts(service)
]


@cache
def plan(profile: Profile) -> Plan:
    """Return what is probed of both sites."""
    graphs = [offline.run(Settings(CITY, site, profile)) for site in CITY.sites.values()]
    stacks = [Outputs.model_validate_json(json.dumps(one.outputs)) for one in graphs]
    return targets.plan(CITY, stacks, targets.load())


def closed(known: Catalogue, profile: Profile, start: str) -> set[str]:
    """Return the targets that a watcher at the site `start` can't open, by the flows of `known`."""
    open_ = {site.id: flows.resolve(known, site, profile) for site in known.sites.values()}
    eye = next(one for one in PLACES if (one.site, one.part) == (start, WATCHER))

    def arrives(start: Place, to: Address, end: Place) -> bool:
        at, home = (start.site, start.agency), (end.site, end.agency)
        for _ in range(3):
            if at == home:
                break
            ways = open_[at[0]].routes.get(at[1], {}).items()
            found = [hop for hop, all_ in ways if any(to in net(one, to) for one in all_)]
            at = found[0] if len(found) == 1 else at
        return at == home

    def opens(target: Target, to: Address) -> bool:
        what, own = asked(target), net(eye.prefixes, to)
        if not passes(open_[start].groups.get(WATCHER, ()), "egress", what, single(to)):
            return False
        place = next((one for one in PLACES if to in net(one.prefixes, to)), None)
        if place is None:  # a floating address: the watcher's router translates its own
            part = PartKey(target.service, target.name.split("/")[0])
            known_as = CITY.sites[start].floating_ipv4
            return known_as is not None and within(known_as, open_[target.site].balanced[part].ipv4)
        there = open_[place.site]
        if not (arrives(eye, to, place) and arrives(place, own[0], eye)):
            return False
        if to in (place.prefixes.balancer.ipv4, place.prefixes.balancer.ipv6):
            callers = there.balanced[place.part]
            return within(own, (*callers.ipv4, *callers.ipv6))
        return passes((*there.baseline, *there.groups[place.part]), "ingress", what, own)

    return {
        one.id
        for one in plan(profile).targets.values()
        if not all(opens(one, to) for to in one.addresses)
    }


def asked(target: Target) -> tuple[str, int]:
    """Return the protocol and port that a target is probed by."""
    if target.kind == "icmp":
        return flows.ICMP, flows.ECHO
    return (target.question.transport if target.question else "tcp"), target.port


def net(prefixes: Prefixes, like: Address) -> Network:
    """Return the prefix of the address's family."""
    return prefixes.ipv4 if isinstance(like, ipaddress.IPv4Address) else prefixes.ipv6


def single(address: Address) -> Network:
    """Return an address as a prefix."""
    return ipaddress.ip_network(address)


def within(one: Network, all_: Iterable[Network]) -> bool:
    """Return whether a prefix lies in one of these."""
    return any(
        one.version == other.version
        and int(other[0]) <= int(one[0])
        and int(one[-1]) <= int(other[-1])
        for other in all_
    )


def passes(rules: Iterable[Rule], way: str, what: tuple[str, int], other: Network) -> bool:
    """Return whether the rules let the protocol and port pass, from or to the other side."""
    return any(
        (one.direction, one.protocol, one.port) == (way, *what)
        and within(other, (*one.ipv4, *one.ipv6))
        for one in rules
    )


@pytest.mark.parametrize(("profile", "start"), WAYS)
def test_watchers_may_open_all_that_is_probed(profile: Profile, start: str) -> None:
    """By groups at both ends, by balancers, by routes there and back, at both sites."""
    some = plan(profile).targets.values()
    assert {one.kind for one in some} >= {"http", "tls", "tcp", "postgresql", "icmp"}
    assert {(one.site, one.family) for one in some} == set(product(SITES, targets.FAMILIES))
    assert closed(CITY, profile, start) == set()


@pytest.mark.parametrize("start", SITES)
def test_monitoring_hosts_hear_each_other_and_administrators(start: str) -> None:
    """Observers and Alertmanagers ask their like at all sites; nobody else asks for the pages."""
    here = flows.resolve(CITY, CITY.sites[start], Profile.PRODUCTION).groups[WATCHER]
    for place in (one for one in PLACES if one.part == WATCHER):
        networks: list[Network] = [place.prefixes.ipv4, place.prefixes.ipv6]
        for own, port, way in product(networks, (9812, 9094), flows.BOTH_WAYS):
            assert passes(here, way, ("tcp", port), own), (place.site, own, port, way)
    for port in (9090, 9093):
        callers = {one.peer for one in here if (one.direction, one.port) == ("ingress", port)}
        assert callers == {"administrators", "watchers"}


@pytest.mark.parametrize(("profile", "start"), WAYS)
def test_without_watchers_next_to_nothing_opens(profile: Profile, start: str) -> None:
    """Only what all components may call, where monitoring stands at all."""
    blind = CITY.city.model_copy(update={"watchers": []})
    shut = closed(CITY.model_copy(update={"city": blind}), profile, start)
    left = set(plan(profile).targets) - shut
    assert {one.split("/")[0] for one in left} <= {"operations"}
    assert len(shut) > 9 * len(left)


@pytest.mark.parametrize("start", SITES)
def test_without_floating_ranges_public_ports_are_closed_by_ipv4(start: str) -> None:
    """And nothing else is."""
    bare = {
        name: site.model_copy(update={"floating_ipv4": None}) for name, site in CITY.sites.items()
    }
    shut = closed(CITY.model_copy(update={"sites": bare}), Profile.LAB, start)
    assert shut
    assert all(one.endswith(f"{offline.PUBLIC_IPV4}/ipv4") for one in shut)
