"""A meter that counts itself: its register is judged, and its breaks are counted by rules."""

from dataclasses import replace

from exporters.energy.states import (
    COVERED,
    FAR,
    FROZEN_SAMPLES,
    HEADROOM,
    MAX_GAP,
    MAX_HOLD,
    SLACK,
    Amendment,
    Interval,
    Mark,
    Meter,
    Outcome,
    Rule,
    Sample,
    State,
    Verdict,
    advanced,
    by_integral,
    covers,
    expected_amount,
    highest_rate,
    integrated,
    measured,
    quantum,
)


def by_register(
    meter: Meter, state: State, register: float, sample: Sample, value: float
) -> Outcome:
    """Return what a sample with the register at `value` comes to, the state's being `register`."""
    now = Mark(sample.time, value)
    seen = integrated(state, sample)
    doubt, amount, rule = _judged(meter, seen, sample, value - register)
    if doubt is None:
        events = ("spike refuted",) if state.pending else ()
        return _believed(meter, replace(seen, pending=None), sample, (amount, rule), events)
    if state.pending and _follows(meter, seen, state.pending, now):
        return _confirmed(meter, replace(seen, pending=None), register, state.pending, now)
    return Outcome(replace(seen, pending=now, held=seen.integral, seen=now.time), doubt)


def _judged(
    meter: Meter, state: State, sample: Sample, moved: float
) -> tuple[Verdict | None, float, Rule]:
    """Return why the register can't have moved so by itself (or None), the amount and the rule."""
    seconds = sample.time - state.time
    if seconds <= 0:
        return Verdict.CLOCK, 0.0, Rule.CLOCK
    since = state.time if state.stopped is None else state.stopped
    most = meter.limit * (sample.time - since) * SLACK + quantum(meter, state)
    rule, doubt = Rule.REGISTER, None
    if moved < 0 and sample.modulus is not None and moved + sample.modulus <= most:
        moved, rule = moved + sample.modulus, Rule.ROLLOVER
    if moved < 0:
        doubt = Verdict.STEP
    elif moved > most:
        doubt = Verdict.SPIKE
    elif sample.modulus is not None and moved + sample.modulus <= most:
        rule = Rule.WRAPS
    elif moved and not _agrees(meter, state, seconds, moved):
        doubt = Verdict.DISAGREES
    return doubt, moved, rule


def _agrees(meter: Meter, state: State, seconds: float, moved: float) -> bool:
    """Return whether the register moved about as the rate says, or after a rest, as it used to."""
    if state.stopped is not None and moved >= state.guessed / 2:
        return True
    evidence, room = state.integral, 2 * quantum(meter, state)
    if not covers(evidence, seconds):
        rested = meter.steady and state.rests >= FROZEN_SAMPLES
        return not rested or moved >= (state.mean or 0.0) * seconds / 2 - room
    if state.rate_same >= FROZEN_SAMPLES and moved >= evidence.amount / 2:
        return True  # the rate is frozen, not the register
    low, high = evidence.low * seconds / FAR, evidence.high * seconds * FAR
    return low - room <= moved <= high + room


def _follows(meter: Meter, state: State, pending: Mark, now: Mark) -> bool:
    """Return whether a reading continues the pending one, as the rate since then allows."""
    seconds, moved = now.time - pending.time, now.register - pending.register
    room = quantum(meter, state)
    if seconds <= 0 or not 0 <= moved <= meter.limit * seconds * SLACK + room:
        return False
    passed = state.integral.amount - state.held.amount
    if state.integral.seconds - state.held.seconds < COVERED * seconds:
        return True
    return passed / FAR - 2 * room <= moved <= passed * FAR + 2 * room


def _believed(
    meter: Meter,
    state: State,
    sample: Sample,
    move: tuple[float, Rule],
    events: tuple[str, ...],
) -> Outcome:
    amount, rule = move
    if rule is Rule.WRAPS and sample.modulus:
        interval = _wrapped(meter, state, sample.time, amount, sample.modulus)
    elif amount == 0:
        return _still(meter, state, sample, events)
    else:
        # Where in its step the register stood is not known before it has moved.
        first = by_integral(meter, state, sample.time) if state.mean is None else None
        interval = first or measured(meter, state, (state.time, sample.time), amount, rule)
    amendments: tuple[Amendment, ...] = ()
    if state.stopped is not None and amount >= state.guessed / 2:
        interval, amendments = _caught_up(meter, state, state.stopped, interval)
        events += ("stopped register caught up",)
    if interval.rule not in {Rule.REGISTER, Rule.INTEGRAL}:
        events += (interval.rule,)
    seconds = sample.time - state.time
    gap = seconds > MAX_GAP and not state.rests and not covers(state.integral, seconds)
    return Outcome(
        advanced(state, interval, sample.register),
        Verdict.GAP if gap else Verdict.GOOD,
        (interval,),
        amendments,
        events,
    )


def _wrapped(meter: Meter, state: State, end: float, least: float, modulus: float) -> Interval:
    """Tell by the rate how often a register passed its modulus while nobody looked, or bound it."""
    seconds = end - state.time
    turns = range(int((meter.limit * seconds * SLACK - least) / modulus) + 1)
    if covers(state.integral, seconds):
        low, high = state.integral.low * seconds / FAR, state.integral.high * seconds * FAR
        fitting = [one for one in turns if low <= least + one * modulus <= high]
        if len(fitting) == 1:
            amount = least + fitting[0] * modulus
            return measured(meter, state, (state.time, end), amount, Rule.ROLLOVER)
    expected = expected_amount(state, seconds)
    nearest = min(turns, key=lambda one: abs(least + one * modulus - expected))
    return Interval(
        state.time,
        end,
        least + nearest * modulus,
        least * (1 - meter.accuracy),
        (least + turns[-1] * modulus) * (1 + meter.accuracy),
        Rule.WRAPS,
        meter.limit,
    )


def _caught_up(
    meter: Meter, state: State, stopped: float, interval: Interval
) -> tuple[Interval, tuple[Amendment, ...]]:
    """Spread what a register shows after it stood still, over the time that was estimated too."""
    share = (state.time - stopped) / (interval.end - stopped)
    amount = interval.amount * share
    amendment = Amendment(
        stopped,
        state.time,
        amount - state.guessed,
        amount * (1 - meter.accuracy),
        amount * (1 + meter.accuracy) - state.guessed_upper,
        -state.guessed,
        "the register went on while it stood still to the reader",
    )
    rest = interval.amount - amount
    return measured(meter, state, (state.time, interval.end), rest, Rule.REGISTER), (amendment,)


def _still(meter: Meter, state: State, now: Sample, events: tuple[str, ...]) -> Outcome:
    """Judge a register that did not move: nothing passed, too little to show, or it is frozen."""
    seconds = now.time - state.time
    step = quantum(meter, state)
    expected = expected_amount(state, seconds)
    if covers(state.integral, seconds):
        nothing = state.integral.high == 0
    else:
        nothing = not meter.steady or not state.mean
    frozen = not nothing and expected > 2 * step
    verdict = Verdict.FROZEN if frozen else Verdict.GOOD
    if not nothing and seconds < MAX_HOLD:
        resting = replace(state, rests=state.rests + 1, seen=now.time)
        return Outcome(resting, verdict, events=events)
    if not frozen:
        upper = 0.0 if nothing else step
        interval = Interval(state.time, now.time, 0.0, 0.0, upper, Rule.REGISTER)
        return Outcome(
            replace(advanced(state, interval, now.register), before=None),
            verdict,
            (interval,),
            events=events,
        )
    highest = highest_rate(meter, state)
    interval = Interval(
        state.time, now.time, expected, 0.0, highest * seconds, Rule.STOPPED, highest
    )
    moved = replace(
        advanced(state, interval, now.register),
        stopped=state.time if state.stopped is None else state.stopped,
        guessed=state.guessed + interval.amount,
        guessed_upper=state.guessed_upper + interval.upper,
    )
    return Outcome(moved, verdict, (interval,), events=(*events, interval.rule))


def _confirmed(meter: Meter, state: State, register: float, pending: Mark, now: Mark) -> Outcome:
    """Count a break that two readings agree on: by a rule up to it, measured after it."""
    if pending.time <= state.time:
        amount = max(0.0, pending.register - register)
        first = measured(meter, state, (pending.time, pending.time), amount, Rule.CLOCK)
    elif state.before and state.before.register <= pending.register < register:
        return _fallen_back(meter, state, register, state.before, now)
    else:
        first = _broken(meter, replace(state, integral=state.held), register, pending)
    second = measured(
        meter, state, (pending.time, now.time), now.register - pending.register, Rule.REGISTER
    )
    after = advanced(advanced(state, first, pending.register), second, now.register)
    return Outcome(replace(after, before=None), Verdict.GOOD, (first, second), events=(first.rule,))


def _broken(meter: Meter, state: State, register: float, pending: Mark) -> Interval:
    """Estimate what passed up to a break of the register."""
    seconds, moved = pending.time - state.time, pending.register - register
    most = meter.limit * seconds * SLACK
    if 0 <= moved <= most and max(state.rate_same, state.rests) >= FROZEN_SAMPLES:
        rule, least, expected = Rule.LOST, moved, (state.mean or 0.0) * seconds
    elif 0 <= moved <= most:
        rule, least, expected = Rule.DISPUTED, 0.0, moved
    elif moved < 0 and pending.register <= most:
        rule, least, expected = Rule.RESET, pending.register, expected_amount(state, seconds)
    else:
        rule, least, expected = Rule.REBASED, 0.0, expected_amount(state, seconds)
    highest = highest_rate(meter, state)
    lower, upper = least, highest * seconds
    if rule is not Rule.LOST and covers(state.integral, seconds):
        lower = max(least, state.integral.low * seconds / HEADROOM)
        upper = min(upper, state.integral.high * seconds * HEADROOM)
    if rule is Rule.DISPUTED:
        lower = min(lower, moved)
    upper = max(upper, expected, least)
    return Interval(
        state.time,
        pending.time,
        max(expected, least),
        min(lower, max(expected, least)) * (1 - meter.accuracy),
        upper * (1 + meter.accuracy),
        rule,
        highest,
    )


def _fallen_back(meter: Meter, state: State, register: float, before: Mark, now: Mark) -> Outcome:
    """Take back what a spike, plausible by itself, had been counted as."""
    wrong = measured(
        meter, state, (before.time, state.time), register - before.register, Rule.REGISTER
    )
    amendment = Amendment(
        wrong.start,
        wrong.end,
        -wrong.amount,
        -wrong.lower,
        -wrong.upper,
        0.0,
        "the register fell back: the reading before was a spike",
    )
    amount = now.register - before.register
    interval = measured(meter, state, (state.time, now.time), amount, Rule.REGISTER)
    return Outcome(
        replace(advanced(state, interval, now.register), before=None),
        Verdict.GOOD,
        (interval,),
        (amendment,),
        ("spike taken back",),
    )
