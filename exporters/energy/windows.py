"""The periods that figures are told for: calendar days, months and years of the city's clock."""

from datetime import datetime, timedelta

from exporters.ledger import ZONE

WINDOWS = ("day", "month", "year", "12-months")
"""The running day, month and year, and the twelve months that end today."""


def start(window: str, now: float) -> float:
    """
    Return when the window that `now` lies in began, both in s since 1970 UTC.

    "12-months" begins a year before the running day does.  Raise ValueError at another window.
    """
    day = datetime.fromtimestamp(now, ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    match window:
        case "day":
            begun = day
        case "month":
            begun = day.replace(day=1)
        case "year":
            begun = day.replace(month=1, day=1)
        case "12-months":
            leap = (day.month, day.day) == (2, 29)
            begun = (day - timedelta(days=1) if leap else day).replace(year=day.year - 1)
        case _:
            raise ValueError(f"there is no window {window}")
    return begun.timestamp()


def year(moment: float) -> int:
    """Return the calendar year of a time in s since 1970 UTC."""
    return datetime.fromtimestamp(moment, ZONE).year


def hour(moment: float) -> float:
    """Return when the hour of a time began; the city's hours begin with UTC's."""
    return moment // 3600 * 3600
