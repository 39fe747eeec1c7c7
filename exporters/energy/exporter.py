"""The energy exporter: it reads the devices, keeps the books, and shows what they come to."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

import catalogue
from catalogue.errors import BadInputError
from catalogue.model import Catalogue, Device, Profile
from exporters import devices, serving
from exporters.devices import Client, Reason, credentials
from exporters.energy import air, figures, windows
from exporters.energy.books import Books, Taken
from exporters.energy.collecting import Collector, Target, in_shard
from exporters.energy.figures import Amounts
from exporters.energy.indicators import Figure, Told
from exporters.energy.metrics import Metrics
from exporters.energy.states import MAX_GAP, Rule
from exporters.energy.tree import Tree, rest
from exporters.families import Family
from exporters.ledger import Entry, Ledger, LedgerError, Sums
from exporters.readings import Reading

_log = logging.getLogger(__name__)
_REFRESH = 60.0
_HOUR = 3600.0
_JUMP = 2.0
_SCRAPE_TIMEOUT = "x-prometheus-scrape-timeout-seconds"
_MARGIN = 0.5
"""s of Prometheus's own timeout that are left for the answer's way."""
_COVERED = 0.99
_STALE = 300.0
"""s: so long may a rate or the air of a device that is not read be shown, as Prometheus does."""


Opened = Callable[[Device, str], Client]
"""Opens a device at an address."""


def _opener(timeout: float) -> Opened:
    known = credentials.load()
    return lambda device, address: devices.opened(device, address, known, timeout=timeout)


@dataclass(frozen=True)
class Settings:
    """What the command line says."""

    ledger: Path
    folder: Path | None = None
    """The catalogue's; None: the city's own."""
    sites: tuple[str, ...] = ()
    """Empty: all."""
    profile: Profile = Profile.PRODUCTION
    interval: float = 60.0
    """s; 0: devices are read by /probe only."""
    timeout: float = 10.0
    """s, of one reading of one device."""
    shard: tuple[int, int] = (1, 1)
    """i of n; the first tells the sites' figures."""
    opener: Callable[[float], Opened] = field(default=_opener)
    """Called with the timeout at each reading of the catalogue."""


@dataclass(frozen=True)
class _City:
    """What one reading of the catalogue gives."""

    catalogue: Catalogue
    trees: dict[str, Tree]
    books: Books
    collector: Collector
    shares: dict[str, dict[str, float]]
    limits: dict[str, float]


@dataclass(frozen=True)
class _Snapshot:
    """Figures of a site at a moment."""

    site: str
    indicators: list[tuple[str, str, str, Told]]
    """Window, indicator, kind ("annual" or "interim"), what is told."""
    rests: dict[str, float]
    imbalanced: dict[str, bool]
    allocated: dict[str, list[float | None]]
    """By service: J, g of CO2, L since counting began; None for what can't be told."""


class EnergyExporter:
    """What `citydc exporter energy` serves."""

    def __init__(self, settings: Settings) -> None:
        """Open the ledger and read the catalogue.  Raise CityDCError if either can't be used."""
        self.registry = CollectorRegistry()
        self._settings = settings
        self._metrics = Metrics()
        self._ledger = Ledger(settings.ledger)
        self._air: dict[tuple[str, str, str], dict[str, air.Air]] = {}
        self._faults: dict[str, str] = {}
        self._imbalanced_now: set[str] = set()
        self._city = self._read_city(catalogue.load(settings.folder))
        self._reloaded = asyncio.Event()
        self._offset = time.time() - time.monotonic()
        self._show_all()

    # -- what is served ---------------------------------------------------------------------------

    def families(self) -> Iterable[Family]:
        """Return all families as of this moment: devices' ages, and no rate or air that is old."""
        now = time.monotonic()
        for target in self._city.collector.targets.values():
            if target.read_at is not None:
                self._metrics.age.set((target.site, target.device.id), now - target.read_at)
                if now - target.read_at > max(_STALE, 2 * self._settings.interval):
                    self._forget(target)
        return self._metrics.families()

    def routes(self) -> Sequence[BaseRoute]:
        """Return /probe and /sd."""
        return [Route("/probe", self._probe), Route("/sd", self._discover)]

    def unready(self) -> str:
        """Return why figures can't be told: the ledger can't be written, or not read."""
        return next(iter(self._faults.values()), "")

    async def _probe(self, request: Request) -> Response:
        """Read one target of the catalogue now, and show what is known of it."""
        name = request.query_params.get("target", "")
        target = self._city.collector.targets.get(name)
        if target is None:
            return PlainTextResponse("no such target in the catalogue, or not in this shard\n", 404)
        shown = Metrics()
        try:
            async with asyncio.timeout(self._allowed(request)):
                await self._city.collector.read(target)
            _show_collected(shown, target)
        except TimeoutError:
            shown.up.set((target.site, target.device.id), 0)
        for account in self._city.books.of_device(target.site, target.device.id):
            if account.state is not None:
                shown.counted(account)
        return serving.respond(
            request, [one for one in shown.families() if len(one)], self.registry
        )

    def _allowed(self, request: Request) -> float:
        try:
            asked = float(request.headers.get(_SCRAPE_TIMEOUT, ""))
        except ValueError:
            return self._settings.timeout
        return min(self._settings.timeout, max(0.1, asked - _MARGIN))

    async def _discover(self, request: Request) -> Response:
        """Return the targets as Prometheus's HTTP service discovery takes them."""
        here = request.url.netloc
        found = [
            {
                "targets": [here],
                "labels": {
                    "__metrics_path__": "/probe",
                    "__param_target": target.name,
                    "instance": target.name,
                    "site": target.site,
                    "device": target.device.id,
                    "profile": target.device.profile,
                },
            }
            for target in self._city.collector.targets.values()
        ]
        return JSONResponse(found)

    # -- the work ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read and reckon until cancelled; a reload begins anew with the new catalogue."""
        try:
            while True:
                self._reloaded.clear()
                city = self._city
                async with asyncio.TaskGroup() as group:
                    work = [
                        group.create_task(city.collector.run()),
                        group.create_task(self._reckon(city)),
                    ]
                    await self._reloaded.wait()
                    for task in work:
                        task.cancel()
                await city.collector.close()
        finally:
            await self._city.collector.close()
            self._ledger.close()

    async def reload(self) -> None:
        """Read the catalogue and credentials anew; nothing that was counted is lost."""
        found = await asyncio.to_thread(catalogue.load, self._settings.folder)
        city = self._read_city(found)
        self._metrics.clear()
        self._air.clear()
        self._city = city
        self._show_all()
        self._reloaded.set()

    def _read_city(self, found: Catalogue) -> _City:
        settings = self._settings
        strange = set(settings.sites) - set(found.sites)
        if strange:
            raise BadInputError(
                f'there is no site "{min(strange)}"', remedy=f"name one of {sorted(found.sites)}"
            )
        sites = [found.sites[one] for one in settings.sites or sorted(found.sites)]
        trees = {one.id: Tree(one) for one in sites}
        opened = settings.opener(settings.timeout)
        targets = [
            Target(site.id, device, opened(device, device.address.of(settings.profile)))
            for site in sites
            for device in site.devices
            if in_shard(f"{site.id}/{device.id}", settings.shard)
        ]
        return _City(
            catalogue=found,
            trees=trees,
            books=Books(self._ledger, list(trees.values())),
            collector=Collector(
                targets,
                self._take,
                self._failed,
                interval=settings.interval,
                timeout=settings.timeout,
            ),
            shares={one.id: figures.shares(found, one, settings.profile) for one in sites},
            limits={one.id: one.value for one in found.targets.targets},
        )

    def _show_all(self) -> None:
        """Show what the ledger knows, before anything is read."""
        self._metrics.targets(self._city.catalogue)
        self._metrics.ledger.set((), not self._faults)
        for target in self._city.collector.targets.values():
            for account in self._city.books.of_device(target.site, target.device.id):
                if account.state is not None:
                    self._metrics.counted(account)

    async def _take(self, target: Target, readings: Sequence[Reading]) -> None:
        """Write down and count what a device said; what can't be written is not counted."""
        _show_collected(self._metrics, target)
        self._show_air(target, readings)
        try:
            taken = await asyncio.to_thread(
                self._city.books.take, target.site, target.device.id, readings
            )
        except LedgerError as error:
            self._unusable("readings", error)
            return
        self._usable("readings")
        self._show(target, taken)

    def _show(self, target: Target, taken: Taken) -> None:
        for account in taken.accounts:
            self._metrics.counted(account)
        self._metrics.judged(target.site, target.device.id, taken.verdicts)
        for subject, event in taken.events:
            _log.warning("%s: %s", subject, event)

    def _failed(self, target: Target, reason: Reason) -> None:
        _show_collected(self._metrics, target)
        self._metrics.count(self._metrics.failures, (target.site, target.device.id, reason))

    def _unusable(self, what: str, error: LedgerError) -> None:
        """Note that the ledger failed for readings or for figures: each heals by itself."""
        if what not in self._faults:
            _log.error("%s", error)
        self._faults[what] = str(error)
        self._metrics.ledger.set((), 0)

    def _usable(self, what: str) -> None:
        self._faults.pop(what, None)
        self._metrics.ledger.set((), not self._faults)

    def _forget(self, target: Target) -> None:
        """Show no longer what a device said of this moment, when the moment has passed."""
        for account in self._city.books.of_device(target.site, target.device.id):
            self._metrics.power.drop(tuple(account.subject.split("/")))
        self._show_air(target, ())

    def _show_air(self, target: Target, readings: Sequence[Reading]) -> None:
        site = self._city.trees[target.site].site
        for sensor in site.sensors:
            if sensor.device != target.device.id:
                continue
            place = (site.id, sensor.rack or "", sensor.place)
            known = self._air.setdefault(place, {})
            known[sensor.id] = air.read(sensor, readings)
            most = air.highest(list(known.values()))
            for family, value in (
                (self._metrics.temperature, most.temperature),
                (self._metrics.dew_point, most.dew_point),
                (self._metrics.humidity, most.humidity),
            ):
                if value is None:
                    family.drop(place)
                else:
                    family.set(place, value)
            if sensor.place == "inlet":
                self._show_envelopes(place[:2], most)

    def _show_envelopes(self, rack: tuple[str, str], most: air.Air) -> None:
        within: dict[str, bool] = {}
        if most.temperature is not None:
            within = figures.envelopes(self._city.limits, most.temperature, most.dew_point)
        for name in figures.ENVELOPES:
            if name in within:
                self._metrics.envelope.set((*rack, name), within[name])
            else:
                self._metrics.envelope.drop((*rack, name))

    # -- figures ----------------------------------------------------------------------------------

    async def _reckon(self, city: _City) -> None:
        """Compute figures every minute, and note when the clock was set."""
        while True:
            try:
                await asyncio.to_thread(self._watch_clock)
                await asyncio.to_thread(city.books.renew_amendments)
                if self._settings.shard[0] == 1:
                    for tree in city.trees.values():
                        found = await asyncio.to_thread(self._snapshot, city, tree, time.time())
                        self._show_snapshot(city, tree, found)
                self._usable("figures")
            except LedgerError as error:
                self._unusable("figures", error)
            await asyncio.sleep(min(_REFRESH, self._settings.interval or _REFRESH))

    def _watch_clock(self) -> None:
        offset = time.time() - time.monotonic()
        jumped = offset - self._offset
        if abs(jumped) > _JUMP:
            now = time.time()
            body = {"event": "clock jumped", "seconds": round(jumped, 3)}
            self._ledger.append([Entry("event", "clock", now, now, body)])
            _log.warning("the clock jumped by %+.1f s", jumped)
            self._offset = offset

    def _snapshot(self, city: _City, tree: Tree, now: float) -> _Snapshot:
        site = tree.site.id
        total = {one: self._ledger.total(f"{site}/{one}") for one in tree.meters}
        last = {one: self._ledger.last("interval", f"{site}/{one}") for one in tree.meters}
        told: list[tuple[str, str, str, Told]] = []
        for window in windows.WINDOWS:
            start = windows.start(window, now)
            found = self._amounts(city, tree, start, now)
            whole = window == "12-months" and self._begun_by(tree, start)
            told += [
                (window, name, _kind(one) if whole else "interim", one)
                for name, one in figures.computed(found).items()
            ]
        counted = {one for one, row in last.items() if row}
        rests = {
            group.id: rest(group, {one: total[one].amount for one in (*group.above, *group.below)})
            for group in tree.groups
            if {*group.above, *group.below} <= counted
            and tree.meters[group.above[0]].carrier == "electricity"
        }
        return _Snapshot(
            site,
            told,
            self._kept(site, rests, now),
            self._imbalanced(tree, counted, now),
            self._allocate(city, tree, total, now),
        )

    def _amounts(self, city: _City, tree: Tree, start: float, now: float) -> Amounts:
        """Return a window's amounts, from and up to where all its meters have been counted."""
        site = tree.site.id
        known: dict[str, Sums] = {}
        added, taken = tree.it
        unwritten = {one: city.books.unwritten(f"{site}/{one}") for one in tree.meters}
        spans = {
            one: span
            for one in tree.meters
            if (span := self._counted(f"{site}/{one}", unwritten[one]))
        }
        needed = [one for one in (*tree.boundary, *added, *taken) if tree.meters[one].reads]
        if set(needed) <= set(spans):
            begin = max([start, *(spans[one][0] for one in needed)])
            end = min([now, *(spans[one][1] for one in needed)])
        else:
            begin = end = now  # nothing can be compared yet
        # Other meters may be away for long; those that are not shall have seen the same period.
        begin = max([begin, *(one for one, _ in spans.values() if one - begin <= MAX_GAP)])
        end = min([end, *(one for _, one in spans.values() if end - one <= MAX_GAP)])
        end = max(begin, end)

        def between(meter: str) -> Sums:
            if meter not in known:
                known[meter] = self._ledger.between(f"{site}/{meter}", begin, end, unwritten[meter])
            return known[meter]

        seconds = max(1.0, now - start)
        return figures.amounts(tree, city.catalogue, between, seconds, windows.year(now))

    def _begun_by(self, tree: Tree, start: float) -> bool:
        """Return whether all that total and IT energy are made of was counted from `start` on."""
        spans = [
            self._counted(f"{tree.site.id}/{one}", None)
            for one in (*tree.boundary, *tree.it[0], *tree.it[1])
        ]
        return all(span and span[0] <= start for span in spans)

    def _counted(self, subject: str, unwritten: Entry | None) -> tuple[float, float] | None:
        """Return from when to when a meter has been counted, if it has."""
        first, last = self._ledger.first_closed(subject), self._ledger.last("interval", subject)
        if first and last:
            by_rate = json.loads(first.body)["rule"] == Rule.INTEGRAL
            return first.start if by_rate else first.end, (unwritten or last).end
        return (unwritten.start, unwritten.end) if unwritten else None

    def _imbalanced(self, tree: Tree, counted: set[str], now: float) -> dict[str, bool]:
        """Return of each group whether more was seen below than above in the last whole hour."""
        end = windows.hour(now) - _HOUR / 4
        found = {}
        for group in tree.groups:
            if not {*group.above, *group.below} <= counted:
                continue
            above, below = (
                [self._ledger.between(f"{tree.site.id}/{one}", end - _HOUR, end) for one in side]
                for side in (group.above, group.below)
            )
            if any(one.seconds < _COVERED * _HOUR for one in (*above, *below)):
                continue
            least = sum(one.lower - one.slack for one in below)
            most = sum(one.upper + one.slack for one in above)
            found[group.id] = least > most
            subject = f"{tree.site.id}/{group.id}"
            if found[group.id] and subject not in self._imbalanced_now:
                body = {"event": "imbalance", "above": most, "below": least}
                self._ledger.append([Entry("event", subject, end - _HOUR, end, body)])
                _log.warning("%s: more was seen below than above", subject)
                self._imbalanced_now.add(subject)
            elif not found[group.id]:
                self._imbalanced_now.discard(subject)
        return found

    def _allocate(
        self, city: _City, tree: Tree, total: dict[str, Sums], now: float
    ) -> dict[str, list[float | None]]:
        """
        Share out hour by hour what was used since it was last done, and write it down.

        What is shared out stays: where an amendment takes something from a meter, nothing of it is
        shared out until it has caught up.
        """
        site = tree.site.id
        row = self._ledger.last("allocation", site)
        body: dict[str, Any] = json.loads(row.body) if row else {"until": {}, "services": {}}
        services: dict[str, list[float | None]] = body["services"]
        if not tree.it[0] or (row and 0 <= now - row.end < _HOUR):
            return services
        until: dict[str, float] = body["until"]
        whole = figures.amounts(
            tree, city.catalogue, lambda one: _since(total, until, one), 1.0, windows.year(now)
        )
        kilograms, litres = whole.carbon, whole.water
        used = [
            max(0.0, one.value) if isinstance(one, Figure) else None
            for one in (
                whole.it,
                kilograms.times(1000) if isinstance(kilograms, Figure) else kilograms,
                litres,
            )
        ]
        for service, share in city.shares[site].items():
            before = services.get(service, [None, None, None])
            services[service] = [
                old if more is None else (old or 0.0) + more * share
                for old, more in zip(before, used, strict=True)
            ]
        start = row.end if row else now
        counted = {one: max(total[one].amount, until.get(one, 0.0)) for one in tree.meters}
        written = {"until": counted, "services": services, "shares": city.shares[site]}
        self._ledger.append([Entry("allocation", site, start, now, written)])
        return services

    def _kept(self, site: str, rests: dict[str, float], now: float) -> dict[str, float]:
        """
        Return what is unmetered as counters, written down before it is shown.

        Meters are read one after the other, so that a difference of two goes up and down.
        """
        row = self._ledger.last("unmetered", site)
        before: dict[str, float] = json.loads(row.body)["joules"] if row else {}
        kept = before | {one: max(more, before.get(one, 0.0)) for one, more in rests.items()}
        if kept != before:
            self._ledger.append([Entry("unmetered", site, now, now, {"joules": kept})])
        return {one: kept[one] for one in rests}

    def _show_snapshot(self, city: _City, tree: Tree, found: _Snapshot) -> None:
        metrics, site = self._metrics, found.site
        category = str(tree.category or "")
        for window, name, kind, told in found.indicators:
            metrics.told((site, name, category, window, kind), told)
        for group, value in found.rests.items():
            metrics.unmetered.set((site, group), value)
        for group, holds in found.imbalanced.items():
            metrics.imbalance.set((site, group), holds)
        for service, values in found.allocated.items():
            agency = (
                city.catalogue.services[service].agency
                if service in city.catalogue.services
                else ""
            )
            labels4 = (service, agency, site, "flavor")
            for family, known in zip(
                (metrics.service_energy, metrics.service_carbon, metrics.service_water),
                values,
                strict=True,
            ):
                if known is not None:
                    family.set(labels4, known)


def _kind(told: Told) -> str:
    """Return what a figure of twelve months is, by how much of them was measured."""
    return "annual" if isinstance(told, Figure) and told.coverage >= _COVERED else "interim"


def _since(total: dict[str, Sums], until: dict[str, float], meter: str) -> Sums:
    """Return what passed a meter since its total was `until`."""
    more = max(0.0, total[meter].amount - until.get(meter, 0.0))
    return Sums(more, more, more, 1.0)


def _show_collected(metrics: Metrics, target: Target) -> None:
    labels = (target.site, target.device.id)
    if target.up is not None:
        metrics.up.set(labels, target.up)
        metrics.duration.set(labels, target.duration)
    if target.read_at is not None:
        metrics.age.set(labels, time.monotonic() - target.read_at)


def in_parts(text: str) -> tuple[int, int]:
    """Return "2/3" as (2, 3).  Raise BadInputError if it is no shard."""
    number, _, of = text.partition("/")
    if number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of):
        return int(number), int(of)
    raise BadInputError(f'"{text}" is no shard', remedy='write i/n, such as "1/3" to "3/3"')
