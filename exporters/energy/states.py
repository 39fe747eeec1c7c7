"""
What is known of a meter and what a sample of it comes to; arithmetic that all its rules share.

The unit is the meter's: J and W, or L and L/s; "amount" and "rate" stand for both.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

MAX_GAP = 900.0
"""s: longer than this without a reading is a gap; the ISO/IEC 30134-2 reading interval is less."""
MAX_HOLD = 86_400.0
"""s: so long may a register stand still before its meter counts as estimated."""
STILL = 21_600.0
"""s: so long may a rate that is not zero stay the same to the last digit."""
MEMORY = 86_400.0
"""s: time constant of a meter's usual rate."""
SLACK = 1.05
FAR = 1.5
"""How far the register may be from what the rate says, sampled as it is."""
FROZEN_SAMPLES = 10
SPIKE = 3.0
HEADROOM = 1.25
COVERED = 0.95


class Verdict(StrEnum):
    """What is thought of one reading."""

    GOOD = "good"
    GAP = "gap"
    """Sound, but too long after the one before."""
    UNAVAILABLE = "unavailable"
    """The device says that it has no value."""
    LIMIT = "limit"
    """Outside what the device can measure."""
    SPIKE = "spike"
    """More than can have passed; held until the next reading confirms or refutes it."""
    STEP = "step"
    """A register lower than before that did not roll over; held likewise."""
    DISAGREES = "disagrees"
    """The register and the power integral differ; held likewise."""
    FROZEN = "frozen"
    """Stands still although it should move."""
    CLOCK = "clock"
    """Not later than the one before; held likewise."""


class Rule(StrEnum):
    """How an interval's amount was come by."""

    REGISTER = "register"
    ROLLOVER = "rollover"
    INTEGRAL = "integral"
    DISPUTED = "disputed"
    RESET = "reset"
    REBASED = "rebased"
    WRAPS = "wraps"
    STOPPED = "stopped"
    LOST = "lost"
    BRIDGED = "bridged"
    CLOCK = "clock"
    RATIO = "ct-ratio"
    REPLACED = "replaced"


MEASURED = frozenset({Rule.REGISTER, Rule.ROLLOVER, Rule.INTEGRAL, Rule.CLOCK, Rule.REPLACED})


@dataclass(frozen=True, slots=True)
class Meter:
    """What has to be known of a meter to judge it."""

    accuracy: float
    """The class, as a ratio."""
    limit: float
    """The greatest rate that can be."""
    quantum: float
    """The register's step until a smaller one is seen."""
    steady: bool = True
    """Whether something passes at all times, so that a register at rest is suspect."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one reading says of a meter; the ratio of its current transformers is applied."""

    time: float
    register: float | None = None
    rate: float | None = None
    modulus: float | None = None
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A register at a time (of a meter that has none: its rate)."""

    time: float
    register: float


@dataclass(frozen=True, slots=True)
class Integral:
    """Of the rate since the last interval's end: what it comes to, how much time it covers."""

    amount: float = 0.0
    seconds: float = 0.0
    low: float = math.inf
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """All that the next reading is judged by."""

    time: float
    """Where the last interval ended."""
    register: float | None
    rate: float | None = None
    rate_time: float | None = None
    rate_since: float = 0.0
    rate_same: int = 0
    """Since when, and in how many samples more, the rate has been the same to the last digit."""
    integral: Integral = Integral()
    mean: float | None = None
    """Exponentially weighted."""
    peak: float = 0.0
    """The highest rate seen."""
    quantum: float = math.inf
    """The smallest movement of the register seen."""
    ratio: float = 1.0
    before: Mark | None = None
    """Where the last interval began, if only the register told its amount."""
    pending: Mark | None = None
    """A reading that could not be believed by itself."""
    seen: float | None = None
    """When the sample before was taken."""
    blur: float = 0.0
    """How far the register may be behind what has passed, where the last interval ended."""
    rests: int = 0
    """How many readings more found the register where it was."""
    held: Integral = Integral()
    """The integral up to it."""
    stopped: float | None = None
    """Since when a register that stands still has been estimated."""
    guessed: float = 0.0
    guessed_upper: float = 0.0
    """What was counted since then, and at most."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An amount that passed from `start` to `end`, at least `lower` and at most `upper`."""

    start: float
    end: float
    amount: float
    lower: float
    upper: float
    rule: Rule
    highest: float = 0.0
    """The rate that was not exceeded; tells how the amount may lie within the interval."""

    @property
    def measured(self) -> bool:
        """Whether no estimate is in it."""
        return self.rule in MEASURED


@dataclass(frozen=True, slots=True)
class Amendment:
    """What has to be added to earlier intervals between `start` and `end`, now known."""

    start: float
    end: float
    amount: float
    lower: float
    upper: float
    estimated: float
    """Added to what counts as estimated."""
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sample comes to."""

    state: State
    verdict: Verdict
    intervals: tuple[Interval, ...] = ()
    amendments: tuple[Amendment, ...] = ()
    events: tuple[str, ...] = ()
    """What an auditor wants to know: "reset", "rollover", "spike refuted"..."""


def begun(sample: Sample) -> State:
    """Return the state that a first sample leaves."""
    return State(
        time=sample.time,
        register=sample.register,
        rate=sample.rate,
        rate_time=None if sample.rate is None else sample.time,
        rate_since=sample.time,
        peak=sample.rate or 0.0,
        ratio=sample.ratio,
    )


def integrated(state: State, sample: Sample) -> State:
    """Add the trapezoid under the rate since its last sample, if no gap lies between."""
    if sample.rate is None:
        return state
    integral = state.integral
    seconds = 0.0 if state.rate_time is None else sample.time - state.rate_time
    if seconds < 0:
        return state
    if state.rate is not None and 0 < seconds <= MAX_GAP:
        integral = Integral(
            integral.amount + (state.rate + sample.rate) / 2 * seconds,
            integral.seconds + seconds,
            min(integral.low, state.rate, sample.rate),
            max(integral.high, state.rate, sample.rate),
        )
    same = state.rate == sample.rate
    return replace(
        state,
        rate=sample.rate,
        rate_time=sample.time,
        rate_since=state.rate_since if same else sample.time,
        rate_same=state.rate_same + 1 if same else 0,
        integral=integral,
        peak=max(state.peak, sample.rate),
    )


def advanced(state: State, interval: Interval, register: float | None) -> State:
    """Return the state after an interval, which ends where the register is now."""
    seconds = interval.end - interval.start
    mean, peak, step = state.mean, state.peak, state.quantum
    if interval.measured and seconds > 0:
        rate, weight = interval.amount / seconds, -math.expm1(-seconds / MEMORY)
        mean = rate if mean is None else mean + (rate - mean) * weight
        if register is not None and interval.amount > 0 and interval.rule is not Rule.INTEGRAL:
            step = min(step, interval.amount)
            peak = max(peak, (interval.amount - step) / seconds)
    seen = state.time if state.seen is None else state.seen
    most = peak * HEADROOM * max(0.0, interval.end - seen)
    plain = interval.rule is Rule.REGISTER and state.register is not None
    return replace(
        state,
        time=interval.end,
        register=register,
        integral=Integral(),
        mean=mean,
        peak=peak,
        quantum=step,
        before=Mark(state.time, state.register or 0.0) if plain else None,
        seen=interval.end,
        blur=min(step, most) if register is not None and peak else 0.0,
        rests=0,
        held=Integral(),
        stopped=None,
        guessed=0.0,
        guessed_upper=0.0,
    )


def measured(
    meter: Meter, state: State, span: tuple[float, float], amount: float, rule: Rule
) -> Interval:
    """Return an interval whose amount the meter itself tells."""
    lower, upper = amount * (1 - meter.accuracy), amount * (1 + meter.accuracy)
    return Interval(*span, amount, lower, upper, rule, highest_rate(meter, state))


def by_integral(meter: Meter, state: State, end: float) -> Interval | None:
    """
    Return what passed since the last interval as the rate tells it, if it was sampled until `end`.

    Between two samples the rate may have been any that was seen.
    """
    seconds = end - state.time
    found = state.integral
    if seconds <= 0 or not found.seconds or not covers(found, seconds):
        return None
    return Interval(
        state.time,
        end,
        found.amount * seconds / found.seconds,
        found.low * seconds * (1 - meter.accuracy),
        found.high * seconds * (1 + meter.accuracy),
        Rule.INTEGRAL,
        highest_rate(meter, state),
    )


def covers(integral: Integral, seconds: float) -> bool:
    """Return whether the rate was sampled throughout."""
    return integral.seconds >= COVERED * seconds


def expected_amount(state: State, seconds: float) -> float:
    """Return what should have passed: by the rate where it was sampled, else as usual."""
    if covers(state.integral, seconds):
        return state.integral.amount
    usual = state.mean if state.mean is not None else state.rate
    return (usual or 0.0) * seconds


def highest_rate(meter: Meter, state: State) -> float:
    """Return a rate that was hardly exceeded: a quarter more than was ever seen."""
    return min(meter.limit, state.peak * HEADROOM) if state.peak else meter.limit


def quantum(meter: Meter, state: State) -> float:
    """Return the register's step, as far as it is known."""
    return min(meter.quantum, state.quantum)
