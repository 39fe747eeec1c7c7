"""A site's indicators in a window, and what its services use: from the ledger and the catalogue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from catalogue import recovery
from catalogue.model import Catalogue, Component, Database, Profile, Site
from exporters.energy import indicators
from exporters.energy.indicators import Figure, Told, Untold
from exporters.energy.tree import Tree
from exporters.ledger import Sums

UNALLOCATED = "unallocated"
"""Stands for a service: what no service's servers can use."""
_DIESEL_HEAT, _DIESEL_CARBON = "diesel-heat", "diesel-carbon"
_GJ_PER_KWH = 3.6e-3

ENVELOPES = {
    "recommended": "",
    **{one.upper(): f"-{one}" for one in ("a1", "a2", "a3", "a4")},
}
"""ASHRAE's, with what their targets' ids have after what is measured."""

Between = Callable[[str], Sums]
"""What passed a meter, known by its id, in the window."""


@dataclass(frozen=True)
class Amounts:
    """What the indicators of a window are made of."""

    total: Told
    """J"""
    it: Told
    """J"""
    carbon: Told
    """kg of CO2"""
    water: Told
    """L"""
    renewable: Told
    reused: Told
    removed: Told
    cooling: Told
    """J"""


def amounts(
    tree: Tree, catalogue: Catalogue, between: Between, seconds: float, year: int
) -> Amounts:
    """Return a site's amounts in a window of so many seconds in a calendar year."""

    def summed(meters: list[str], lacking: str) -> Told:
        if not meters:
            return Untold(lacking)
        unread = [one for one in meters if tree.meters[one].reads is None]
        if unread:
            return Untold(f"{unread[0]} is read by no device")
        return indicators.amount([between(one) for one in meters], seconds)

    lacks = tree.boundary_lacks
    total: Told = Untold(lacks) if lacks else summed(tree.boundary, "")
    added, taken = tree.it
    it = summed(added, "no place has IT meters for every rack")
    other = summed(taken, "") if taken else None
    if isinstance(it, Figure) and other is not None:
        it = other if isinstance(other, Untold) else indicators.less(it, other)
    return Amounts(
        total=total,
        it=it,
        carbon=_carbon(tree, catalogue, summed, year),
        water=summed(tree.at("water-intake", "water"), "no meter measures the water that enters"),
        renewable=summed(tree.at("renewable"), "no meter measures renewable energy"),
        reused=summed(tree.at("heat-reuse", "heat"), "no meter measures heat that is reused"),
        removed=summed(tree.at("cooling", "heat"), "no meter measures the heat that is removed"),
        cooling=summed(tree.at("cooling"), "no meter measures what cooling consumes"),
    )


def _carbon(
    tree: Tree, catalogue: Catalogue, summed: Callable[[list[str], str], Told], year: int
) -> Told:
    """Return kg of CO2: the grid's by its newest official factor so far, the fuel's by its heat."""
    factors = {one.id: one for one in catalogue.factors.factors}
    grid = [
        one for one in factors.values() if one.id.startswith("grid-emission-") and one.year <= year
    ]
    if not grid:
        return Untold(f"no grid emission factor is known up to {year}")
    bought = summed(tree.at("utility"), "no meter measures what the utility supplies")
    if isinstance(bought, Untold):
        return bought
    newest = max(grid, key=lambda one: one.year)
    carbon = bought.times(newest.value / indicators.KWH)  # t/MWh is kg/kWh
    tanks = tree.at("generator", "fuel")
    if not tanks:
        return Untold("no meter measures a generator's fuel") if tree.at("generator") else carbon
    fuel = summed(tanks, "")
    if isinstance(fuel, Untold):
        return fuel
    if not {_DIESEL_HEAT, _DIESEL_CARBON} <= set(factors):
        return Untold("factors.yaml has no diesel-heat and diesel-carbon")
    per_litre = factors[_DIESEL_HEAT].value * _GJ_PER_KWH * factors[_DIESEL_CARBON].value
    return indicators.added(carbon, fuel.times(per_litre))


def computed(found: Amounts) -> dict[str, Told]:
    """Return every indicator of a window by its short name, or why it can't be told."""
    return {
        "PUE": _of(indicators.pue, found.total, found.it),
        "REF": _of(indicators.ref, found.renewable, found.total),
        "ITEEsv": indicators.iteesv(),
        "ITEUsv": indicators.iteusv(),
        "ERF": _of(indicators.erf, found.reused, found.total),
        "CER": _of(indicators.cer, found.removed, found.cooling),
        "CUE": _of(indicators.cue, found.carbon, found.it),
        "WUE": _of(indicators.wue, found.water, found.it),
    }


def _of(indicator: Callable[[Figure, Figure], Told], above: Told, below: Told) -> Told:
    for one in (above, below):
        if isinstance(one, Untold):
            return one
    if isinstance(above, Figure) and isinstance(below, Figure):
        return indicator(above, below)
    raise TypeError(above, below)


def shares(catalogue: Catalogue, site: Site, profile: Profile) -> dict[str, float]:
    """
    Return of a site's IT energy the share of each service, by its servers' flavors.

    A flavor weighs the watts at full load of the vCPUs and GPUs that it holds, as the site's nodes
    have them; the whole is what all nodes draw at full load.  UNALLOCATED has the rest.
    """
    nodes = [node for rack in site.racks for node in rack.nodes]
    plain = [node for node in nodes if not node.gpus] or nodes
    vcpus = sum(node.vcpus * node.count for node in plain)
    per_vcpu = sum(node.max_w * node.count for node in plain) / vcpus if vcpus else 0.0
    gpus = sum(node.gpus * node.count for node in nodes)
    beyond = sum(
        max(0.0, node.max_w - per_vcpu * node.vcpus) * node.count for node in nodes if node.gpus
    )
    per_gpu = beyond / gpus if gpus else 0.0
    whole = sum(node.max_w * node.count for node in nodes)
    flavors = {one.id: one for one in site.flavors}

    def weight(part: Component | Database) -> float:
        flavor = flavors[part.flavor]
        return flavor.vcpus * per_vcpu + flavor.gpus * per_gpu

    found: dict[str, float] = {}
    for service in catalogue.services.values():
        servers = recovery.standing(catalogue, site, service, profile).servers
        watts = sum(
            weight(part) * servers[part.id]
            for part in recovery.parts(service)
            if servers.get(part.id)
        )
        if watts and whole:
            found[service.id] = watts / whole
    allocated = sum(found.values())
    if allocated > 1:  # overcommitted: nothing is left
        found = {one: share / allocated for one, share in found.items()}
    return found | {UNALLOCATED: max(0.0, 1 - allocated)}


def envelopes(
    limits: Mapping[str, float], temperature: float, dew_point: float | None
) -> dict[str, bool]:
    """
    Return of each ASHRAE envelope whether air at an inlet (°C) is within it.

    `limits` are the catalogue's targets by id.  Each envelope bounds temperature and dew point; air
    whose dew point is not known is outside where its temperature is, and else not judged.
    """
    found = {}
    for name, suffix in ENVELOPES.items():
        held = [
            _within(limits, f"inlet-temperature{suffix}", temperature),
            _within(limits, f"inlet-dew-point{suffix}", dew_point),
        ]
        if False in held or None not in held:
            found[name] = False not in held
    return found


def _within(limits: Mapping[str, float], prefix: str, value: float | None) -> bool | None:
    low, high = limits.get(f"{prefix}-low"), limits.get(f"{prefix}-high")
    if value is None or low is None or high is None:
        return None
    return low <= value <= high
