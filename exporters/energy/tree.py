"""
A site's meters as a tree: what enters, what is IT, what lies between and is metered by none.

Roll-up rules, each by the name that docs/energy.md explains:

- boundary: total energy is the sum of the electricity meters without a parent: utilities,
  generators, renewables.  A generator with a meter at its output lies outside the boundary, so its
  fuel is told beside it and not added (EN 50600-4-2:2016, 5.2).  Where only fuel is metered, or
  energy enters as heat or chilled water, the total can't be told.
- category: IT energy is taken at the place nearest to the servers where every rack with servers is
  metered: 3 `it-input`, 2 `pdu-output`, 1 `ups-output` (ISO/IEC 30134-2, measurement categories).
- not IT: what hangs below such a meter and is no IT (cooling, lighting, other) is taken away.
- rest: what a meter shows beyond those below it is unmetered: losses, and what has no meter.
  Meters with a common child (two feeds) or a common place at the top are compared together.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from catalogue.errors import BadInputError
from catalogue.model import Meter as CataloguedMeter
from catalogue.model import Site
from exporters.energy.states import Meter

UNSTATED = 0.05
"""The accuracy taken where a meter states none: an assumption, told with each figure's bounds."""
_IT_PLACES = {3: "it-input", 2: "pdu-output", 1: "ups-output"}
_NOT_IT = {"cooling", "lighting", "other"}
_IDLE = {"generator", "renewable", "water-intake", "heat-reuse"}
_KWH = 3.6e6
_LITRES = {"fuel", "water"}
_WATER_LIMIT, _FUEL_LIMIT = 50.0, 1.0  # L/s: a 200 mm main; a generator of some MW
_SITE_FACTOR = 3.0


@dataclass(frozen=True)
class Group:
    """Meters compared with those below them, all of one carrier."""

    id: str
    """Of its meters, the one named first; a carrier's name at the top."""
    above: tuple[str, ...]
    below: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """The meter tree of a site; meters are known by their ids."""

    site: Site

    @cached_property
    def meters(self) -> dict[str, CataloguedMeter]:
        """By id."""
        return {one.id: one for one in self.site.meters}

    def at(self, place: str, carrier: str = "electricity") -> list[str]:
        """Return the meters at a place."""
        return [one.id for one in self.site.meters if (one.place, one.carrier) == (place, carrier)]

    @cached_property
    def boundary(self) -> list[str]:
        """The meters whose sum is the total energy."""
        return [
            one.id
            for one in self.site.meters
            if one.carrier == "electricity" and not one.parent and one.place != "heat-reuse"
        ]

    @cached_property
    def boundary_lacks(self) -> str:
        """Why the total energy can't be told, if it can't."""
        if self.at("generator", "fuel") and not self.at("generator"):
            return "a generator has no meter at its output"
        entering = [
            one.id
            for one in self.site.meters
            if one.carrier in {"chilled-water", "heat"}
            and not one.parent
            and one.place != "heat-reuse"
        ]
        if entering:
            return f"{entering[0]} measures a carrier that has no conversion factor"
        return "" if self.boundary else "no meter measures what enters"

    @cached_property
    def category(self) -> int:
        """The PUE category: 1, 2 or 3; 0 where no category's meters are complete."""
        for category, place in _IT_PLACES.items():
            meters = self.at(place)
            racks = {self.meters[one].rack for one in meters}
            needed = {rack.id for rack in self.site.racks if rack.nodes}
            if place == "it-input":
                complete = bool(needed) and not self.racks_not_metered_whole
            elif place == "pdu-output":
                complete = bool(needed) and needed <= racks
            else:
                complete = bool(meters)
            if complete:
                return category
        return 0

    @cached_property
    def racks_not_metered_whole(self) -> list[str]:
        """The racks some of whose servers have no meter of their own."""
        counts = dict.fromkeys((rack.id for rack in self.site.racks), 0)
        for one in self.at("it-input"):
            rack = self.meters[one].rack
            if rack in counts:
                counts[rack] += 1
        return [
            rack.id
            for rack in self.site.racks
            if counts[rack.id] < sum(node.count for node in rack.nodes)
        ]

    @cached_property
    def it(self) -> tuple[list[str], list[str]]:
        """
        The meters whose sum is the IT energy, and those below them that are taken away.

        Of two of a kind on one path, the upper holds the lower.
        """
        there = self.at(_IT_PLACES[self.category]) if self.category else []
        added = [one for one in there if not set(self._ancestors(one)) & set(there)]
        below = [one for one in self.meters if set(self._ancestors(one)) & set(added)]
        other = [one for one in below if self.meters[one].place in _NOT_IT]
        taken = [one for one in other if not set(self._ancestors(one)) & set(other)]
        return added, taken

    def _ancestors(self, meter: str) -> list[str]:
        found: list[str] = []
        ahead = list(self._parents(meter))
        while ahead:
            one = ahead.pop()
            if one not in found:
                found.append(one)
                ahead += self._parents(one)
        return found

    def _parents(self, meter: str) -> Iterable[str]:
        one = self.meters[meter]
        return [parent for parent in (one.parent, one.second_parent) if parent]

    @cached_property
    def groups(self) -> list[Group]:
        """What is compared: above, the meters of a group; below, all that they feed."""
        keys: dict[str, set[str]] = {}
        for one in self.site.meters:
            parents = {
                parent if self.meters[parent].parent else f"top {self.meters[parent].carrier}"
                for parent in self._parents(one.id)
            }
            if parents:
                merged: set[str] = set(parents).union(
                    *(keys.get(parent, set()) for parent in parents)
                )
                for parent in merged:
                    keys[parent] = merged
        groups = []
        for joined in {frozenset(one) for one in keys.values()}:
            above = tuple(one.id for one in self.site.meters if self._key(one) in joined)
            below = tuple(
                one.id
                for one in self.site.meters
                if any(self._key(self.meters[parent]) in joined for parent in self._parents(one.id))
                and self._key(one) not in joined
            )
            first = self.meters[above[0]]
            groups.append(Group(first.id if first.parent else first.carrier, above, below))
        return sorted(groups, key=lambda group: group.id)

    def _key(self, meter: CataloguedMeter) -> str:
        if meter.parent:
            return meter.id
        return f"top {meter.carrier}" if meter.place != "heat-reuse" else meter.id

    def judged_as(self, meter: CataloguedMeter) -> Meter:
        """
        Return what readings of the meter are judged by.

        Raise BadInputError if its accuracy class says no class.
        """
        accuracy = accuracy_of(meter)
        if meter.carrier in _LITRES:
            limit = _WATER_LIMIT if meter.carrier == "water" else _FUEL_LIMIT
            return Meter(accuracy, limit, 1000.0, steady=False)
        watts = {rack.id: float(rack.power_w) for rack in self.site.racks}
        most = _SITE_FACTOR * sum(watts.values()) or 1e7
        limit = watts.get(meter.rack or "", most)
        return Meter(accuracy, limit * 1.5, _KWH, steady=meter.place not in _IDLE)


def accuracy_of(meter: CataloguedMeter) -> float:
    """
    Return the greatest error of a meter of that class, as a ratio.

    "IEC 62053-22 class 0.5S" and "OIML R 117-1 class 0.5": 0.5 %; "ISO 4064-1 class 2" and
    "EN 1434-1 class 2": 2 %.  Raise BadInputError if no class is said, nor that none is stated.
    """
    if meter.accuracy_class == "none stated":
        return UNSTATED
    found = re.search(r"class (\d+(\.\d+)?)S?\b", meter.accuracy_class)
    if not found:
        raise BadInputError(
            f"the accuracy class of the meter {meter.id} says no class",
            why=f'it is "{meter.accuracy_class}"',
            remedy='write it such as "IEC 62053-21 class 1", or "none stated"',
        )
    return float(found[1]) / 100


def rest(group: Group, amounts: Mapping[str, float]) -> float:
    """Return what the meters above show beyond those below; negative where they show less."""
    above = sum(amounts[one] for one in group.above)
    return above - sum(amounts[one] for one in group.below)
