"""Availability and error budgets by the book, with honest bounds."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.uptime.availability import (
    KINDS,
    WINDOWS,
    ZONE,
    Seconds,
    availability,
    budget_left,
    by_day,
    local_day,
    midnight,
    window,
)

LONG = st.integers(0, 10**8)
SECONDS = st.builds(Seconds, LONG, LONG, LONG, LONG)
MONTH_S = 30 * 86_400


@given(SECONDS)
def test_bounds_hold_the_value_and_every_truth(seconds: Seconds) -> None:
    """Whatever the unknown seconds were, the availability lies between the bounds."""
    for kind in KINDS:
        found = availability(seconds, kind)
        if found is None:
            continue
        assert 0 <= found.lower <= found.value <= found.upper <= 1
        half = seconds.unknown // 2
        truth = availability(
            Seconds(
                seconds.good + half, seconds.bad + seconds.unknown - half, 0, seconds.maintenance
            ),
            kind,
        )
        assert truth is not None
        assert found.lower <= truth.value <= found.upper


@given(SECONDS)
def test_net_is_never_below_gross(seconds: Seconds) -> None:
    """Leaving maintenance out can only raise the figure."""
    gross, net = (availability(seconds, kind) for kind in KINDS)
    if gross and net:
        assert net.value >= gross.value


def test_figures_of_a_known_month() -> None:
    """An hour bad, two of maintenance, three unknown, in thirty days."""
    hour = 3600
    seconds = Seconds(MONTH_S - 6 * hour, hour, 3 * hour, 2 * hour)
    gross, net = (availability(seconds, kind) for kind in KINDS)
    assert gross
    assert net
    assert gross.value == pytest.approx(714 / 717)
    assert (gross.lower, gross.upper) == pytest.approx((714 / 720, 717 / 720))
    assert net.value == pytest.approx(714 / 715)
    assert (net.lower, net.upper) == pytest.approx((714 / 718, 717 / 718))


def test_no_known_second_is_no_figure() -> None:
    """Unknown time alone gives neither 0 nor 1."""
    assert availability(Seconds(unknown=500), "gross") is None
    assert availability(Seconds(maintenance=500), "net") is None
    assert availability(Seconds(maintenance=500), "gross") is not None


def test_what_nobody_counted_is_unknown() -> None:
    """A month that began before the exporter did has seconds that it never saw."""
    assert Seconds(good=10, bad=5).over(100) == Seconds(good=10, bad=5, unknown=85)
    assert Seconds(good=10).over(5) == Seconds(good=10)


def test_budget_of_a_month() -> None:
    """99.95 % of thirty days is 1296 seconds."""
    assert budget_left(Seconds(), 99.95, MONTH_S) == budget_left(Seconds(good=9), 99.95, MONTH_S)
    half = budget_left(Seconds(bad=648, unknown=648), 99.95, MONTH_S)
    assert half
    assert (half.value, half.lower, half.upper) == pytest.approx((0.5, 0, 0.5))
    spent = budget_left(Seconds(bad=2592), 99.95, MONTH_S)
    assert spent
    assert spent.value == pytest.approx(-1)
    assert budget_left(Seconds(), 100, MONTH_S) is None


def test_windows_are_the_citys_calendar() -> None:
    """A second before midnight in the city is still last year there."""
    new_year = int(datetime(2027, 1, 1, tzinfo=ZONE).timestamp())
    before, after = new_year - 1, new_year
    assert [window(name, before) for name in WINDOWS] == [
        (date(2026, 12, 1), date(2027, 1, 1)),
        (date(2026, 11, 1), date(2026, 12, 1)),
        (date(2026, 1, 1), date(2027, 1, 1)),
        (date(2025, 1, 1), date(2026, 1, 1)),
    ]
    assert window("month", after) == (date(2027, 1, 1), date(2027, 2, 1))
    assert window("previous-month", after) == (date(2026, 12, 1), date(2027, 1, 1))
    leap = int(datetime(2028, 2, 29, 23, 59, 59, tzinfo=ZONE).timestamp())
    first, last = window("month", leap)
    assert midnight(last) - midnight(first) == 29 * 86_400


@given(st.integers(0, 2**31), st.integers(0, 10 * 86_400))
def test_days_cover_a_span(start: int, length: int) -> None:
    """No second is left out or counted twice, and each lies in its day."""
    parts = list(by_day(start, start + length))
    assert sum(until - since for _, since, until in parts) == length
    assert all(local_day(since) == day == local_day(until - 1) for day, since, until in parts)
    assert len({day for day, _, _ in parts}) == len(parts)
