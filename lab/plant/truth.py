"""
The true energy and volume of every meter at any time, to the joule and the microlitre.

    truth = Truth(catalogue.load().sites["main"], start=1767225600, step_s=300)
    truth.energy_j("utility-a", 1767225600 + 86400)    # since the start
    truth.power_w("utility-a", 1767225600 + 86400)

Flows are constant within a step.  They are the same whatever the start, so that two truths of one
site and step tell the same of any interval.
"""

from typing import NamedTuple

import numpy as np

from catalogue.model import Site
from lab.plant import model, noise
from lab.plant.model import Flows, Overload
from lab.plant.parameters import Parameters
from lab.plant.parameters import load as load_parameters

Number = int | float
UL = 1_000_000  # in a litre
STEPS_PER_BLOCK = 2160


class Conditions(NamedTuple):
    """Air at a place: °C, °C and a ratio."""

    temperature: float
    dew_point: float
    humidity: float


class Truth:
    """
    A site from `start` (whole s since 1970 UTC, a multiple of the step) on.

    Times asked for may be fractions of a second; at whole ones energies are whole joules (int).
    Raise ValueError for times before the start.
    """

    def __init__(  # noqa: PLR0913  (each by its name)
        self,
        site: Site,
        start: int,
        *,
        step_s: int = 60,
        seed: int = 0,
        events: tuple[Overload, ...] = (),
        parameters: Parameters | None = None,
    ) -> None:
        if start % step_s:
            raise ValueError(f"the start, {start}, is no multiple of the step, {step_s} s")
        self.site, self.start, self.step_s, self.seed = site, start, step_s, seed
        self.events = events
        self._parameters = parameters or load_parameters(site.id)
        self._clear()

    def _clear(self) -> None:
        self._blocks: list[Flows] = []
        # Before each step of a block, and after its last.
        self._totals: list[dict[str, noise.Array]] = []

    def happen(self, events: tuple[Overload, ...]) -> None:
        """Let these events be the ones that there are; what they don't touch stays as it was."""
        self.events = events
        self._clear()

    def forget(self, time: Number) -> None:
        """Free the memory of what was long before `time`, which can't be asked for any more."""
        for block in range(self._place(time)[0] - 1):
            self._blocks[block], self._totals[block] = Flows(), {}

    def energy_j(self, meter: str, time: Number) -> Number:
        """Return the energy that passed the meter since the start, in J (electricity, heat)."""
        return self._passed(meter, time)

    def power_w(self, meter: str, time: Number) -> int:
        """Return what passes the meter at `time`, in W."""
        flow, step = self._at(time)
        return int(flow.meters[meter][step])

    def volume_l(self, meter: str, time: Number) -> float:
        """Return the volume that passed the meter since the start, in L (water, fuel)."""
        return self._passed(meter, time) / UL

    def flow_l_s(self, meter: str, time: Number) -> float:
        """Return what flows through the meter at `time`, in L/s."""
        return self.power_w(meter, time) / UL

    def loss_j(self, meter: str, time: Number) -> Number:
        """Return what was lost or unmetered between the meter and those below it, in J (or µL)."""
        return self._passed(f"loss {meter}", time)

    def fed_in_j(self, meter: str, time: Number) -> Number:
        """Return what generator and panels supplied below a utility's meter, in J."""
        return self._passed(f"fed in {meter}", time)

    def part_j(self, meter: str, parent: str, time: Number) -> Number:
        """Return what the meter drew through that parent since the start, in J (or µL)."""
        return self._passed(f"part {meter} {parent}", time)

    def ups_load(self, ups: str, time: Number) -> float:
        """Return what a UPS carries as a ratio of what it can."""
        flow, step = self._at(time)
        return float(flow.ups_load[ups][step])

    def ups_input_w(self, ups: str, time: Number) -> int:
        """Return what a UPS draws, in W."""
        flow, step = self._at(time)
        return int(flow.meters[ups][step] + flow.ups_losses[ups][step])

    def runtime_s(self, ups: str, time: Number) -> float:
        """Return how long a UPS's battery would carry what it carries, in s."""
        return self._parameters.ups[ups].battery_wh * 3600 / max(1, self.power_w(ups, time))

    def air(self, place: str, rack: str, time: Number) -> Conditions:
        """Return the air at a rack's inlet or outlet, or in the room (rack ""): °C, °C, ratio."""
        flow, step = self._at(time)
        found = flow.air[place, rack]
        return Conditions(*(float(one[step]) for one in found))

    def _passed(self, name: str, time: Number) -> Number:
        block, step, rest = self._place(time)
        totals = self._totals[block][name]
        before = int(totals[step])
        return before + (int(totals[step + 1]) - before) // self.step_s * rest

    def _at(self, time: Number) -> tuple[Flows, int]:
        block, step, _ = self._place(time)
        return self._blocks[block], step

    def _place(self, time: Number) -> tuple[int, int, Number]:
        """Return the block, the step in it and the seconds into that step; compute up to there."""
        if time < self.start:
            raise ValueError(f"{time} is before the start, {self.start}")
        steps, rest = divmod(time - self.start, self.step_s)
        block, step = divmod(int(steps), STEPS_PER_BLOCK)
        while len(self._blocks) <= block:
            self._grow()
        return block, step, rest

    def _grow(self) -> None:
        """Compute one more block of steps."""
        first = self.start + len(self._blocks) * STEPS_PER_BLOCK * self.step_s
        times = first + np.arange(STEPS_PER_BLOCK, dtype=np.int64) * self.step_s
        found = model.flows(self.site, self._parameters, times, seed=self.seed, events=self.events)
        named = {
            **found.meters,
            **{f"loss {name}": flow for name, flow in found.losses.items()},
            **{f"fed in {name}": flow for name, flow in found.fed_in.items()},
            **{f"part {one} {parent}": flow for (one, parent), flow in found.parts.items()},
        }
        before = self._totals[-1] if self._totals else {}
        totals = {}
        for name, flow in named.items():
            base = before[name][-1:] if before else np.zeros(1, dtype=np.int64)
            totals[name] = np.concatenate((base, base + np.cumsum(flow * self.step_s)))
        self._blocks.append(found)
        self._totals.append(totals)
