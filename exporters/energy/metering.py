"""
What a meter's reading adds: validation, estimation and editing (VEE), then integration.

`advance` takes a meter's state and one sample and returns the new state, the intervals that the
sample closes, and what there is to record.  It knows no clock and no disk.

The rules, by the names that the ledger gives them, are told in docs/energy.md.
"""

from dataclasses import replace

from exporters.energy.rates import by_rate
from exporters.energy.registers import by_register
from exporters.energy.states import (
    SLACK,
    Integral,
    Meter,
    Outcome,
    Rule,
    Sample,
    State,
    Verdict,
    advanced,
    begun,
    integrated,
    measured,
    quantum,
)


def advance(meter: Meter, state: State | None, sample: Sample) -> Outcome | None:
    """
    Return what the sample comes to after `state`; None where it says nothing and there is no state.

    The first sample only marks where counting begins.
    """
    if state is None:
        if sample.register is None and sample.rate is None:
            return None
        return Outcome(begun(sample), Verdict.GOOD)
    if sample.ratio != state.ratio:
        return _reratioed(meter, state, sample)
    if state.register is None:
        return by_rate(meter, state, sample)
    if sample.register is None:
        return Outcome(integrated(state, sample), Verdict.UNAVAILABLE)
    return by_register(meter, state, state.register, sample, sample.register)


def replaced(meter: Meter, state: State, when: float, final: float, initial: float) -> Outcome:
    """
    Return what a recorded replacement comes to: the old register's end, the new one's beginning.

    Raise ValueError if the old meter's end can't follow its last reading.
    """
    if state.register is None or when <= state.time:
        raise ValueError("the last reading is later than the replacement, or has no register")
    amount = final - state.register
    if not 0 <= amount <= meter.limit * (when - state.time) * SLACK + quantum(meter, state):
        raise ValueError(f"a final register of {final:g} can't follow {state.register:g}")
    interval = measured(meter, state, (state.time, when), amount, Rule.REPLACED)
    moved = replace(advanced(state, interval, initial), before=None, pending=None)
    return Outcome(moved, Verdict.GOOD, (interval,), events=("replaced",))


def _reratioed(meter: Meter, state: State, sample: Sample) -> Outcome:
    """Count on under a new ratio of current transformers; when it changed, only bounds tell."""
    factor = sample.ratio / state.ratio
    pending = state.pending and replace(state.pending, register=state.pending.register * factor)
    scaled = replace(
        state,
        ratio=sample.ratio,
        register=None if state.register is None else state.register * factor,
        rate=None,
        rate_time=None,
        integral=Integral(),
        mean=None if state.mean is None else state.mean * factor,
        peak=state.peak * factor,
        quantum=state.quantum * factor,
        before=None,
        pending=pending if state.register is not None else None,
        stopped=None,
    )
    found = advance(meter, scaled, sample)
    if found is None:
        raise RuntimeError("a state always has an outcome")
    if not found.intervals:
        return replace(found, events=(*found.events, Rule.RATIO))
    first, *rest = found.intervals
    doubtful = replace(
        first,
        lower=min(first.lower, first.lower / factor),
        upper=max(first.upper, first.upper / factor),
        rule=Rule.RATIO,
    )
    return replace(found, intervals=(doubtful, *rest), events=(*found.events, Rule.RATIO))
