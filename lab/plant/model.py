"""
What flows through every meter of a site at any time: the truth that its devices measure.

Flows are whole watts (electricity, heat) or whole µL/s (water, fuel), so that energy and volume
over whole seconds are whole joules and microlitres, and sums are exact.  All is a pure function of
site, parameters, seed, events and time.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from catalogue.model import Meter, Site
from lab.plant import weather
from lab.plant.noise import Array, lattice
from lab.plant.parameters import (
    Chiller,
    Fans,
    Fuel,
    Generator,
    HeatReuse,
    Hours,
    Parameters,
    Photovoltaic,
    Tap,
    Towers,
)
from lab.plant.weather import DAY_S, LOCAL_S, Weather

HOUR_S = 3600
EVAPORATION_J_PER_UL = 2.45  # 2.45 MJ/kg at 20 °C
SATURDAY = 5
WORKDAYS = 5
THURSDAY = 3  # 1970-01-01


class Overload(NamedTuple):
    """Something that nobody planned draws from a UPS until it carries `ratio` of what it can."""

    ups: str
    start: float
    end: float
    ratio: float = 1.1


class Air(NamedTuple):
    """Air at a place: °C, °C and a ratio."""

    temperature: Array
    dew_point: Array
    humidity: Array


@dataclass(frozen=True)
class Flows:
    """
    What flows at each of some times.

    For every meter with others below it: meters[it] + fed_in.get(it, 0) is the sum of
    parts[child, it] of those below it, and losses[it].
    """

    meters: dict[str, Array] = field(default_factory=dict)
    parts: dict[tuple[str, str], Array] = field(default_factory=dict)
    """By meter and parent: what the meter draws through that parent; the whole, but for those
    that have two."""
    losses: dict[str, Array] = field(default_factory=dict)
    """By meter: what is lost, or measured by none, between it and those below it."""
    fed_in: dict[str, Array] = field(default_factory=dict)
    """By utility's meter: what generator and panels supply to what lies below it."""
    ups_load: dict[str, Array] = field(default_factory=dict)
    """As a ratio of the rated power."""
    ups_losses: dict[str, Array] = field(default_factory=dict)
    """Between a UPS's input and output, W."""
    air: dict[tuple[str, str], Air] = field(default_factory=dict)
    """By place (inlet, outlet, room) and rack ("" for the room)."""


def flows(
    site: Site,
    parameters: Parameters,
    times: Array,
    *,
    seed: int = 0,
    events: tuple[Overload, ...] = (),
) -> Flows:
    """Return what flows at `times` (whole s since 1970 UTC); raise KeyError at a strange meter."""
    return _Step(site, parameters, times, seed, events).run()


class _Step:
    """One computation, from the servers up to the utility."""

    def __init__(
        self,
        site: Site,
        parameters: Parameters,
        times: Array,
        seed: int,
        events: tuple[Overload, ...],
    ) -> None:
        self.site, self.parameters, self.times, self.seed = site, parameters, times, seed
        self.events = events
        self.out = Flows()
        self.weather: Weather = weather.at(times, seed)
        self.busy = working_hours(times)
        self.racks: dict[str, Array] = {}
        self.under_test: Array = np.zeros(len(times), dtype=bool)

    def run(self) -> Flows:
        self._servers()
        self._upses()
        for meter in self.site.meters:
            self._part(meter)
        self._towers()
        self._utilities()
        self._unmetered()
        self._fuel()
        self._air()
        return self.out

    def _of(self, place: str) -> list[Meter]:
        return [one for one in self.site.meters if one.place == place]

    def _children(self, meter: Meter) -> list[Meter]:
        return [one for one in self.site.meters if meter.id in _parents(one)]

    def _zero(self) -> Array:
        return np.zeros(len(self.times), dtype=np.int64)

    def _servers(self) -> None:
        """
        Give every server a load, and split it over the rack's PDUs or to the one it hangs on.

        The meter of a rack's n-th server has an id that ends so: "server-a2-3".
        """
        load = self.parameters.load
        for rack in self.site.racks:
            pdus = {one.id: self._zero() for one in self._of("pdu-output") if one.rack == rack.id}
            metered = {
                int(one.id.rpartition("-")[2]): one
                for one in self._of("it-input")
                if one.rack == rack.id
            }
            share = self.parameters.split.get(rack.id, 0.5)
            shared = lattice(self.seed, f"{self.site.id} {rack.id}", self.times, 6 * HOUR_S)
            total = self._zero()
            kinds = [kind for kind in rack.nodes for _ in range(kind.count)]
            for number, kind in enumerate(kinds, 1):
                name = f"{self.site.id} {rack.id} {number}"
                own = lattice(self.seed, name, self.times, HOUR_S // 4)
                noise = load.noise * (shared + own) / 2
                used = np.clip(load.base + load.working * self.busy + noise, 0.02, 1)
                draw = _whole(kind.idle_w + (kind.max_w - kind.idle_w) * used)
                total = total + draw
                meter = metered.get(number)
                feeds = _parents(meter) if meter else list(pdus)
                first = _whole(draw * share) if len(feeds) > 1 else draw
                parts = dict(zip(feeds, (first, draw - first), strict=False))
                for feed, part in parts.items():
                    pdus[feed] = pdus[feed] + part
                if meter:
                    self.out.meters[meter.id] = draw
                    self.out.parts.update(((meter.id, feed), part) for feed, part in parts.items())
            self.racks[rack.id] = total
            self.out.meters.update(pdus)

    def _below(self, meter: Meter) -> Array | None:
        """Return what the meters below take through this one; None where there are none."""
        children = self._children(meter)
        for child in children:
            self.out.parts.setdefault((child.id, meter.id), self.out.meters[child.id])
        taken = [self.out.parts[child.id, meter.id] for child in children]
        return sum(taken, self._zero()) if taken else None

    def _upses(self) -> None:
        for meter in self._of("ups-output"):
            ups, rated_w = self.parameters.ups[meter.id], meter.rated_w or 1
            below = self._below(meter)
            carried = self._zero() if below is None else below
            lost = _whole(self.parameters.cables * carried * (carried / rated_w))
            output = carried + lost
            for event in self.events:
                if event.ups == meter.id:
                    during = (self.times >= event.start) & (self.times < event.end)
                    limit = _whole(np.full(len(self.times), rated_w * event.ratio))
                    output = np.where(during, np.maximum(output, limit), output)
            load = output / rated_w
            self.out.meters[meter.id] = output
            self.out.losses[meter.id] = output - carried
            self.out.ups_load[meter.id] = load
            self.out.ups_losses[meter.id] = _whole(
                rated_w * (ups.no_load + ups.quadratic * load**2) + ups.proportional * output
            )

    def _heat(self, racks: list[str]) -> Array:
        """Return the heat to be taken from the racks' rooms: theirs, and the UPSs' by share."""
        mine = sum((self.racks[rack] for rack in racks), self._zero())
        everyone = sum(self.racks.values(), self._zero())
        losses = sum(self.out.ups_losses.values(), self._zero())
        return mine + losses * mine / np.maximum(everyone, 1)

    def _part(self, meter: Meter) -> None:
        """Compute what the parameters describe one by one, but for what others must come before."""
        if meter.id in self.out.meters or meter.place == "utility":
            return
        air, busy = self.weather, self.busy
        match self.parameters.parts[meter.id]:
            case Chiller() as part:
                outdoor = air.wet_bulb if part.outdoor == "wet-bulb" else air.temperature
                cop = np.maximum(part.cop - part.cop_per_k * (outdoor - 20), 2)
                flow = part.base_w + self._heat(part.racks) / cop
            case Fans() as part:
                flow = part.base_w + part.share * self._heat(part.racks)
            case Hours() as part:
                warm = part.per_k_w * np.maximum(air.temperature - 24, 0)
                flow = part.base_w + busy * (part.working_w + warm)
            case Photovoltaic() as part:
                flow = part.peak_w * sunshine(self.times, self.seed)
            case HeatReuse() as part:
                flow = np.where(air.temperature < 18, part.share * self._heat(part.racks), 0)  # noqa: PLR2004
            case Tap() as part:
                flow = part.base_ul_s + busy * part.working_ul_s
            case Generator() as part:
                self.under_test = generator_tests(self.times, part)
                return
            case Fuel() | Towers():
                return
        self.out.meters[meter.id] = _whole(flow)

    def _towers(self) -> None:
        """Let the cooling towers draw what carries the chillers' heat away."""
        for meter in self._of("cooling"):
            part = self.parameters.parts.get(meter.id)
            if isinstance(part, Towers):
                heat = self._zero() * 1.0
                for name in part.chillers:
                    chiller = self.parameters.parts[name]
                    if isinstance(chiller, Chiller):
                        heat += self._heat(chiller.racks) + self.out.meters[name]
                evaporated = heat * part.evaporating / EVAPORATION_J_PER_UL
                draw = _whole(evaporated * (1 + 1 / (part.cycles - 1)))
                self.out.meters[meter.id] = draw
        for meter in self._of("water-intake"):
            below = self._below(meter)
            if below is not None:
                self.out.meters[meter.id] = self.out.meters[meter.id] + below

    def _utilities(self) -> None:
        """Add up each feed's demand, which generator or panels may meet in the utility's place."""
        tested = self._zero()
        for meter in self._of("utility"):
            below = self._below(meter)
            carried = self._zero() if below is None else below
            for ups, lost in self.out.ups_losses.items():
                if any(one.id == ups for one in self._children(meter)):
                    carried = carried + lost
            demand = carried + _whole(self.parameters.transformer * carried)
            panels = self._zero()
            for one in self._of("renewable"):
                part = self.parameters.parts[one.id]
                if isinstance(part, Photovoltaic) and part.into == meter.id:
                    panels = panels + self.out.meters[one.id]
            if np.any(panels > demand):
                raise ValueError(f"{self.site.id}: more panels than {meter.id} can take")
            by_generator = np.where(self.under_test, demand - panels, 0)
            self.out.fed_in[meter.id] = by_generator + panels
            self.out.meters[meter.id] = demand - by_generator - panels
            self.out.losses[meter.id] = demand - (self._zero() if below is None else below)
            tested = tested + by_generator
        for meter in self._of("generator"):
            if isinstance(self.parameters.parts[meter.id], Generator):
                self.out.meters[meter.id] = tested

    def _unmetered(self) -> None:
        """State what the remaining meters measure beyond those below them."""
        for meter in self.site.meters:
            below = self._below(meter)
            if below is not None and meter.id not in self.out.losses:
                self.out.losses[meter.id] = self.out.meters[meter.id] - below

    def _fuel(self) -> None:
        for meter in self._of("generator"):
            part = self.parameters.parts[meter.id]
            if isinstance(part, Fuel):
                power = self.out.meters[part.generator]
                burnt = part.base_ul_s + part.ul_per_j * power
                self.out.meters[meter.id] = _whole(np.where(power > 0, burnt, 0))

    def _air(self) -> None:
        """Give the rooms air that is dried to 12 °C at most, and the racks a rise by their load."""
        dew_point = np.minimum(self.weather.dew_point, 12.0)
        supply = self.parameters.supply_c + 0.4 * lattice(
            self.seed, f"{self.site.id} supply", self.times, HOUR_S
        )
        self.out.air["room", ""] = _air_at(supply + 1.5, dew_point)
        for rack in self.site.racks:
            own = 0.6 * lattice(self.seed, f"{self.site.id} {rack.id} air", self.times, HOUR_S)
            rise = self.parameters.rise_k * self.racks[rack.id] / rack.power_w
            self.out.air["inlet", rack.id] = _air_at(supply + own, dew_point)
            self.out.air["outlet", rack.id] = _air_at(supply + own + rise, dew_point)


def working_hours(times: Array) -> Array:
    """Return how much of the city's work goes on: 0 at night to 1 by day, Saturdays a third."""
    local = times + LOCAL_S
    hour = local % DAY_S / HOUR_S
    day = (local // DAY_S + THURSDAY) % 7
    weight = np.where(day < WORKDAYS, 1.0, np.where(day == SATURDAY, 0.35, 0.1))
    morning = 1 / (1 + np.exp(-(hour - 7.5) * 2.5))
    evening = 1 / (1 + np.exp((hour - 17.5) * 1.8))
    return np.asarray(weight * morning * evening)


def sunshine(times: Array, seed: int) -> Array:
    """Return the sun's power on panels as a ratio: a half wave from six to six, with clouds."""
    hour = (times + LOCAL_S) % DAY_S / HOUR_S
    clear = np.maximum(np.sin(np.pi * (hour - 6) / 12), 0)
    clouds = 0.55 + 0.35 * lattice(seed, "clouds", times, 2 * HOUR_S)
    return np.asarray(clear * clouds)


def generator_tests(times: Array, part: Generator) -> Array:
    """Say at which times the generator carries the site."""
    local = times + LOCAL_S
    days = local // DAY_S
    date = days.astype("datetime64[D]")
    of_month = (date - date.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    saturday = (days + THURSDAY) % 7 == SATURDAY
    in_week = of_month // 7 == part.week - 1
    second = local % DAY_S - part.hour * HOUR_S
    return np.asarray(saturday & in_week & (second >= 0) & (second < part.minutes * 60))


def _air_at(temperature: Array, dew_point: Array) -> Air:
    ratio = weather.vapour_pressure(dew_point) / weather.vapour_pressure(temperature)
    return Air(temperature, dew_point, ratio)


def _whole(values: Array) -> Array:
    return np.rint(values).astype(np.int64)


def _parents(meter: Meter) -> list[str]:
    return [one for one in (meter.parent, meter.second_parent) if one]
