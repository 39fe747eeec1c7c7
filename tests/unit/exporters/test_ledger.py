"""The ledger's promises."""

import json
import sqlite3
import stat
import time
from datetime import datetime
from pathlib import Path

import pytest

from catalogue.errors import BadInputError
from exporters import ledger as ledgers
from exporters.ledger import ZONE, Entry, Ledger, LedgerError, StaleError, Sums


def _interval(start: float, end: float, amount: float, total: float, **more: object) -> Entry:
    body = {
        "amount": amount,
        "lower": amount,
        "upper": amount,
        "highest": 1000.0,
        "measured": True,
        "sums": [total, total, total, end, 0.0],
        **more,
    }
    return Entry("interval", "main/ups-a", start, end, body)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Begin a ledger."""
    return Ledger(tmp_path / "energy.sqlite")


def _tamper(file: Path, statement: str) -> None:
    """Change the file as someone would who owns it."""
    with sqlite3.connect(file) as db:
        db.executescript(f"DROP TRIGGER entries_stay; DROP TRIGGER entries_remain; {statement}")
    db.close()


@pytest.mark.parametrize("statement", ["UPDATE entries SET subject = 'x'", "DELETE FROM entries"])
def test_entries_are_neither_changed_nor_removed(ledger: Ledger, statement: str) -> None:
    """The file itself refuses."""
    ledger.append([_interval(0, 60, 6, 6)])
    with sqlite3.connect(ledger.file) as db, pytest.raises(sqlite3.Error, match="append-only"):
        db.execute(statement)
    db.close()
    assert ledger.verify().entries == 1


def test_file_is_its_owners_alone(ledger: Ledger) -> None:
    """The log beside it, too; and a file that others may read is refused."""
    ledger.append([_interval(0, 60, 6, 6)])
    for file in ledger.file.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ledger.close()
    ledger.file.chmod(0o644)
    with pytest.raises(BadInputError, match="others may read"):
        Ledger(ledger.file)


@pytest.mark.parametrize(
    ("statement", "broken", "why"),
    [
        ("UPDATE entries SET body = replace(body, '6', '7') WHERE id = 2", 2, "was changed"),
        ('UPDATE entries SET "end" = 61 WHERE id = 3', 3, "was changed"),
        ("DELETE FROM entries WHERE id = 2", 3, "entry 2 is missing"),
        ("DELETE FROM entries WHERE id = 1", 2, "entry 1 is missing"),
    ],
)
def test_first_entry_that_does_not_fit_is_named(
    ledger: Ledger, statement: str, broken: int, why: str
) -> None:
    """Whatever was done to the file behind the triggers' back."""
    ledger.append([_interval(0, 60, 6, 6), _interval(60, 120, 6, 12), _interval(120, 180, 6, 18)])
    _tamper(ledger.file, statement)
    found = ledger.verify()
    assert found.broken == broken
    assert why in found.why


def test_forged_chain_does_not_have_the_published_seal(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each day ends with a seal; who recomputes the digests can't recompute what is published."""
    moments = iter([1.0e9, 1.0e9 + 86_400, 1.0e9 + 2 * 86_400])
    monkeypatch.setattr(time, "time", lambda: next(moments))
    for start in range(3):
        ledger.append([_interval(start, start + 1, 6, 6 * (start + 1))])
    found = ledger.verify()
    days = [datetime.fromtimestamp(1.0e9 + day * 86_400, ZONE).date().isoformat() for day in (0, 1)]
    assert list(found.seals) == days
    assert found.broken is None
    with sqlite3.connect(ledger.file) as db:
        rows = db.execute("SELECT * FROM entries ORDER BY id").fetchall()
    db.close()
    forged, digest = [], ledgers.GENESIS
    for *columns, _ in rows:
        if columns[3] == "seal":
            columns[7] = json.dumps({"digest": digest}, separators=(",", ":"))
        columns[7] = columns[7].replace('"amount":6', '"amount":5')
        digest = ledgers.chained(digest, columns)
        forged.append((columns[7], digest, columns[0]))
    _tamper(ledger.file, "")
    with sqlite3.connect(ledger.file) as db:
        db.executemany("UPDATE entries SET body = ?, digest = ? WHERE id = ?", forged)
    db.close()
    after = ledger.verify()
    assert after.broken is None
    assert not set(after.seals.values()) & set(found.seals.values())


def test_what_another_process_counted_is_not_counted_again(ledger: Ledger) -> None:
    """Two shards that hold the same meter: the second is told, and nothing of its is written."""
    other = Ledger(ledger.file)
    (first,) = ledger.append([_interval(0, 60, 6, 6)], {"main/ups-a": 0})
    with pytest.raises(StaleError, match="main/ups-a"):
        other.append([_interval(0, 60, 6, 6)], {"main/ups-a": 0})
    other.append([_interval(60, 120, 6, 12)], {"main/ups-a": first})
    assert ledger.total("main/ups-a").amount == 12
    assert ledger.verify().broken is None


def test_full_disk_writes_nothing_and_heals(ledger: Ledger) -> None:
    """All or none; what could be written before stays, and later entries follow."""
    ledger.append([_interval(0, 60, 6, 6)])
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    many = [_interval(60, 120, 6, 12, note="x" * 4000) for _ in range(9)]
    with pytest.raises(LedgerError, match="full"):
        ledger.append(many)
    assert ledger.verify().entries == 1
    ledger._db.execute("PRAGMA max_page_count = 1000000")
    ledger.append([_interval(60, 120, 6, 12)])
    assert ledger.verify().entries == 2


def test_verifying_writes_nothing(ledger: Ledger) -> None:
    """Not even the triggers that someone took away: the file is evidence."""
    ledger.append([_interval(0, 60, 6, 6)])
    _tamper(ledger.file, "")
    ledger.close()
    before = ledger.file.read_bytes()
    assert ledgers.verify(ledger.file).broken is None
    assert ledger.file.read_bytes() == before


def test_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A ledger that can't be opened counts nothing."""
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger(tmp_path / "nowhere" / "energy.sqlite")


def test_window_has_its_share_of_intervals_that_its_borders_cut(ledger: Ledger) -> None:
    """By time; how far the truth may be from that is told as slack."""
    ledger.append(
        [
            _interval(0, 100, 10_000, 10_000),
            _interval(100, 200, 20_000, 30_000),
            _interval(200, 400, 30_000, 60_000, measured=False, sums=[6e4, 6e4, 6e4, 200, 3e4]),
        ]
    )
    assert ledger.between("main/ups-a", 0, 200) == Sums(3e4, 3e4, 3e4, 200)
    cut = ledger.between("main/ups-a", 50, 300)
    assert cut.amount == 5000 + 20_000 + 15_000
    assert (cut.seconds, cut.estimated) == (150, 15_000)
    assert cut.slack == 5000 + 15_000


def test_amendment_counts_where_it_belongs(ledger: Ledger) -> None:
    """Written today, it corrects the days that it is about."""
    ledger.append([_interval(0, 100, 100, 100), _interval(100, 200, 100, 200)])
    body = {"amount": -50.0, "lower": -50.0, "upper": -50.0, "estimated": 0.0}
    ledger.append([Entry("amendment", "main/ups-a", 50, 100, body)])
    assert ledger.between("main/ups-a", 0, 100).amount == 50
    assert ledger.between("main/ups-a", 75, 200).amount == 25 + 100 - 25
    assert ledger.between("main/ups-a", 100, 200).amount == 100
    assert ledger.total("main/ups-a").amount == 150
