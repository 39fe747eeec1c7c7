"""The uptime exporter: it probes, asks the other observer, counts and serves."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from catalogue.errors import BadInputError, OutsideError
from catalogue.model import Catalogue
from exporters.families import Family
from exporters.outputs import Outputs
from exporters.trust import trusting
from exporters.uptime import exchange, settings, settling, targets
from exporters.uptime.availability import WINDOWS, Window, midnight, window
from exporters.uptime.metrics import Counts, Metrics
from exporters.uptime.observer import Watch, self_checks
from exporters.uptime.probes.limits import Limits
from exporters.uptime.settings import Maintenance, Observer
from exporters.uptime.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Files:
    """What the exporter is given."""

    observer: Path
    maintenance: Path | None
    state: Path


class UptimeExporter:
    """One observer.  Raise BadInputError if a file is not sound."""

    def __init__(self, catalogue: Catalogue, stacks: Iterable[Outputs], files: Files) -> None:
        self.registry = CollectorRegistry()
        self._catalogue, self._files = catalogue, files
        self._settings: Observer = settings.observer(files.observer, catalogue.sites)
        self._maintenance = self._windows()
        self._plan = targets.plan(catalogue, stacks, targets.load())
        if not self._plan.targets:
            raise BadInputError(
                "there is nothing to probe",
                why="no stack's outputs were given, or they have no endpoints",
                remedy="give the outputs of each site: --outputs FILE",
            )
        self._peer = (
            exchange.Client(self._settings.peer, self._settings) if self._settings.peer else None
        )
        limits = Limits(
            self._settings.connect_timeout_s,
            self._settings.timeout_s,
            trusting(self._settings.authority),
        )
        self._metrics = Metrics(self._settings.site)
        self._metrics.promised(catalogue.services)
        self._store = Store(files.state)
        self._watch = Watch(
            [*self._plan.targets.values(), *self_checks(self._settings.self_checks)],
            self._settings,
            limits,
            self._store,
            self._metrics.probed,
        )
        self._until = self._store.settled(_now())
        self._store.declare(self._maintenance.windows, _now())
        self._show()

    # -- what is served

    def families(self) -> Iterable[Family]:
        """Return the families as they are now."""
        return self._metrics.families()

    def routes(self) -> Sequence[BaseRoute]:
        """Return what it answers beside what all exporters do: what it saw, for the other one."""
        return [Route(exchange.PATH, self._observations)]

    def unready(self) -> str:
        """Return why it can't tell the truth; empty when it can."""
        late = _now() - self._until - 2 * self._settings.delay_s
        return f"nothing was counted for {late} s more than usual" if late > 0 else ""

    async def reload(self) -> None:
        """Read the maintenance windows anew; what is probed changes with a new start."""
        self._maintenance = self._windows()
        self._store.declare(self._maintenance.windows, _now())

    async def run(self) -> None:
        """Probe and count until cancelled.  Raise OutsideError when the state can't be written."""
        with self._store:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._watch.run())
                    group.create_task(self._keep_counting())
            except BaseExceptionGroup as group:
                if lost := group.subgroup(sqlite3.Error):
                    raise self._unwritten(lost) from None
                raise
            finally:
                if self._peer:
                    await self._peer.close()

    async def _observations(self, request: Request) -> Response:
        since = request.query_params.get("since", "")
        if not since.isdecimal() or len(since) > len(str(2**40)):
            return PlainTextResponse("since: a moment in whole seconds since 1970 UTC\n", 400)
        said = exchange.observations(self._store, self._settings.site, int(since), _now())
        return Response(said.model_dump_json(), media_type="application/json")

    def _unwritten(self, errors: BaseException) -> OutsideError:
        while isinstance(errors, BaseExceptionGroup):
            errors = errors.exceptions[0]
        return OutsideError(
            "the exporter's state cannot be written",
            why=str(errors),
            remedy="make room on its disk, and start the exporter anew",
            place=str(self._files.state),
        )

    # -- what it does

    async def _keep_counting(self) -> None:
        while True:
            await self._ask()
            self._count(_now() - self._settings.delay_s)
            await asyncio.sleep(self._settings.round_s)

    async def _ask(self) -> None:
        """Take in what the other observer saw; without it, seconds count by what this one saw."""
        peer = self._settings.peer
        if not self._peer or not peer:
            return
        labels = (self._settings.site, peer.site)
        try:
            said = await self._peer.ask(self._until)
            found = exchange.taken(said, peer.site, self._plan.targets, _now())
        except OutsideError as error:
            self._metrics.peer_up.set(labels, 0)
            _log.warning("%s", " ".join(str(error).split()))
            return
        self._metrics.peer_up.set(labels, 1)
        for target, spans in found.items():
            self._store.record(peer.site, target, spans)

    def _count(self, until: int) -> None:
        if until <= self._until:
            return
        found = settling.settled(
            self._plan,
            self._store.spans(self._until, until),
            self._store.maintenance(self._until, until),
            self._until,
            until,
        )
        self._store.settle(found, until)
        self._until = until
        self._show()

    def _show(self) -> None:
        """Bring the metrics up to what is counted."""
        edges = {name: window(name, self._until) for name in WINDOWS}
        counts: dict[Window, Counts] = {
            name: self._store.seconds(*days) for name, days in edges.items()
        }
        elapsed = {
            name: min(self._until, midnight(after)) - midnight(first)
            for name, (first, after) in edges.items()
        }
        first, after = edges["month"]
        self._metrics.counted(
            self._store.seconds(),
            counts,
            elapsed,
            midnight(after) - midnight(first),
            self._catalogue.services,
        )

    def _windows(self) -> Maintenance:
        file = self._files.maintenance
        if not file:
            return Maintenance(windows=[])
        return settings.maintenance(file, self._catalogue.services)


def _now() -> int:
    return int(time.time())
