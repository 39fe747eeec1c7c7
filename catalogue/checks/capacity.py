"""Whether the sites' racks carry what runs on them, with a node lost and after a takeover."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from catalogue import recovery
from catalogue.loading import Draft
from catalogue.model import Catalogue, Flavor, Node, Profile, Service, Site
from catalogue.problems import Problem

LAB_HOSTS = 24
"""The lab is one machine with a primary site and one standby: both together run no more."""


@dataclass(frozen=True, slots=True)
class _Load:
    """What servers take of nodes."""

    vcpus: int = 0
    ram_mib: int = 0
    gpus: int = 0


def flavors_fit_a_node(draft: Draft) -> Iterator[Problem]:
    """Every flavor of a site fits at least one of its nodes."""
    for name, site in draft.sites.items():
        nodes = [node for rack in site.racks for node in rack.nodes]
        for index, flavor in enumerate(site.flavors if nodes else ()):
            if not any(_fits(flavor, node) for node in nodes):
                what = (
                    f"{flavor.vcpus} vCPU, {flavor.ram_mib} MiB and {flavor.gpus} GPUs fit no node"
                    " of any rack"
                )
                remedy = "make the flavor smaller, or describe the racks that hold it"
                yield draft.problem(f"sites/{name}", ("flavors", index), what, remedy)


def racks_carry_their_nodes(draft: Draft) -> Iterator[Problem]:
    """Ensure that a rack's supply and cooling carry its nodes, whose power at rest is less."""
    for name, site in draft.sites.items():
        for index, rack in enumerate(site.racks):
            needed = sum(node.count * node.max_w for node in rack.nodes)
            for field, limit in (("power_w", rack.power_w), ("cooling_w", rack.cooling_w)):
                if limit is not None and needed > limit:
                    what = f"{limit} W, but the nodes take {needed} W at full load"
                    remedy = "move nodes to another rack, or raise it"
                    steps = ("racks", index, field)
                    yield draft.problem(f"sites/{name}", steps, what, remedy)
            for place, node in enumerate(rack.nodes):
                if node.idle_w > node.max_w:
                    what = f"{node.idle_w} W at rest, but {node.max_w} W at full load"
                    steps_idle = ("racks", index, "nodes", place, "idle_w")
                    yield draft.problem(f"sites/{name}", steps_idle, what, "exchange the two")


def nodes_carry_all_servers(draft: Draft) -> Iterator[Problem]:
    """
    With the largest node lost, the nodes carry every production server.

    At a standby site that is, after a takeover, the full size of every service whose data is
    there.  GPUs are counted on the nodes that have them.
    """
    catalogue = _sound(draft)
    if catalogue is None:
        return
    for name, site in draft.sites.items():
        needed = _load(catalogue, site)
        nodes = [node for rack in site.racks for node in rack.nodes]
        for what, need, sizes in (
            ("vCPUs", needed.vcpus, [(one.vcpus, one.count) for one in nodes]),
            ("GiB of memory", -(-needed.ram_mib // 1024), [(o.ram_gib, o.count) for o in nodes]),
            ("GPUs", needed.gpus, [(one.gpus, one.count) for one in nodes]),
        ):
            held = sum(size * count for size, count in sizes)
            left = held - max((size for size, _ in sizes), default=0)
            if need > left:
                said = f"hold {left} {what} with one node lost, but {need} are needed"
                remedy = "add nodes, or run fewer servers"
                yield draft.problem(f"sites/{name}", ("racks",), said, remedy)


def the_lab_stays_small(draft: Draft) -> Iterator[Problem]:
    """Ensure that the lab's servers of all sites together are few enough for one machine."""
    catalogue = _sound(draft)
    if catalogue is None:
        return
    hosts = {
        key: sum(
            sum(recovery.standing(catalogue, site, service, Profile.LAB).servers.values())
            for site in _lab_sites(catalogue)
        )
        for key, service in catalogue.services.items()
    }
    if sum(hosts.values()) > LAB_HOSTS:
        largest = ", ".join(f"{key} {count}" for key, count in Counter(hosts).most_common(3))
        what = f"the lab would have {sum(hosts.values())} hosts, but holds {LAB_HOSTS}"
        remedy = f"lower counts of the lab profile; the largest: {largest}"
        yield draft.problem("city", ("id",), what, remedy)


def _lab_sites(catalogue: Catalogue) -> list[Site]:
    """Return the first primary site and the first that stands in for it."""
    by_number = sorted(catalogue.sites.values(), key=lambda site: site.number)
    primaries = [site for site in by_number if site.role == "primary"][:1]
    standbys = [site for site in by_number if site.stands_in_for in {one.id for one in primaries}]
    return primaries + standbys[:1]


def _sound(draft: Draft) -> Catalogue | None:
    """Return the catalogue if sums over all of it can be trusted."""
    catalogue = draft.catalogue()
    whole = draft.files == set(draft.models)
    if catalogue is None or not whole:
        return None
    described = {one.tier for one in catalogue.city.recovery}
    used = {service.recovery.tier for service in catalogue.services.values()}
    return catalogue if used <= described else None


def _load(catalogue: Catalogue, site: Site) -> _Load:
    """Return what all servers take that the site must run in production, at worst."""
    flavors = {one.id: one for one in site.flavors}
    vcpus = ram_mib = gpus = 0
    for service in catalogue.services.values():
        for flavor, count in _at_worst(catalogue, site, service, flavors):
            vcpus += flavor.vcpus * count
            ram_mib += flavor.ram_mib * count
            gpus += flavor.gpus * count
    return _Load(vcpus, ram_mib, gpus)


def _at_worst(
    catalogue: Catalogue, site: Site, service: Service, flavors: dict[str, Flavor]
) -> Iterator[tuple[Flavor, int]]:
    """Yield the servers of a service that the site must be able to run, by flavor."""
    share = next(one for one in catalogue.city.recovery if one.tier is service.recovery.tier)
    for part in recovery.parts(service):
        if (site.role == "primary" or share.data or share.servers) and part.flavor in flavors:
            yield flavors[part.flavor], recovery.size(part, Profile.PRODUCTION)


def _fits(flavor: Flavor, node: Node) -> bool:
    return (
        flavor.vcpus <= node.vcpus
        and flavor.ram_mib <= node.ram_gib * 1024
        and flavor.gpus <= node.gpus
    )
