"""
Whether a standby site would carry a takeover now: what it must still start, and where it fits.

Services of the tiers active and warm-standby must run on at their full size; what of them does not
run at the standby site yet is started there.
"""

from collections.abc import Iterable, Sequence

from catalogue import recovery
from catalogue.model import Catalogue, Flavor, Profile, RecoveryTier, Site
from exporters.capacity.amounts import MIB, Amount, Room

CARRIED = frozenset({RecoveryTier.ACTIVE, RecoveryTier.WARM_STANDBY})


def to_start(catalogue: Catalogue, site: Site, profile: Profile) -> list[Room]:
    """Return the servers that a takeover starts at a standby site, each with what it takes."""
    flavors = {one.id: one for one in site.flavors}
    return [
        _taken(flavors[part.flavor], profile)
        for service in catalogue.services.values()
        if service.recovery.tier in CARRIED
        for standing in [recovery.standing(catalogue, site, service, profile)]
        for part in recovery.parts(service)
        for _ in range(recovery.size(part, profile) - standing.servers[part.id])
    ]


def _taken(flavor: Flavor, profile: Profile) -> Room:
    """Return what a server takes; the lab's flavors ask for no devices."""
    gpus = flavor.gpus if profile is Profile.PRODUCTION else 0
    return Room(flavor.vcpus, flavor.ram_mib, gpus)


def unplaced(servers: Iterable[Room], free: Iterable[Room]) -> int:
    """
    Return how many servers find no node, the largest placed first, each where it fits first.

    What is free in all counts for little: a server needs its room on one node.
    """
    left = list(free)
    lost = 0
    for server in sorted(servers, key=lambda one: (one.gpus, one.memory_mib, one.vcpus))[::-1]:
        place = next((i for i, room in enumerate(left) if room.holds(server)), None)
        if place is None:
            lost += 1
        else:
            left[place] -= server
    return lost


def headroom(limit: float, used: float, needed: float) -> float | None:
    """
    Return what a takeover would leave, as a share of the limit; below 0 it would not fit.

    None where there is neither any nor any needed.
    """
    if limit <= 0:
        return None if needed <= 0 else -1.0
    return (limit - used - needed) / limit


def power_needed_w(site: Site, servers: Iterable[Room]) -> float:
    """
    Return the power that servers add, W: the nodes' range from rest to full load, by threads.

    A linear model between the two (Fan, Weber, Barroso: Power provisioning for a warehouse-sized
    computer, 2007); nodes at rest are on already.
    """
    nodes = [node for rack in site.racks for node in rack.nodes]
    threads = sum(node.vcpus * node.count for node in nodes)
    span = sum((node.max_w - node.idle_w) * node.count for node in nodes)
    return sum(one.vcpus for one in servers) * span / threads if threads else 0.0


_OF_RACKS = ("power", "heat")
RESOURCES = ("vcpus", "memory", "gpus", *_OF_RACKS)


def ratios(
    site: Site, amounts: Iterable[Amount], servers: Sequence[Room]
) -> dict[str, float | None]:
    """
    Return the headroom of a standby site by resource; one that was not measured is left out.

    Power is the sum of the racks' measured peaks against their supplies, heat the same against
    their cooling, where that is known of every rack.
    """
    needed = sum(servers, Room())
    wanted = {"vcpus": needed.vcpus, "memory": needed.memory_mib * MIB, "gpus": needed.gpus}
    amounts = list(amounts)
    found = {
        one.resource: headroom(one.limit, one.used, wanted[one.resource])
        for one in amounts
        if one.scope == "site" and one.used is not None and one.limit is not None
    }
    for resource in _OF_RACKS:
        racks = [one for one in amounts if (one.resource, one.scope) == (resource, "rack")]
        peaks = [one.used for one in racks if one.used is not None]
        if racks and len(peaks) == len(site.racks):
            limit = sum(one.limit for one in racks if one.limit is not None)
            found[resource] = headroom(limit, sum(peaks), power_needed_w(site, servers))
    return found
