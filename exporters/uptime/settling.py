"""From what the observers saw to how many seconds each service was what."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from exporters.uptime.availability import Seconds, by_day
from exporters.uptime.states import Seen, Span, View, all_of, any_of, counted, pieces, witnessed
from exporters.uptime.store import DayKey, ViewKey
from exporters.uptime.targets import Alternatives, Family, Plan

SELF = ""
"""Stands for the service in the ids of self-checks; no service is named so."""
WINDOW: ViewKey = ("", "maintenance")
"""Stands for the windows of a service among what is seen of it."""


def settled(
    plan: Plan,
    spans: Mapping[ViewKey, Iterable[Span]],
    maintenance: Mapping[str, Iterable[Span]],
    start: int,
    end: int,
) -> dict[DayKey, Seconds]:
    """
    Return the seconds from `start` to before `end` of every service that is counted.

    `spans` holds what each observer saw of each target and of its self-checks, `maintenance` the
    windows of each service.  All of a service's seconds together are end - start.
    """
    found: dict[DayKey, Seconds] = defaultdict(Seconds)
    for (service, family), sites in plan.services.items():
        wanted = {target for needed in sites.values() for any_ in needed for target in any_}
        own = {
            key: list(one)
            for key, one in spans.items()
            if key[1] in wanted or key[1].startswith(f"{SELF}/")
        }
        own[WINDOW] = list(maintenance.get(service, ()))
        for first, last, seen in pieces(own, start, end):
            state = counted(_seen(sites, family, seen), maintenance=seen[WINDOW] is Seen.GOOD)
            for day, since, until in by_day(first, last):
                key = DayKey(service, family, day)
                before = getattr(found[key], state)
                found[key] = replace(found[key], **{state: before + until - since})
    return dict(found)


def _seen(
    sites: Mapping[str, Iterable[Alternatives]], family: Family, seen: Mapping[ViewKey, Seen]
) -> Seen:
    """Return what is seen of a service at a moment: good where a site serves all that is called."""
    return any_of(
        all_of(any_of(_witnessed(target, healthy, seen) for target in any_) for any_ in needed)
        for site, needed in sites.items()
        for healthy in [_healthy(site, family, seen)]
    )


def _witnessed(target: str, healthy: Collection[str], seen: Mapping[ViewKey, Seen]) -> Seen:
    return witnessed(
        View(value, observer in healthy)
        for (observer, what), value in seen.items()
        if what == target
    )


def _healthy(site: str, family: Family, seen: Mapping[ViewKey, Seen]) -> set[str]:
    """Return the observers of whom a self-check proves the path to a site."""
    return {
        observer
        for (observer, target), value in seen.items()
        if value is Seen.GOOD
        and target.startswith(f"{SELF}/{site}/")
        and target.endswith(f"/{family}")
    }
