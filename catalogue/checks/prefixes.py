"""The address plan: ranges that don't overlap, and room in them for every network and server."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from catalogue import addresses, recovery
from catalogue.documents import Steps
from catalogue.errors import BadInputError
from catalogue.loading import Draft, located_parts
from catalogue.model import Database, Profile
from catalogue.problems import Problem

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class _Range:
    """A prefix, what it is, and where it stands in the files."""

    network: Network
    what: str
    ours: bool
    key: str
    steps: Steps


def prefixes_do_not_overlap(draft: Draft) -> Iterator[Problem]:
    """No site's range overlaps another's, the link's or that of a party outside."""
    ranges = sorted(
        _ranges(draft),
        key=lambda one: (
            one.network.version,
            int(one.network.network_address),
            one.network.prefixlen,
            not one.ours,
        ),
    )
    around: list[_Range] = []
    for inner in ranges:
        # Prefixes either nest or are apart, so those around this one are at the list's end.
        while around and not _holds(around[-1].network, inner.network):
            around.pop()
        outer = next((one for one in reversed(around) if one.ours or inner.ours), None)
        if outer:
            what = f"{inner.network} overlaps {outer.network}, {outer.what}"
            remedy = "give one of them a range of its own"
            yield draft.problem(inner.key, inner.steps, what, remedy)
        around.append(inner)


def _ranges(draft: Draft) -> Iterator[_Range]:
    links: set[Network] = set()
    for name, site in sorted(draft.sites.items()):
        key = f"sites/{name}"
        yield _Range(site.ipv4, f"the range of site {name}", True, key, ("ipv4",))
        yield _Range(site.ipv6, f"the range of site {name}", True, key, ("ipv6",))
        if site.floating_ipv4:
            what = f"the range of site {name}'s floating addresses"
            yield _Range(site.floating_ipv4, what, True, key, ("floating_ipv4",))
        for family in ("ipv4", "ipv6") if site.link else ():
            network: Network = getattr(site.link, family)
            if network not in links:
                links.add(network)
                what = "the inter-site link's range"
                yield _Range(network, what, True, key, ("link", family))
    for index, party in enumerate(draft.city.outside if draft.city else ()):
        for family in ("ipv4", "ipv6"):
            networks: list[Network] = getattr(party, family)
            for place, network in enumerate(networks):
                if network.prefixlen:
                    steps = ("outside", index, family, place)
                    yield _Range(network, f"the range of {party.id}", False, "city", steps)


def _holds(outer: Network, inner: Network) -> bool:
    return (
        outer.version == inner.version
        and int(outer.network_address) <= int(inner.network_address)
        and int(inner.broadcast_address) <= int(outer.broadcast_address)
    )


def services_fit_their_sites_ranges(draft: Draft) -> Iterator[Problem]:
    """Every service's number has a block of networks in every site's ranges."""
    for name, site in draft.sites.items():
        largest = 0
        for family, narrowest in (("ipv4", site.ipv4_prefix - 4), ("ipv6", 60)):
            range_: Network = getattr(site, family)
            if range_.prefixlen > narrowest - 1:
                what = f"{range_} has no room for a service's 16 networks beside the site's own"
                remedy = f"give the site a range of /{narrowest - 1} or wider"
                yield draft.problem(f"sites/{name}", (family,), what, remedy)
                largest = 0
                break
            here = (1 << narrowest - range_.prefixlen) - 1
            largest = min(largest, here) if largest else here
        for key, service in draft.services.items() if largest else ():
            if service.number > largest:
                what = f"{service.number} has no networks in the ranges of site {name}"
                remedy = f"take a number up to {largest}, or give the site wider ranges"
                yield draft.problem(f"services/{key}", ("number",), what, remedy)


def servers_fit_their_networks(draft: Draft) -> Iterator[Problem]:
    """Every component and database has addresses for all its servers, at every site."""
    room = {
        name: addresses.Prefixes(
            ipaddress.IPv4Network((0, site.ipv4_prefix)), ipaddress.IPv6Network((0, 64))
        ).capacity
        for name, site in draft.sites.items()
    }
    for key, service in draft.services.items():
        for steps, part in located_parts(service):
            count = max(recovery.size(part, profile) for profile in Profile)
            field = "standbys" if isinstance(part, Database) else "count"
            narrow = next((name for name in room if room[name] < count), None)
            if narrow:
                what = f"{count} servers, but a network of site {narrow} holds {room[narrow]}"
                remedy = "lower the number, split it, or give the site a shorter ipv4_prefix"
                yield draft.problem(f"services/{key}", (*steps, field), what, remedy)


def sites_share_one_link(draft: Draft) -> Iterator[Problem]:
    """All sites that have the inter-site link say the same of it, and it has room for routers."""
    linked = [(name, site) for name, site in sorted(draft.sites.items()) if site.link]
    for name, site in linked:
        first_name, first = linked[0]
        for field in ("vlan", "ipv4", "ipv6"):
            here, there = getattr(site.link, field), getattr(first.link, field)
            if here != there:
                what = f"{here} differs from {there} at site {first_name}"
                remedy = "write the same at all sites: it is one network"
                yield draft.problem(f"sites/{name}", ("link", field), what, remedy)
        for agency in draft.city.agencies if draft.city else ():
            try:
                addresses.link_address(site, agency)
            except (BadInputError, IndexError):
                what = f"has no address for the router of {agency.id}"
                yield draft.problem(f"sites/{name}", ("link", "ipv4"), what, "give the link a /16")
                break
