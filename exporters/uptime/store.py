"""
What was seen and what it was counted as, in an SQLite file that outlives the exporter.

Seconds are counted once: the counts of some seconds and the mark up to which all is counted are
written in one transaction.  Spans are kept until they are counted, counts for good.
"""

import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple, Self

from catalogue.errors import BadInputError
from exporters.uptime.availability import Seconds
from exporters.uptime.settings import Window
from exporters.uptime.states import Seen, Span

KEPT_S = 3600
"""How long spans are kept after they are counted, for the other observer to ask."""
SCHEMA = """
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS span (
        observer TEXT NOT NULL,
        target TEXT NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        seen INTEGER NOT NULL,
        PRIMARY KEY (observer, target, start)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS day (
        service TEXT NOT NULL,
        family TEXT NOT NULL,
        day TEXT NOT NULL,
        good INTEGER NOT NULL,
        bad INTEGER NOT NULL,
        unknown INTEGER NOT NULL,
        maintenance INTEGER NOT NULL,
        PRIMARY KEY (service, family, day)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS settled (until INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS declaration (
        window TEXT NOT NULL,
        service TEXT NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        owner TEXT NOT NULL,
        reason TEXT NOT NULL,
        declared INTEGER NOT NULL,
        withdrawn INTEGER,
        PRIMARY KEY (window, service, start, "end", declared)
    ) WITHOUT ROWID;
"""

ViewKey = tuple[str, str]
"""An observer and a target's id."""


class DayKey(NamedTuple):
    """Whose seconds: a service's, in one family, on one day of the city."""

    service: str
    family: str
    day: date


class Store:
    """The file; one exporter at a time has it."""

    def __init__(self, file: Path) -> None:
        """Open it, made anew (0600) where it is missing.  Raise BadInputError if it can't be."""
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(file, isolation_level=None, timeout=0)
            self._db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise BadInputError(
                "the exporter's state cannot be opened",
                why=getattr(error, "strerror", None) or str(error),
                remedy="name a file in a folder of the exporter's own that no other exporter has",
                place=str(file),
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    # -- what was seen

    def record(self, observer: str, target: str, spans: Iterable[Span]) -> None:
        """Keep spans; one that is there already becomes as long as this."""
        self._db.executemany(
            'INSERT INTO span VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "end" ='
            ' max("end", excluded."end"), seen = excluded.seen',
            [(observer, target, *span) for span in spans],
        )

    def spans(self, start: int, end: int, observer: str | None = None) -> dict[ViewKey, list[Span]]:
        """Return what was seen between two moments, by all observers or by one."""
        found: dict[ViewKey, list[Span]] = defaultdict(list)
        for name, target, first, last, seen in self._db.execute(
            'SELECT * FROM span WHERE start < ?2 AND "end" >= ?1'
            " AND observer = coalesce(?3, observer) ORDER BY observer, target, start",
            (start, end, observer),
        ):
            found[name, target].append(Span(first, last, Seen(seen)))
        return found

    # -- what it was counted as

    def settled(self, now: int) -> int:
        """Return until when all is counted; a new file begins now."""
        row = self._db.execute("SELECT until FROM settled").fetchone()
        if row is None:
            self._db.execute("INSERT INTO settled VALUES (?)", (now,))
            return now
        return int(row[0])

    def settle(self, seconds: Mapping[DayKey, Seconds], until: int) -> None:
        """Add seconds to their days and note until when all is counted, both or neither."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO day VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " good = good + excluded.good, bad = bad + excluded.bad,"
                " unknown = unknown + excluded.unknown,"
                " maintenance = maintenance + excluded.maintenance",
                [
                    (*key[:2], key.day.isoformat(), one.good, one.bad, one.unknown, one.maintenance)
                    for key, one in seconds.items()
                ],
            )
            self._db.execute("UPDATE settled SET until = ?", (until,))
            self._db.execute('DELETE FROM span WHERE "end" < ?', (until - KEPT_S,))

    def seconds(
        self, first: date = date.min, after: date = date.max
    ) -> dict[tuple[str, str], Seconds]:
        """Return what was counted from one day to before another, by service and family."""
        return {
            (service, family): Seconds(*counts)
            for service, family, *counts in self._db.execute(
                "SELECT service, family, sum(good), sum(bad), sum(unknown), sum(maintenance)"
                " FROM day WHERE day >= ? AND day < ? GROUP BY service, family",
                (first.isoformat(), after.isoformat()),
            )
        }

    # -- maintenance

    def declare(self, windows: Iterable[Window], now: int) -> None:
        """
        Note which windows are declared now: new ones from now on, others as before.

        One that is gone ends now; what had ended by then stays.
        """
        said = {
            (one.id, service, int(one.start.timestamp()), int(one.end.timestamp())): one
            for one in windows
            for service in one.services
        }
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            standing = {
                tuple(row)
                for row in self._db.execute(
                    'SELECT window, service, start, "end" FROM declaration WHERE withdrawn IS NULL'
                )
            }
            self._db.executemany(
                "UPDATE declaration SET withdrawn = ? WHERE withdrawn IS NULL AND"
                ' (window, service, start, "end") = (?, ?, ?, ?) AND "end" > ?',
                [(now, *key, now) for key in standing - set(said)],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO declaration VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                [
                    (*key, one.owner, one.reason, now)
                    for key, one in said.items()
                    if key not in standing
                ],
            )

    def maintenance(self, start: int, end: int) -> dict[str, list[Span]]:
        """
        Return each service's windows between two moments, from when they were declared.

        A span of a window is "good": that it holds is seen.
        """
        found: dict[str, list[Span]] = defaultdict(list)
        for service, first, last in self._db.execute(
            'SELECT service, max(start, declared) AS first, min("end", coalesce(withdrawn, "end"))'
            " AS last FROM declaration WHERE first < ?2 AND last > ?1 AND first < last",
            (start, end),
        ):
            found[service].append(Span(first, last, Seen.GOOD))
        return found
