"""What a faulty register says of a true energy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.plant.faults import (
    ClockJump,
    CtRatio,
    Fault,
    Frozen,
    Gap,
    Register,
    Replacement,
    Reset,
    Rollover,
    Said,
    Spike,
)


def steady(time: float) -> float:
    """Count a hundred joules a second."""
    return 100 * time


def test_a_sound_register_says_the_truth_in_its_resolution() -> None:
    """What is less than the last digit is not seen."""
    assert Register(steady, resolution=3600).at(100) == Said(100, 7200)


def test_a_gap_is_no_answer_and_loses_nothing() -> None:
    """The register counts on while nobody hears of it."""
    register = Register(steady, faults=(Gap(10, 20),))
    assert [register.at(10), register.at(19.9)] == [None, None]
    assert register.at(20) == Said(20, 2000)


def test_a_frozen_register_repeats_itself_then_catches_up() -> None:
    """What was counted meanwhile is there afterwards."""
    register = Register(steady, faults=(Frozen(10, 20),))
    assert [register.at(time) for time in (10, 15, 20)] == [
        Said(10, 1000),
        Said(15, 1000),
        Said(20, 2000),
    ]


def test_a_spike_is_gone_with_the_next_reading() -> None:
    """Only what is read is wrong, not what is counted."""
    register = Register(steady, faults=(Spike(10, 11, 50),))
    assert [register.at(time) for time in (10, 11)] == [Said(10, 50000), Said(11, 1100)]


def test_a_reset_register_starts_at_zero() -> None:
    """What it held before is lost to it."""
    register = Register(steady, first=7, faults=(Reset(10),))
    assert [register.at(time) for time in (9, 10, 12)] == [
        Said(9, 907),
        Said(10, 0),
        Said(12, 200),
    ]


def test_another_meter_goes_on_from_its_own_register() -> None:
    """A used meter holds what it counted elsewhere."""
    register = Register(steady, faults=(Replacement(10, 123456),))
    assert register.at(11) == Said(11, 123556)


def test_a_register_rolls_over_when_it_is_told_to() -> None:
    """It passes its modulus at that time and counts on from zero."""
    register = Register(steady, modulus=2**32, faults=(Rollover(10),))
    assert [register.at(time) for time in (9, 10, 11)] == [
        Said(9, 2**32 - 100),
        Said(10, 0),
        Said(11, 100),
    ]


def test_a_wrong_ratio_counts_too_little_while_it_lasts() -> None:
    """What was counted wrong stays in the register."""
    register = Register(steady, faults=(CtRatio(10, 20, 0.5),))
    assert [register.at(time) for time in (10, 20, 30)] == [
        Said(10, 1000),
        Said(20, 1500),
        Said(30, 2500),
    ]


def test_a_clock_that_jumps_moves_the_time_not_the_register() -> None:
    """The reader believes that it is later than it is."""
    register = Register(steady, faults=(ClockJump(10, 20, 3600),))
    assert [register.at(time) for time in (10, 20)] == [Said(3610, 1000), Said(20, 2000)]


TIMES = st.integers(0, 1000)
FAULTS: st.SearchStrategy[Fault] = st.one_of(
    st.builds(Reset, TIMES),
    st.builds(Replacement, TIMES, st.integers(0, 10**6)),
    st.builds(CtRatio, TIMES, TIMES, st.sampled_from([0.5, 2.0])),
)


@given(st.lists(FAULTS, max_size=5), TIMES, TIMES)
def test_between_changes_a_register_counts_the_truth_by_its_factor(
    faults: list[Fault], one: int, other: int
) -> None:
    """Where nothing changes between two times, their difference is the energy times the ratio."""
    start, end = sorted((one, other))
    moments = {
        moment
        for fault in faults
        for moment in (fault[:2] if isinstance(fault, CtRatio) else fault[:1])
    }
    if any(start < moment <= end for moment in moments):
        return
    factor = 1.0
    for fault in faults:
        if isinstance(fault, CtRatio) and fault.start <= start < fault.end:
            factor *= fault.factor
    register = Register(steady, faults=tuple(faults))
    before, after = register.at(start), register.at(end)
    assert before
    assert after
    assert after.value - before.value == pytest.approx((end - start) * 100 * factor, abs=1)
