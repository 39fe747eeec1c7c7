"""What measures energy and water, and what energy costs when."""

from collections.abc import Iterator
from typing import Any

from catalogue.documents import Steps
from catalogue.loading import Draft
from catalogue.model import Meter, Site, Tariff
from catalogue.problems import Problem

_ROOTS = {"utility", "generator", "renewable", "water-intake", "heat-reuse"}
_HOUR = 60
_DAY = 24 * _HOUR


def meters_form_trees(draft: Draft) -> Iterator[Problem]:
    """
    Meters are fed by one another up to a root of the same carrier, and never in a circle.

    A root (a utility's feed, a generator, a water intake; where heat leaves) has no parent; all
    else has one.  What draws from both feeds may have a second.
    """
    for name, site in draft.sites.items():
        key = f"sites/{name}"
        meters = {meter.id: meter for meter in site.meters}
        told: set[str] = set()
        for index, meter in enumerate(site.meters):
            is_root = meter.place in _ROOTS
            if is_root and meter.parent:
                what = f"is {meter.parent}, but a {meter.place} meter has none above it"
                remedy = "remove the parent, or correct the place"
                yield draft.problem(key, ("meters", index, "parent"), what, remedy)
            elif not is_root and not meter.parent:
                what = f"is missing: a {meter.place} meter is fed by another"
                remedy = "name the meter above it"
                yield draft.problem(key, ("meters", index, "parent"), what, remedy)
            elif meter.second_parent and meter.second_parent in {meter.parent, meter.id}:
                what = f"is {meter.second_parent}, the meter itself or its parent"
                remedy = "name the meter of the other feed, or leave it out"
                yield draft.problem(key, ("meters", index, "second_parent"), what, remedy)
            for parent in _parents(meter, meters):
                if parent.carrier != meter.carrier:
                    what = (
                        f"is {meter.carrier}, but its parent {parent.id} measures {parent.carrier}"
                    )
                    remedy = "give both the same carrier"
                    yield draft.problem(key, ("meters", index, "carrier"), what, remedy)
            circle = _circle(meter, meters)
            if circle and meter.id not in told:
                told |= set(circle)
                what = f"leads in a circle: {' > '.join([*circle, circle[0]])}"
                remedy = "name the meter that truly feeds it"
                yield draft.problem(key, ("meters", index, "parent"), what, remedy)


def _parents(meter: Meter, meters: dict[str, Meter]) -> list[Meter]:
    names = dict.fromkeys((meter.parent, meter.second_parent))
    return [meters[name] for name in names if name in meters]


def _circle(meter: Meter, meters: dict[str, Meter]) -> list[str]:
    """Return a circle that the meter is part of, or nothing."""
    paths, seen = [[meter]], set()
    for path in paths:
        for parent in _parents(path[-1], meters):
            if parent.id == meter.id:
                return [one.id for one in path]
            if parent.id not in seen:
                seen.add(parent.id)
                paths.append([*path, parent])
    return []


def channels_are_taken_once(draft: Draft) -> Iterator[Problem]:
    """No two meters count the same register of a device, no two sensors show the same air."""
    for name, site in draft.sites.items():
        taken: dict[tuple[str, str, str], str] = {}
        for steps, owner, channel in _taken(site):
            if channel in taken:
                device, part, what = channel
                told = f"channel {part!r} of {device}" if part else device
                what = f"takes the {what} of {told}, which {taken[channel]} takes already"
                remedy = "name the channel that it truly reads, or remove one of them"
                yield draft.problem(f"sites/{name}", steps, what, remedy)
            taken.setdefault(channel, owner)


def _taken(site: Site) -> Iterator[tuple[Steps, str, tuple[str, str, str]]]:
    """Yield what takes a device's channel: its path, its id, the channel and what is taken."""
    for index, meter in enumerate(site.meters):
        if meter.reads:
            what = "volume" if meter.carrier in {"fuel", "water"} else "energy"
            channel = (meter.reads.device, meter.reads.channel, what)
            yield ("meters", index, "reads"), meter.id, channel
    for index, sensor in enumerate(site.sensors):
        channel = (sensor.device, sensor.channel, "temperature")
        yield ("sensors", index, "device"), sensor.id, channel


def sensors_hang_somewhere(draft: Draft) -> Iterator[Problem]:
    """Ensure that a sensor at an inlet or outlet says of which rack."""
    for name, site in draft.sites.items():
        for index, sensor in enumerate(site.sensors):
            if sensor.place != "room" and not sensor.rack:
                what = f"is missing: the sensor is at an {sensor.place}"
                remedy = 'name the rack, or write "room" as its place'
                yield draft.problem(f"sites/{name}", ("sensors", index, "rack"), what, remedy)


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
