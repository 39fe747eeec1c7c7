"""
Availability and error budgets of calendar months and years, from seconds of four states.

    gross = good / (good + bad + maintenance)      net = good / (good + bad)

The lower bound counts what is unknown as bad, the upper as good.  docs/availability.md has the
sources.  Months and years are those of Asia/Ho_Chi_Minh.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
DAY_S = 86_400

Kind = Literal["gross", "net"]
KINDS: tuple[Kind, ...] = ("gross", "net")
Window = Literal["month", "previous-month", "year", "previous-year"]
WINDOWS: tuple[Window, ...] = ("month", "previous-month", "year", "previous-year")


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long a service was what."""

    good: int = 0
    bad: int = 0
    unknown: int = 0
    maintenance: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.good + self.bad + self.unknown + self.maintenance

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(
            self.good + other.good,
            self.bad + other.bad,
            self.unknown + other.unknown,
            self.maintenance + other.maintenance,
        )

    def over(self, elapsed: int) -> "Seconds":
        """Return these as part of `elapsed` seconds: what nobody counted is unknown."""
        unknown = self.unknown + max(0, elapsed - self.total)
        return Seconds(self.good, self.bad, unknown, self.maintenance)


@dataclass(frozen=True, slots=True)
class Bounded:
    """A ratio and what it may be at least and at most."""

    value: float
    lower: float
    upper: float


def availability(seconds: Seconds, kind: Kind) -> Bounded | None:
    """Return the availability, or None where no second is known to be good or bad."""
    down = seconds.bad + (seconds.maintenance if kind == "gross" else 0)
    known = seconds.good + down
    if not known:
        return None
    total = known + seconds.unknown
    return Bounded(
        seconds.good / known, seconds.good / total, (seconds.good + seconds.unknown) / total
    )


def budget_left(seconds: Seconds, objective_percent: float, period_s: int) -> Bounded | None:
    """
    Return what is left of the error budget of a whole period of `period_s` seconds, as a ratio.

    1 is untouched, 0 spent, below 0 overspent; maintenance spends nothing.  The upper bound counts
    what is unknown as good.  None where the objective leaves no budget.
    """
    budget = (1 - objective_percent / 100) * period_s
    if budget <= 0:
        return None
    left = 1 - seconds.bad / budget
    return Bounded(left, 1 - (seconds.bad + seconds.unknown) / budget, left)


def window(name: Window, now: int) -> tuple[date, date]:
    """Return the first day of the calendar window that `now` gives, and the first after it."""
    today = local_day(now)
    previous = name.startswith("previous")
    if name.endswith("month"):
        first = today.replace(day=1)
        if previous:
            return (first - timedelta(days=1)).replace(day=1), first
        return first, (first + timedelta(days=31)).replace(day=1)
    year = today.year - previous
    return date(year, 1, 1), date(year + 1, 1, 1)


def local_day(time: int) -> date:
    """Return the day of a moment in the city."""
    return datetime.fromtimestamp(time, ZONE).date()


def midnight(day: date) -> int:
    """Return when a day begins in the city."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp())


def by_day(start: int, end: int) -> Iterator[tuple[date, int, int]]:
    """Yield the parts of `start` to `end` that lie in one day of the city: day, from, to."""
    while start < end:
        day = local_day(start)
        until = min(end, midnight(day + timedelta(days=1)))
        yield day, start, until
        start = until
