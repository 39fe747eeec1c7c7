"""
What goes wrong with a meter, as data, and what its register then says of a true energy.

    register = Register(
        truth=lambda time: truth.energy_j("utility-a", time),
        resolution=100.0,                           # a register of 100 J
        modulus=2**32 * 100.0,
        faults=(Gap(1000, 2000), Reset(5000)),
    )
    register.at(1500) is None
"""

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

Number = int | float


class Gap(NamedTuple):
    """The device gives no answer."""

    start: float
    end: float


class Frozen(NamedTuple):
    """The device says again what it said at the start, though it goes on counting."""

    start: float
    end: float


class Spike(NamedTuple):
    """What is read is so many times what the register holds."""

    start: float
    end: float
    factor: float


class Reset(NamedTuple):
    """The register starts again at zero."""

    time: float


class Rollover(NamedTuple):
    """The register passes its highest value at this time; there may be one for a register."""

    time: float


class Replacement(NamedTuple):
    """Another meter, with its own register in J, takes the place of the one before."""

    time: float
    register: float


class CtRatio(NamedTuple):
    """The current transformers' ratio is set wrong: the register counts so many times the truth."""

    start: float
    end: float
    factor: float


class ClockJump(NamedTuple):
    """The reader's clock is so many seconds ahead (or behind, if negative)."""

    start: float
    end: float
    seconds: float


Fault = Gap | Frozen | Spike | Reset | Rollover | Replacement | CtRatio | ClockJump


class Said(NamedTuple):
    """What a reader gets: when it believes to read, and the register in J (or µL)."""

    time: float
    value: float


@dataclass(frozen=True)
class Register:
    """
    A device's register of something that only grows, `truth(time)` in J or µL.

    `resolution` is what its last digit counts, `modulus` where it starts again at zero (None:
    never), `first` what it holds when `truth` is 0.
    """

    truth: Callable[[Number], Number]
    resolution: float = 1.0
    modulus: float | None = None
    first: float = 0.0
    faults: tuple[Fault, ...] = ()

    def at(self, time: Number) -> Said | None:
        """Return what is read at `time`; None when there is no answer."""
        seen, factor, clock = time, 1.0, float(time)
        for fault in self.faults:
            match fault:
                case Gap(start, end) if start <= time < end:
                    return None
                case Frozen(start, end) if start <= time < end:
                    seen = min(seen, start)
                case Spike(start, end, times) if start <= time < end:
                    factor *= times
                case ClockJump(start, end, seconds) if start <= time < end:
                    clock += seconds
        return Said(clock, self._register(seen) * factor)

    @cached_property
    def _moments(self) -> list[tuple[Number, float | None, float]]:
        """Give when counting changes: the time, what the register is set to, the factor then."""
        ratios = [one for one in self.faults if isinstance(one, CtRatio)]
        sets: dict[float, float | None] = {}
        for one in ratios:
            sets |= {one.start: None, one.end: None}
        for fault in self.faults:
            if isinstance(fault, Reset):
                sets[fault.time] = 0.0
            elif isinstance(fault, Replacement):
                sets[fault.time] = fault.register
        moments = []
        for time in sorted(sets):
            factor = 1.0
            for one in ratios:
                if one.start <= time < one.end:
                    factor *= one.factor
            moments.append((time, sets[time], factor))
        return moments

    @cached_property
    def _counted(self) -> list[float]:
        """Give what had been counted at each of the moments, once its change is made."""
        counted: list[float] = []
        for index, (time, new, _) in enumerate(self._moments):
            counted.append(self._since(index - 1, time, counted) if new is None else new)
        return counted

    def _since(self, index: int, time: Number, counted: list[float]) -> float:
        """Return what is counted at `time`, after the moment of that index (-1: the beginning)."""
        if index < 0:
            return self.first + self.truth(time)
        start, _, factor = self._moments[index]
        return counted[index] + (self.truth(time) - self.truth(start)) * factor

    def _register(self, time: Number) -> float:
        value = self._raw(time)
        for fault in self.faults:
            if isinstance(fault, Rollover) and self.modulus is not None:
                value += self.modulus - self._raw(fault.time)
        if self.modulus is not None:
            value %= self.modulus
        return value // self.resolution * self.resolution

    def _raw(self, time: Number) -> float:
        index = bisect.bisect_right([one[0] for one in self._moments], time) - 1
        return self._since(index, time, self._counted)
