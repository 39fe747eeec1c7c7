"""A meter that only shows a rate: trapezoids, and what is made of gaps and spikes."""

from dataclasses import replace

from exporters.energy.states import (
    MAX_GAP,
    SPIKE,
    STILL,
    Interval,
    Mark,
    Meter,
    Outcome,
    Rule,
    Sample,
    State,
    Verdict,
    advanced,
    begun,
    covers,
    highest_rate,
    integrated,
)


def by_rate(meter: Meter, state: State, sample: Sample) -> Outcome:
    """Integrate a meter that has no register; a spike is known by the sample after it."""
    if sample.rate is None:
        return Outcome(state, Verdict.UNAVAILABLE)
    now = Mark(sample.time, sample.rate)
    if sample.time <= state.time:
        if state.pending and state.pending.time < sample.time:
            fresh = replace(begun(sample), mean=state.mean, peak=state.peak)
            return Outcome(fresh, Verdict.GOOD, events=(Rule.CLOCK,))
        return Outcome(replace(state, pending=now), Verdict.CLOCK)
    pending = state.pending if state.pending and state.pending.time > state.time else None
    if pending is None and state.mean and sample.rate > SPIKE * state.peak:
        return Outcome(replace(state, pending=now), Verdict.SPIKE)
    base = replace(state, pending=None)
    intervals: tuple[Interval, ...] = ()
    events: tuple[str, ...] = ()
    if pending is not None:
        if sample.rate <= (pending.register + (state.rate or 0.0)) / 2:
            events = ("spike refuted",)
        else:
            at_pending = Sample(pending.time, None, pending.register, None, sample.ratio)
            base, intervals = _trapezoid(meter, base, at_pending, pending.register)
    gap = sample.time - base.time > MAX_GAP
    after, last = _trapezoid(meter, base, sample, sample.rate)
    still = sample.rate > 0 and after.rate_same and sample.time - after.rate_since >= STILL
    verdict = Verdict.GAP if gap else Verdict.FROZEN if still else Verdict.GOOD
    return Outcome(
        replace(after, register=sample.register), verdict, intervals + last, events=events
    )


def _trapezoid(
    meter: Meter, state: State, sample: Sample, rate: float
) -> tuple[State, tuple[Interval, ...]]:
    """Close an interval at a sample; over a gap its bounds are all that the meter can do."""
    seen = integrated(state, sample)
    seconds = sample.time - state.time
    amount = ((state.rate or 0.0) + rate) / 2 * seconds
    still = rate > 0 and seen.rate_same and sample.time - seen.rate_since >= STILL
    if covers(seen.integral, seconds) and not still:
        lower, upper, rule = (
            seen.integral.low * seconds,
            seen.integral.high * seconds,
            Rule.INTEGRAL,
        )
    else:
        lower, upper = 0.0, max(highest_rate(meter, seen) * seconds, amount)
        rule = Rule.STOPPED if still else Rule.BRIDGED
    interval = Interval(
        state.time,
        sample.time,
        amount,
        lower * (1 - meter.accuracy),
        upper * (1 + meter.accuracy),
        rule,
        highest_rate(meter, seen),
    )
    return advanced(seen, interval, None), (interval,)
