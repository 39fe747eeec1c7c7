"""The recovery exporter: every half minute it asks and reads, and serves what it found."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from catalogue.errors import OutsideError
from catalogue.model import Catalogue
from exporters.families import Families, Family
from exporters.outputs import Outputs
from exporters.recovery import mariadb, postgresql, records, replication
from exporters.recovery.replication import Server, Status
from exporters.trust import trusting

_log = logging.getLogger(__name__)
PERIOD_S = 30
ASK = {"postgresql": postgresql.ask, "mariadb": mariadb.ask}


@dataclass(frozen=True)
class Sources:
    """Where recovery can be read; what is None is not read, and its metrics are absent."""

    records: Path | None = None
    journal: Path | None = None
    user: str | None = None
    password: str = field(default="", repr=False)
    authority: Path | None = None


class Metrics(Families):
    """All families; what nobody ever did, or what can't be read, is absent."""

    def __init__(self) -> None:
        server = ("service", "database", "site", "server")
        database = ("service", "database")
        self.up = Family(
            "citydc_replication_server_up",
            "gauge",
            "Whether a database server told how far it has come.",
            server,
        )
        self.primary = Family(
            "citydc_replication_primary",
            "gauge",
            "Whether a database server takes writes.",
            server,
        )
        self.position = Family(
            "citydc_replication_position_bytes",
            "gauge",
            "How far a server's write-ahead log is written, or replayed on a standby.",
            server,
            "bytes",
        )
        self.lag = Family(
            "citydc_replication_lag_seconds",
            "gauge",
            "How old what a standby has is, at most; absent where it never replayed anything.",
            server,
            "seconds",
        )
        self.backup = Family(
            "citydc_backup_age_seconds",
            "gauge",
            "How long ago the newest sound backup, kept at the other site, ended.",
            database,
            "seconds",
        )
        self.restore = Family(
            "citydc_restore_verified_timestamp_seconds",
            "gauge",
            "When a backup was last restored and read whole.",
            database,
            "seconds",
        )
        self.drill = Family(
            "citydc_drill_timestamp_seconds",
            "gauge",
            "When the last drill of a service ended.",
            ("service",),
            "seconds",
        )
        self.passed = Family("citydc_drill_passed", "gauge", "Whether it passed.", ("service",))


class RecoveryExporter:
    """All databases and services of the stacks whose outputs are given."""

    def __init__(self, catalogue: Catalogue, stacks: Iterable[Outputs], sources: Sources) -> None:
        self.registry = CollectorRegistry()
        self._services = catalogue.services
        self._servers: dict[tuple[str, str], list[Server]] = defaultdict(list)
        for one in replication.servers(catalogue, stacks):
            self._servers[one.service, one.database].append(one)
        self._sources = sources
        self._context = trusting(sources.authority)
        self._metrics = Metrics()
        self._read = False
        self._writers = {
            one for several in self._servers.values() for one in several if one.role == "primary"
        }
        self._records: dict[tuple[str, str], list[records.Records]] = {}
        self._had_all: dict[Server, datetime] = {}
        """When a standby was last seen with all that was written."""
        self._told: dict[str, str] = {}

    def families(self) -> Iterable[Family]:
        """Return the families as they are now."""
        return self._metrics.families()

    def routes(self) -> Sequence[BaseRoute]:
        """Return nothing beside what all exporters answer."""
        return []

    def unready(self) -> str:
        """Return whether nothing was read yet."""
        return "" if self._read else "nothing was read yet"

    async def reload(self) -> None:
        """Do nothing: what it is given changes with a new start."""

    async def run(self) -> None:
        """Ask and read until cancelled."""
        while True:
            if self._sources.user:
                async with asyncio.TaskGroup() as group:
                    for servers in self._servers.values():
                        group.create_task(self._ask(servers))
            self._look()
            self._read = True
            await asyncio.sleep(PERIOD_S)

    async def _ask(self, servers: list[Server]) -> None:
        """
        Ask all servers of a database.

        Who took writes when last asked comes first, so that no standby seems to be behind for what
        was written after it was asked.
        """
        written: int | None = None
        told = []
        for server in sorted(servers, key=lambda one: one not in self._writers):
            status = await self._status(server)
            if status and not status.follows:
                written = max(written or 0, status.position)
                self._writers.add(server)
            else:
                self._writers.discard(server)
            self._show(server, status, written)
            if status and status.records:
                told.append(status.records)
        self._records[servers[0].service, servers[0].database] = told

    async def _status(self, server: Server) -> Status | None:
        user, secret = self._sources.user or "", self._sources.password
        try:
            return await ASK[server.engine](server, user, secret, self._context)
        except OutsideError as error:
            self._tell(error)
            return None

    def _show(self, server: Server, status: Status | None, written: int | None) -> None:
        metrics = self._metrics
        labels = (server.service, server.database, server.site, server.name)
        metrics.up.set(labels, status is not None)
        for family in (metrics.primary, metrics.position, metrics.lag):
            family.drop(labels)
        if status is None:
            return
        metrics.primary.set(labels, not status.follows)
        if server.engine == "postgresql":  # MariaDB counts transactions
            metrics.position.set(labels, status.position)
        if not status.follows:
            return
        now = datetime.now(UTC)
        if written is not None and status.position >= written:
            self._had_all[server] = now
        known = replace(status, replayed=status.replayed or self._had_all.get(server))
        lag = replication.lag_s(known, written, now)
        if lag is not None:
            metrics.lag.set(labels, lag)

    def _look(self) -> None:
        """Show what was told of backups and restores or lies in the folder, and the journal."""
        metrics = self._metrics
        for family in (metrics.backup, metrics.restore, metrics.drill, metrics.passed):
            family.clear()
        for database in self._servers:
            self._look_at(database)
        if self._sources.journal:
            drills, faults = records.last_drills(self._sources.journal)
            for service, drill in drills.items():
                if service in self._services:
                    metrics.drill.set((service,), drill.ended.timestamp())
                    metrics.passed.set((service,), drill.passed)
            for fault in faults:
                self._tell(fault)

    def _look_at(self, database: tuple[str, str]) -> None:
        cluster = "-".join(database)
        found = [*self._records.get(database, ())]
        ended, restored = [], []
        try:
            if self._sources.records:
                found.append(records.kept(self._sources.records, cluster))
        except OutsideError as error:
            self._tell(error)
        for one in found:
            try:
                if backup := records.newest_backup(one, cluster):
                    ended.append(backup.timestamp.stop)
                if restore := records.last_restore(one, cluster):
                    restored.append(restore.restored.timestamp())
            except OutsideError as error:
                self._tell(error)
        if ended:
            self._metrics.backup.set(database, time.time() - max(ended))
        if restored:
            self._metrics.restore.set(database, max(restored))

    def _tell(self, error: OutsideError) -> None:
        """Write an error to the log, unless it is the same as before."""
        thing = f"{error.place} {error.what}"
        if self._told.get(thing) != error.why:
            self._told[thing] = error.why
            _log.warning("%s", " ".join(str(error).split()))
