"""What measures energy and water, and what energy costs when."""

from collections.abc import Iterator
from typing import Any

from catalogue.loading import Draft
from catalogue.model import Meter, Tariff
from catalogue.problems import Problem

_SOURCES = {"utility", "generator", "renewable", "water-intake"}
_HOUR = 60
_DAY = 24 * _HOUR


def meters_form_trees(draft: Draft) -> Iterator[Problem]:
    """
    Meters are fed by one another up to a source of the same carrier, and never in a circle.

    A source (a utility's feed, a generator, a water intake) has no parent; all else has one.
    """
    for name, site in draft.sites.items():
        key = f"sites/{name}"
        meters = {meter.id: meter for meter in site.meters}
        told: set[str] = set()
        for index, meter in enumerate(site.meters):
            parent = meters.get(meter.parent) if meter.parent else None
            is_source = meter.place in _SOURCES
            if is_source and meter.parent:
                what = f"is {meter.parent}, but a {meter.place} meter is where energy comes from"
                remedy = "remove the parent, or correct the place"
                yield draft.problem(key, ("meters", index, "parent"), what, remedy)
            elif not is_source and not meter.parent:
                what = f"is missing: a {meter.place} meter is fed by another"
                remedy = "name the meter above it"
                yield draft.problem(key, ("meters", index, "parent"), what, remedy)
            elif parent and parent.carrier != meter.carrier:
                what = f"is {meter.carrier}, but its parent {parent.id} measures {parent.carrier}"
                remedy = "give both the same carrier"
                yield draft.problem(key, ("meters", index, "carrier"), what, remedy)
            circle = _circle(meter, meters)
            if circle and meter.id not in told:
                told |= set(circle)
                what = f"leads in a circle: {' > '.join([*circle, circle[0]])}"
                remedy = "name the meter that truly feeds it"
                yield draft.problem(key, ("meters", index, "parent"), what, remedy)


def _circle(meter: Meter, meters: dict[str, Meter]) -> list[str]:
    """Return the circle that the meter is part of, or nothing."""
    path, here = [meter.id], meters.get(meter.parent or "")
    while here and here.id not in path:
        path.append(here.id)
        here = meters.get(here.parent or "")
    return path if here and here.id == meter.id else []


def tariffs_name_each_hour_once(draft: Draft) -> Iterator[Problem]:
    """Ensure that a tariff's hours are of the clock, and no hour of a day is in two bands."""
    for name, site in draft.sites.items():
        if site.tariff:
            for steps, what, remedy in _faulty_hours(site.tariff):
                yield draft.problem(f"sites/{name}", steps, what, remedy)


def _faulty_hours(tariff: Tariff) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    taken: dict[tuple[str, int], str] = {}
    for index, band in enumerate(tariff.bands):
        for place, hours in enumerate(band.hours):
            steps: tuple[Any, ...] = ("tariff", "bands", index, "hours", place)
            start, end = (_minute(text) for text in hours.split("-"))
            if start is None or end is None or start == end:
                yield steps, f'is "{hours}"', "write hours from 00:00 to 24:00, start and end apart"
                continue
            minutes = range(start, end if start < end else end + _DAY)
            clash = next(
                (
                    taken[day, minute % _DAY]
                    for day in band.days
                    for minute in minutes
                    if (day, minute % _DAY) in taken
                ),
                None,
            )
            if clash:
                what = f'"{hours}" overlaps hours of {clash}'
                yield steps, what, "give each hour to one band"
            taken |= {(day, minute % _DAY): band.name for day in band.days for minute in minutes}


def _minute(text: str) -> int | None:
    hour, minute = int(text[:2]), int(text[3:])
    since_midnight = hour * _HOUR + minute
    return since_midnight if minute < _HOUR and since_midnight <= _DAY else None
