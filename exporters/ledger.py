"""
The ledger: what was read and what was counted, entry by entry, never changed.

One SQLite file in WAL mode.  Triggers refuse to update or delete; every entry carries the SHA-256
digest of itself and of the one before, and each day (of Asia/Ho_Chi_Minh) ends with a seal, whose
digest can be published: whoever changes, removes or adds an entry afterwards breaks the chain.  An
entry is on the disk before anything is counted by it (synchronous=FULL).

Kinds of entries: `reading` (what a device said, raw, with a verdict), `interval` (an amount, with
the sums so far and the meter's state after it), `amendment` (what is added to earlier intervals, by
a rule or by a person), `event`, `allocation` and `unmetered` (what was shared out or is metered by
none, so far), `seal`.
"""

import hashlib
import json
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from catalogue.errors import BadInputError, OutsideError

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
GENESIS = "0" * 64
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, day TEXT NOT NULL, written REAL NOT NULL, kind TEXT NOT NULL,
    subject TEXT NOT NULL, "start" REAL NOT NULL, "end" REAL NOT NULL, body TEXT NOT NULL,
    digest TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_by_subject ON entries (subject, kind, "end", id);
CREATE INDEX IF NOT EXISTS entries_by_age ON entries (subject, kind, id);
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_remain BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""


class LedgerError(OutsideError):
    """The ledger could not be written or read: a full disk, a lost file.  Nothing was counted."""


class StaleError(Exception):
    """Another process has counted these subjects since; what was to be written was not."""

    def __init__(self, subjects: Sequence[str]) -> None:
        super().__init__(", ".join(subjects))
        self.subjects = tuple(subjects)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to write down.  `body` is JSON's; times are s since 1970 UTC."""

    kind: str
    subject: str
    start: float
    end: float
    body: Mapping[str, Any]


class Row(NamedTuple):
    """An entry as it is written."""

    id: int
    day: str
    written: float
    kind: str
    subject: str
    start: float
    end: float
    body: str
    digest: str


class Sums(NamedTuple):
    """
    Amounts of a meter (J or L) and the time that they cover (s).

    `slack` is what may lie on the other side of the borders: a step of the register, and what an
    interval that a border cuts may hold more on one side.
    """

    amount: float = 0.0
    lower: float = 0.0
    upper: float = 0.0
    seconds: float = 0.0
    """Measured, not estimated."""
    estimated: float = 0.0
    """Of the amount."""
    slack: float = 0.0

    def plus(self, other: "Sums", sign: float = 1.0) -> "Sums":
        """Return the sum with another; `sign` -1 takes it away, but for the slack."""
        parts = (a + sign * b for a, b in zip(self[:-1], other[:-1], strict=True))
        return Sums._make([*parts, self.slack + other.slack])


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of verifying the chain."""

    entries: int
    head: str
    """The digest of the last entry."""
    seals: dict[str, str]
    """By day: the digest that its seal carries."""
    broken: int | None
    """The id of the first entry that does not fit, if one doesn't."""
    why: str


class Ledger:
    """An open ledger; threads may share it."""

    def __init__(self, file: Path) -> None:
        """Open or begin it.  Raise BadInputError or LedgerError if it can't be used."""
        self.file = file
        self._lock = threading.Lock()
        _prepare(file)
        with _told(file):
            self._db = sqlite3.connect(
                file, timeout=10, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def append(
        self, entries: Sequence[Entry], expected: Mapping[str, int] | None = None
    ) -> list[int]:
        """
        Write the entries, all or none, and return their ids.

        `expected` tells for each subject which interval was the last when its entries were made (0:
        none).  Raise StaleError, with nothing written, if another has come since; LedgerError if
        the disk is full or gone.
        """
        with self._lock, _told(self.file):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._ensure_fresh(expected or {})
                ids = self._write(entries)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return ids

    def _ensure_fresh(self, expected: Mapping[str, int]) -> None:
        stale = [one for one, known in expected.items() if self._last_id(one) != known]
        if stale:
            raise StaleError(stale)

    def _last_id(self, subject: str) -> int:
        (found,) = self._db.execute(
            "SELECT max(id) FROM entries WHERE subject = ? AND kind = 'interval'", (subject,)
        ).fetchone()
        return found or 0

    def _write(self, entries: Sequence[Entry]) -> list[int]:
        now = time.time()
        day = datetime.fromtimestamp(now, ZONE).date().isoformat()
        last = self._db.execute(
            "SELECT id, day, digest FROM entries ORDER BY id DESC LIMIT 1"
        ).fetchone()
        number, last_day, digest = last or (0, day, GENESIS)
        rows, ids = [], []
        if last_day != day:
            entries = [Entry("seal", last_day, now, now, {"digest": digest}), *entries]
        for entry in entries:
            number += 1
            body = json.dumps(entry.body, ensure_ascii=False, separators=(",", ":"))
            start, end = float(entry.start), float(entry.end)
            row = (number, day, now, entry.kind, entry.subject, start, end, body)
            digest = chained(digest, row)
            rows.append((*row, digest))
            if entry.kind != "seal":
                ids.append(number)
        self._db.executemany("INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?)", rows)
        return ids

    def last(self, kind: str, subject: str) -> Row | None:
        """Return the newest entry of that kind about that subject."""
        return self._row("subject = ? AND kind = ? ORDER BY id DESC", (subject, kind))

    def first_closed(self, subject: str) -> Row | None:
        """Return a meter's first interval that lasts; where it ends, its register is known."""
        where = 'subject = ? AND kind = \'interval\' AND "end" > "start" ORDER BY id'
        return self._row(where, (subject,))

    def rows(self, kind: str, subject: str = "", after: int = 0) -> Iterator[Row]:
        """Yield entries of a kind, of one subject or of all, in the order of writing."""
        where = "kind = ? AND id > ?" + (" AND subject = ?" if subject else "")
        given = (kind, after, *([subject] if subject else []))
        with self._lock, _told(self.file):
            found = self._db.execute(
                f"SELECT * FROM entries WHERE {where} ORDER BY id",  # noqa: S608 - our own text
                given,
            ).fetchall()
        yield from map(Row._make, found)

    def _row(self, where: str, given: tuple[Any, ...]) -> Row | None:
        with self._lock, _told(self.file):
            found = self._db.execute(
                f"SELECT * FROM entries WHERE {where} LIMIT 1",  # noqa: S608 - our own text
                given,
            ).fetchone()
        return Row._make(found) if found else None

    def until(self, subject: str, when: float, unwritten: Entry | None = None) -> Sums:
        """
        Return what a meter's intervals come to from the beginning until `when`.

        An interval that `when` cuts is shared out by time; what may lie on the other side is slack.
        `unwritten` is an interval that goes on from the last one.
        """
        sums = Sums()
        before = self._row(
            'subject = ? AND kind = \'interval\' AND "end" <= ? ORDER BY "end" DESC, id DESC',
            (subject, when),
        )
        if before:
            body = json.loads(before.body)
            sums = Sums._make([*body["sums"], body.get("step", 0.0)])
        across = self._row(
            'subject = ? AND kind = \'interval\' AND "end" > ? ORDER BY "end", id',
            (subject, when),
        )
        if across and across.start < when:
            sums = sums.plus(_part((across.start, across.end), json.loads(across.body), when))
        elif not across and unwritten and unwritten.start < when:
            sums = sums.plus(_part((unwritten.start, unwritten.end), unwritten.body, when))
        return sums

    def between(
        self, subject: str, start: float, end: float, unwritten: Entry | None = None
    ) -> Sums:
        """Return what passed a meter between two times, amendments included; see `until`."""
        sums = self.until(subject, end, unwritten).plus(self.until(subject, start, unwritten), -1.0)
        for row in self.rows("amendment", subject):
            share = _overlap((row.start, row.end), (start, end))
            sums = sums.plus(_amended(row, share))
        return sums

    def total(self, subject: str) -> Sums:
        """Return all that passed a meter, amendments included."""
        last = self.last("interval", subject)
        sums = Sums(*json.loads(last.body)["sums"]) if last else Sums()
        for row in self.rows("amendment", subject):
            sums = sums.plus(_amended(row, 1.0))
        return sums

    def verify(self) -> Verification:
        """Verify the file as it is on the disk; see `verify`."""
        return verify(self.file)


def verify(file: Path) -> Verification:
    """
    Recompute every digest, and name the first entry that does not fit; nothing is written.

    Raise LedgerError if the file is no ledger.
    """
    digest, number = GENESIS, 0
    seals: dict[str, str] = {}
    with (
        _told(file),
        closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db,
    ):
        for found in db.execute("SELECT * FROM entries ORDER BY id"):
            row = Row._make(found)
            why = ""
            if row.id != number + 1:
                why = f"entry {number + 1} is missing"
            elif chained(digest, row[:-1]) != row.digest:
                why = f"entry {row.id} ({row.kind} of {row.subject}) was changed"
            elif row.kind == "seal" and json.loads(row.body)["digest"] != digest:
                why = f"the seal of {row.subject} does not fit"
            if why:
                return Verification(number, digest, seals, row.id, why)
            if row.kind == "seal":
                seals[row.subject] = digest
            digest, number = row.digest, row.id
    return Verification(number, digest, seals, None, "")


def chained(before: str, row: Sequence[Any]) -> str:
    """Return the digest of an entry's columns (all but its digest) after the digest `before`."""
    text = json.dumps([before, *row], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _part(span: tuple[float, float], body: Mapping[str, Any], when: float) -> Sums:
    """Return the part of an interval until `when`; as slack, how far the truth may be from it."""
    start, end = span[0], span[1]
    amount, lower, upper = body["amount"], body["lower"], body["upper"]
    share = min(1.0, (when - start) / (end - start))
    highest = body["highest"]
    most = min(upper, highest * (when - start))
    least = max(0.0, lower - highest * (end - when))
    part = amount * share
    measured = body["measured"]
    return Sums(
        part,
        lower * share,
        upper * share,
        (end - start) * share if measured else 0.0,
        0.0 if measured else part,
        max(most - part, part - least, 0.0) if when < end else 0.0,
    )


def _amended(row: Row, share: float) -> Sums:
    body = json.loads(row.body)
    amount, lower, upper, estimated = (
        body[one] * share for one in ("amount", "lower", "upper", "estimated")
    )
    return Sums(amount, lower, upper, estimated=estimated)


def _overlap(span: tuple[float, float], window: tuple[float, float]) -> float:
    """Return which share of the span lies in the window; a moment lies in it or not."""
    start, end = max(span[0], window[0]), min(span[1], window[1])
    if span[0] == span[1]:
        return float(window[0] <= span[0] < window[1])
    return max(0.0, end - start) / (span[1] - span[0])


def _prepare(file: Path) -> None:
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.close(descriptor)
    except OSError as error:
        raise LedgerError(
            "the ledger cannot be opened",
            why=error.strerror or str(error),
            remedy="give --ledger FILE in a folder that the exporter may write to",
            place=str(file),
        ) from error
    if mode & 0o077:
        raise BadInputError(
            "others may read or write the ledger",
            why=f"its mode is {mode:o}",
            remedy=f"chmod 600 {file}",
            place=str(file),
        )


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(
            "the ledger cannot be used",
            why=str(error),
            remedy="make room on its disk, or bring its file back; what was not written was not"
            " counted",
            place=str(file),
        ) from error
