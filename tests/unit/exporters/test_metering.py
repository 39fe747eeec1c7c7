"""What a meter's readings add, against the true amount."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.energy.metering import advance, replaced
from exporters.energy.states import Amendment, Interval, Meter, Rule, Sample, State, Verdict

HOUR = 3600.0
MINUTE = 60.0
KWH = 3.6e6
METER = Meter(accuracy=0.01, limit=12_000.0, quantum=KWH)


@dataclass
class Count:
    """What came of the samples so far."""

    meter: Meter = METER
    state: State | None = None
    intervals: list[Interval] = field(default_factory=list)
    amount: float = 0.0
    lower: float = 0.0
    upper: float = 0.0
    verdicts: list[Verdict] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def take(self, samples: Iterable[Sample]) -> "Count":
        """Take samples one after the other, and return this count."""
        for sample in samples:
            found = advance(self.meter, self.state, sample)
            assert found is not None
            self.state = found.state
            self.intervals += found.intervals
            self.verdicts.append(found.verdict)
            self.events += found.events
            added: tuple[Interval | Amendment, ...] = (*found.intervals, *found.amendments)
            self.amount += sum(one.amount for one in added)
            self.lower += sum(one.lower for one in added)
            self.upper += sum(one.upper for one in added)
        return self


def load(time: float) -> float:
    """W: a load by the hour of day."""
    return 3000 + 1500 * math.sin(time / 86_400 * math.tau)


def energy(time: float) -> float:
    """J since time 0 under `load`."""
    return 3000 * time + 1500 * 86_400 / math.tau * (1 - math.cos(time / 86_400 * math.tau))


def samples(
    times: Iterable[float],
    *,
    step: float = 360.0,
    modulus: float | None = None,
    base: float = 1e9,
    rate: bool = True,
) -> list[Sample]:
    """Read a sound meter at those times."""
    made = []
    for time in times:
        register = math.floor((base + energy(time)) / step) * step
        register = register % modulus if modulus else register
        made.append(Sample(time, register, load(time) if rate else None, modulus))
    return made


def every(seconds: float, hours: float, start: float = 0.0) -> list[float]:
    """Return the times of readings, so many seconds apart, for so many hours from `start`."""
    return [start + seconds * one for one in range(int(hours * HOUR / seconds) + 1)]


@pytest.mark.parametrize("rate", [True, False])
@pytest.mark.parametrize("step", [1.0, 360.0, KWH])
def test_sound_register_gives_the_true_amount(step: float, rate: bool) -> None:  # noqa: FBT001
    """To a step of the register, however coarse; all is measured and good."""
    count = Count().take(samples(every(MINUTE, 48), step=step, rate=rate))
    assert count.amount == pytest.approx(energy(48 * HOUR), abs=step)
    assert set(count.verdicts) == {Verdict.GOOD}
    assert all(one.measured for one in count.intervals)


def test_rate_is_counted_until_a_register_has_moved() -> None:
    """Where in its step of 1 kWh it stood is not known; from then on the register counts."""
    made = samples(every(MINUTE, 2), step=KWH, base=0.9 * KWH)
    count = Count().take(made)
    first, *rest = count.intervals
    true = energy(first.end) - energy(first.start)
    assert first.rule is Rule.INTEGRAL
    assert first.lower <= true <= first.upper
    assert first.amount == pytest.approx(true, rel=1e-3)
    assert {one.rule for one in rest} == {Rule.REGISTER}
    assert sum(one.amount for one in rest) == pytest.approx(
        (made[-1].register or 0) - KWH, abs=1e-6
    )


@given(
    st.lists(st.floats(1, 40_000), min_size=1, max_size=60),
    st.floats(0, 2**32 * 3600, exclude_max=True),
)
def test_register_that_rolls_over_gives_the_true_amount(seconds: list[float], base: float) -> None:
    """At any base of a 32-bit counter of Wh, with any spacing of the readings."""
    times = [0.0]
    for one in seconds:
        times.append(times[-1] + one)
    modulus = 2.0**32 * 3600
    count = Count().take(samples(times, step=1, modulus=modulus, base=base, rate=False))
    assert count.amount == pytest.approx(energy(times[-1]), abs=2)
    assert count.lower <= count.amount <= count.upper


@given(st.lists(st.floats(1, 3 * HOUR), min_size=2, max_size=60), st.data())
def test_intervals_follow_each_other_and_add_up(spaces: list[float], data: st.DataObject) -> None:
    """Whatever the device says, no time is counted twice, and the amount lies in its bounds."""
    time = 0.0
    count = Count()
    for space in spaces:
        time += space
        register = data.draw(st.one_of(st.none(), st.floats(0, 1e9)))
        rate = data.draw(st.one_of(st.none(), st.floats(0, 12_000)))
        if register is None and rate is None:
            continue
        count.take([Sample(time, register, rate)])
    for one in count.intervals:
        assert one.start <= one.end
        assert 0 <= one.lower <= one.amount * (1 + 1e-9) <= one.upper * (1 + 2e-9)
    for left, right in zip(count.intervals, count.intervals[1:], strict=False):
        assert left.end == right.start


@given(st.lists(st.floats(1, 900), min_size=1, max_size=200))
def test_trapezoids_bound_a_load_that_only_shows_its_rate(spaces: list[float]) -> None:
    """The true amount lies between the bounds of a meter without a register."""
    times = [0.0]
    for one in spaces:
        times.append(times[-1] + one)
    made = [Sample(time, None, load(time)) for time in times]
    count = Count().take(made)
    true = energy(times[-1])
    assert count.lower <= true <= count.upper
    assert count.amount == pytest.approx(true, rel=1e-3)


def test_gap_is_measured_by_the_register_and_flagged() -> None:
    """What passed while nobody looked is known; when it passed is not."""
    times = [*every(MINUTE, 2), *every(MINUTE, 2, 8 * HOUR)]
    count = Count().take(samples(times))
    assert count.verdicts.count(Verdict.GAP) == 1
    assert count.amount == pytest.approx(energy(10 * HOUR), abs=360)


def test_gap_of_a_meter_without_register_is_estimated_and_bounded() -> None:
    """The line between its ends is an estimate; the bounds are from nothing to all it can."""
    times = [*every(MINUTE, 2), *every(MINUTE, 2, 8 * HOUR)]
    count = Count().take([Sample(time, None, load(time)) for time in times])
    (bridged,) = [one for one in count.intervals if one.rule is Rule.BRIDGED]
    assert (bridged.start, bridged.end, bridged.lower) == (2 * HOUR, 8 * HOUR, 0)
    assert count.lower < energy(10 * HOUR) < count.upper
    assert not bridged.measured


def _faulty(change: Callable[[Sample], Sample | None], hours: float = 24) -> Count:
    made = [change(one) for one in samples(every(MINUTE, hours))]
    return Count().take([one for one in made if one])


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.999, 1.001, 1.5, 100.0])
def test_spike_of_a_register_is_not_counted(factor: float) -> None:
    """Up or down, large or small, it is held until the next reading refutes it."""

    def change(sample: Sample) -> Sample:
        if sample.time == 6 * HOUR and sample.register is not None:
            return replace(sample, register=sample.register * factor)
        return sample

    count = _faulty(change)
    assert count.amount == pytest.approx(energy(24 * HOUR), abs=360)
    assert {Verdict.SPIKE, Verdict.STEP, Verdict.DISAGREES} & set(count.verdicts)
    assert "spike refuted" in count.events


def test_small_spike_that_looked_sound_is_taken_back() -> None:
    """Without a rate to compare with, the fall after it tells; earlier entries stay as they are."""
    made = samples(every(MINUTE, 24), rate=False)
    made[360] = replace(made[360], register=(made[360].register or 0) + 550_000)
    count = Count().take(made)
    assert count.amount == pytest.approx(energy(24 * HOUR), abs=360)
    assert count.events == ["spike taken back"]


def test_reset_is_estimated_and_bounded_and_only_there() -> None:
    """What passed between the last reading and the reset cannot be known."""
    reset = 6 * HOUR + 25

    def change(sample: Sample) -> Sample:
        if sample.time < reset:
            return sample
        return replace(sample, register=energy(sample.time) - energy(reset))

    count = _faulty(change)
    assert count.events == [Rule.RESET]
    assert count.lower <= energy(24 * HOUR) <= count.upper
    assert count.amount == pytest.approx(energy(24 * HOUR), rel=1e-4)
    assert sum(not one.measured for one in count.intervals) == 1


def test_replacement_that_nobody_recorded_is_flagged_and_bounded() -> None:
    """The new register is believed when two readings agree on it."""

    def change(sample: Sample) -> Sample:
        if sample.time < 6 * HOUR or sample.register is None:
            return sample
        return replace(sample, register=sample.register - 0.9e9)

    count = _faulty(change)
    assert count.events == [Rule.REBASED]
    assert count.lower <= energy(24 * HOUR) <= count.upper
    assert count.amount == pytest.approx(energy(24 * HOUR), rel=1e-3)


def test_recorded_replacement_is_measured() -> None:
    """The registers at the exchange tell all that passed."""
    old, new = samples(every(MINUTE, 6)), samples(every(MINUTE, 6, 6.5 * HOUR), base=5e6)
    count = Count().take(old)
    assert count.state is not None
    exchange = 6.25 * HOUR
    final, initial = 1e9 + energy(exchange), 5e6 + energy(exchange)
    found = replaced(METER, count.state, exchange, final, initial)
    count.state = found.state
    count.amount += found.intervals[0].amount
    count.take(new)
    assert count.amount == pytest.approx(energy(12.5 * HOUR), abs=720)
    assert not count.events


@pytest.mark.parametrize(("when", "final"), [(1.0, 2e9), (7 * HOUR, 0.5e9), (7 * HOUR, 2e9)])
def test_replacement_that_cannot_be_is_refused(when: float, final: float) -> None:
    """Before the last reading, or with a register that can't follow it."""
    count = Count().take(samples(every(MINUTE, 6)))
    assert count.state is not None
    with pytest.raises(ValueError, match=r"replacement|follow"):
        replaced(METER, count.state, when, final, 0)


@pytest.mark.parametrize("hours", [5, 30])
@pytest.mark.parametrize("rate", [True, False])
def test_frozen_meter_that_catches_up_is_measured(hours: float, rate: bool) -> None:  # noqa: FBT001
    """A gateway that repeats itself hides nothing for good."""
    made = samples(every(MINUTE, 60 + hours), rate=rate)
    start = 30 * 60
    stuck = made[start]
    for index in range(start, start + int(hours * 60)):
        made[index] = replace(made[index], register=stuck.register, rate=stuck.rate)
    count = Count().take(made)
    true = energy((60 + hours) * HOUR)
    assert Verdict.FROZEN in count.verdicts
    assert count.amount == pytest.approx(true, abs=720)
    assert count.lower <= true <= count.upper


@pytest.mark.parametrize("hours", [5, 30])
@pytest.mark.parametrize("rate", [True, False])
def test_frozen_meter_that_lost_what_passed_is_estimated(hours: float, rate: bool) -> None:  # noqa: FBT001
    """A register that stood still inside, too, gives bounds and a flag."""
    made = samples(every(MINUTE, 60 + hours), rate=rate)
    start, end = 30 * 60, 30 * 60 + int(hours * 60)
    stuck = made[start]
    lost = energy(made[end].time) - energy(stuck.time)
    for index in range(start, len(made)):
        one = made[index]
        made[index] = (
            replace(one, register=stuck.register, rate=stuck.rate)
            if index < end
            else replace(one, register=(one.register or 0) - lost)
        )
    count = Count().take(made)
    true = energy((60 + hours) * HOUR)
    assert Verdict.FROZEN in count.verdicts
    assert Rule.LOST in count.events
    assert count.lower <= true <= count.upper
    assert count.amount == pytest.approx(true, rel=0.15)


def test_still_generator_is_measured_as_nothing() -> None:
    """A register that does not move while its rate is zero is at rest, not frozen."""
    count = Count().take(Sample(time, 5 * KWH, 0.0) for time in every(MINUTE, 48))
    assert (count.amount, count.upper) == (0, 0)
    assert set(count.verdicts) == {Verdict.GOOD}
    assert count.intervals[-1].end == 48 * HOUR


def test_clock_set_back_counts_no_energy_twice() -> None:
    """The register goes on; the time is lived twice."""
    made = samples(every(MINUTE, 24))
    for index in range(720, len(made)):
        made[index] = replace(made[index], time=made[index].time - HOUR)
    count = Count().take(made)
    assert count.events == [Rule.CLOCK]
    assert count.amount == pytest.approx(energy(24 * HOUR), abs=360)


def test_clock_set_back_for_one_reading_is_refused() -> None:
    """One odd stamp changes nothing."""
    made = samples(every(MINUTE, 24))
    made[720] = replace(made[720], time=made[720].time - HOUR)
    count = Count().take(made)
    assert count.verdicts.count(Verdict.CLOCK) == 1
    assert count.amount == pytest.approx(energy(24 * HOUR), abs=360)


def test_new_current_transformers_are_counted_by_their_ratio() -> None:
    """Only the interval over the change is in doubt, and says so."""
    made = samples(every(MINUTE, 12))
    half = 1e9 + energy(6 * HOUR)
    for index, one in enumerate(made[360:], 360):
        seen = (energy(one.time) - energy(6 * HOUR)) / 2  # by the device, that knows no ratio
        made[index] = replace(one, ratio=2.0, register=2 * (half + seen))
    count = Count().take(made)
    assert count.events == [Rule.RATIO]
    assert count.lower <= energy(12 * HOUR) <= count.upper
    assert count.amount == pytest.approx(energy(12 * HOUR), abs=4500 * MINUTE + 720)


def test_long_blackout_of_a_small_counter_is_bounded() -> None:
    """When it may have rolled over more than once, its turns are told as a range."""
    modulus = 2.0**16 * 3600
    times = [*every(MINUTE, 30), *every(MINUTE, 2, 80 * HOUR)]
    count = Count().take(samples(times, step=3600, modulus=modulus, rate=False))
    assert Rule.WRAPS in count.events
    assert count.lower <= energy(82 * HOUR) <= count.upper
    assert count.amount == pytest.approx(energy(82 * HOUR), rel=0.01)


def test_spike_of_a_rate_is_not_counted() -> None:
    """The sample after it tells a spike from a load that is switched on."""
    made = [Sample(time, None, load(time)) for time in every(MINUTE, 6)]
    sound = Count().take(made).amount
    made[100] = replace(made[100], rate=11_900 * 3.0)
    count = Count(replace(METER, limit=50_000)).take(made)
    assert "spike refuted" in count.events
    assert count.amount == pytest.approx(sound, rel=1e-4)


def test_rate_that_stays_the_same_to_the_last_digit_is_estimated() -> None:
    """Nothing else would tell that it is frozen."""
    count = Count().take(Sample(time, None, 3000.0) for time in every(MINUTE, 8))
    assert count.verdicts[-1] is Verdict.FROZEN
    assert count.intervals[-1].rule is Rule.STOPPED
    assert (count.intervals[-1].lower, count.amount) == (0, 3000 * 8 * HOUR)
