"""Probing every target again and again, each at its own moment, never twice at once."""

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporters.uptime.outcome import Outcome
from exporters.uptime.probes import probe
from exporters.uptime.probes.limits import Limits
from exporters.uptime.settings import Observer, SelfCheck
from exporters.uptime.settling import SELF
from exporters.uptime.states import Seen, Span
from exporters.uptime.store import Store
from exporters.uptime.targets import Target

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Latest:
    """The last probe of a target."""

    outcome: Outcome
    duration_s: float


def phase(observer: str, target: str, interval_s: int) -> float:
    """Return when in each interval a target is probed, s: spread evenly, the same for good."""
    digest = hashlib.sha256(f"{observer} {target}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * interval_s


def next_slot(now: float, phase_s: float, interval_s: int) -> float:
    """Return the first moment after `now` that lies at the phase of an interval."""
    return (math.floor((now - phase_s) / interval_s) + 1) * interval_s + phase_s


def extended(last: Span | None, time_s: int, seen: Seen, gap_s: float) -> list[Span]:
    """
    Return the spans to keep after a probe began at `time_s`; the last of them is the newest.

    What was seen before holds until this probe, unless too much time lies between: then it is
    unknown.  A probe from before the newest, as a clock that was set back gives, is passed over.
    """
    if last is None or time_s - last.end > gap_s:
        return [Span(time_s, time_s, seen)]
    if time_s < last.end:
        return []
    held = last._replace(end=time_s)
    return [held] if seen is last.seen else [held, Span(time_s, time_s, seen)]


def self_checks(checks: Iterable[SelfCheck]) -> list[Target]:
    """Return the self-checks as targets, one for each site whose path they prove."""
    return [
        Target(
            service=SELF,
            site=site,
            name=check.id,
            kind=check.kind,
            family="ipv6" if ":" in str(check.address) else "ipv4",
            addresses=(check.address,),
            port=check.port or 0,
        )
        for check in checks
        for site in check.reaches
    ]


class Watch:
    """The targets of one observer, probed until cancelled; what is seen goes to the store."""

    def __init__(
        self,
        targets: Iterable[Target],
        settings: Observer,
        limits: Limits,
        store: Store,
        noted: Callable[[Target, Latest], None],
    ) -> None:
        self._targets = list(targets)
        self._settings, self._limits, self._store, self._noted = settings, limits, store, noted
        self._newest: dict[str, Span] = {}
        self._seen: dict[str, Outcome] = {}

    async def run(self) -> None:
        """Probe until cancelled."""
        async with asyncio.TaskGroup() as group:
            for target in self._targets:
                group.create_task(self._watch(target))

    async def _watch(self, target: Target) -> None:
        interval = self._settings.interval_s
        own = phase(self._settings.site, target.id, interval)
        while True:
            now = time.time()
            await asyncio.sleep(next_slot(now, own, interval) - now)
            began, ticks = time.time(), time.monotonic()
            outcome = await probe(target, self._limits)
            self._note(target, int(began), Latest(outcome, time.monotonic() - ticks))

    def _note(self, target: Target, began: int, latest: Latest) -> None:
        outcome = latest.outcome
        spans = extended(self._newest.get(target.id), began, outcome.seen, self._settings.gap_s)
        if spans:
            self._newest[target.id] = spans[-1]
            self._store.record(self._settings.site, target.id, spans)
        before = self._seen.get(target.id)
        if (before and (before.seen, before.reason)) != (outcome.seen, outcome.reason):
            word = outcome.seen.name.lower()
            why = f": {outcome.reason}, {outcome.detail}" if outcome.reason else ""
            _log.info("%s is %s%s", target.id, word, why)
        self._seen[target.id] = outcome
        self._noted(target, latest)
