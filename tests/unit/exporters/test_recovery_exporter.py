"""What hosts and drills wrote down, and how old a standby's data is."""

import asyncio
import datetime as dt
import json
from ipaddress import IPv6Address
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_city import small_city

from catalogue.errors import BadInputError, OutsideError
from exporters import trust
from exporters.recovery import exporter, mariadb, postgresql, records
from exporters.recovery.replication import Server, Status, lag_s
from exporters.trust import trusting

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
CLUSTER = "lgsp-registry"
INFO = [
    {
        "name": "lgsp-registry",
        "backup": [
            {"label": "20261122-013000F", "error": False, "type": "full",
             "timestamp": {"start": 1000, "stop": 2000}},
            {"label": "20261122-013000F_20261123-013000I", "error": True, "type": "incr",
             "timestamp": {"start": 5000, "stop": 6000}},
            {"label": "20261122-013000F_20261124-013000I", "error": None, "type": "incr",
             "timestamp": {"start": 3000, "stop": 4000}},
        ],
        "status": {"code": 0, "message": "ok"},
    },
    {"name": "other", "backup": [
        {"label": "x", "error": False, "timestamp": {"start": 8000, "stop": 9000}}]},
]  # fmt: skip
RESTORE = (
    '{"cluster": "lgsp-registry", "backup": "20261122-013000F", "bytes": 7, "seconds": 9,'
    ' "restored": "2026-11-22T05:41:07+07:00"}\n'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the records of one database."""
    (tmp_path / "lgsp-registry").mkdir()
    (tmp_path / "lgsp-registry" / "backups.json").write_text(json.dumps(INFO))
    (tmp_path / "lgsp-registry" / "restore.json").write_text(RESTORE)
    return tmp_path


def test_newest_sound_backup_of_the_cluster(folder: Path) -> None:
    """One with broken pages is none, and another cluster's neither."""
    found = records.newest_backup(records.kept(folder, CLUSTER), CLUSTER)
    assert found
    assert (found.label, found.timestamp.stop) == ("20261122-013000F_20261124-013000I", 4000)


def test_last_restore(folder: Path) -> None:
    """The line that the check printed is the record."""
    found = records.last_restore(records.kept(folder, CLUSTER), CLUSTER)
    assert found
    assert found.restored == dt.datetime(2026, 11, 21, 22, 41, 7, tzinfo=dt.UTC)


def test_what_was_never_done_is_absent(tmp_path: Path) -> None:
    """No record is no figure, and no error."""
    assert records.newest_backup(records.kept(tmp_path, CLUSTER), CLUSTER) is None
    assert records.last_restore(records.kept(tmp_path, CLUSTER), CLUSTER) is None
    assert records.last_drills(tmp_path / "none") == ({}, [])
    (tmp_path / "lgsp-registry").mkdir()
    (tmp_path / "lgsp-registry" / "backups.json").write_text("[]")
    assert records.newest_backup(records.kept(tmp_path, CLUSTER), CLUSTER) is None


@pytest.mark.parametrize("text", ["", "{", "[]", RESTORE[:-20], RESTORE.replace("lgsp-", "ai-")])
def test_a_record_that_is_none_is_said_so(folder: Path, text: str) -> None:
    """Half a line, another shape, another cluster's: the message names the file."""
    (folder / "lgsp-registry" / "restore.json").write_text(text)
    with pytest.raises(OutsideError, match=r"lgsp-registry/restore\.json: a record cannot"):
        records.last_restore(records.kept(folder, CLUSTER), CLUSTER)


def test_records_that_a_server_told_are_read_as_those_of_files() -> None:
    """A fault names the server; what it did not tell is no fault."""
    told = records.Records("lgsp-registry-1 at backup", json.dumps(INFO), RESTORE[:-20])
    backup = records.newest_backup(told, CLUSTER)
    assert backup
    assert backup.timestamp.stop == 4000
    with pytest.raises(OutsideError, match=r"lgsp-registry-1 at backup/restore\.json"):
        records.last_restore(told, CLUSTER)
    assert records.last_restore(records.Records("elsewhere"), CLUSTER) is None


def test_last_drill_of_each_service(tmp_path: Path) -> None:
    """The latest that ended counts, passed or not; a broken file hides no other."""
    drills = {
        "a": (["lgsp", "identity"], "2026-10-01T10:00:00+07:00", True),
        "b": (["lgsp"], "2026-11-01T10:00:00+07:00", False),
        "c": (["lgsp"], "2026-11-01T09:59:00+07:00", True),
    }
    for name, (services, ended, passed) in drills.items():
        said = {"services": services, "ended": ended, "passed": passed, "steps": []}
        (tmp_path / f"{name}.json").write_text(json.dumps(said))
    (tmp_path / "d.json").write_text('{"services": []}')
    found, faults = records.last_drills(tmp_path)
    assert {name: (one.ended.day, one.passed) for name, one in found.items()} == {
        "lgsp": (1, False),
        "identity": (1, True),
    }
    assert found["lgsp"].ended.month == 11
    assert len(faults) == 1
    assert "d.json" in str(faults[0])


def test_a_standby_that_has_all_lags_nothing() -> None:
    """However long nothing was written; behind its primary, it is as old as what it replayed."""
    old = Status(True, 500, NOW - dt.timedelta(hours=3))
    assert lag_s(old, 500, NOW) == 0
    assert lag_s(old, 501, NOW) == 3 * 3600
    assert lag_s(old, None, NOW) == 3 * 3600
    assert lag_s(Status(True, 500, None), 501, NOW) is None


def test_a_standby_that_tells_no_age_is_as_old_as_it_was_last_seen_with_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MariaDB's, once its replication stops; one that was never seen with all has no lag."""
    primary, standby = (
        Server(
            "email", "mailboxes", site, "email-mailboxes-1", role, IPv6Address(1), 3306, "mariadb"
        )
        for site, role in (("main", "primary"), ("backup", "standby"))
    )
    answers = {primary: Status(False, 7, None), standby: Status(True, 6, None)}

    async def answered(server: Server, *_: object) -> Status:
        return answers[server]

    monkeypatch.setitem(exporter.ASK, "mariadb", answered)
    observed = exporter.RecoveryExporter(small_city(), [], exporter.Sources(user="monitor"))

    def lag() -> list[float]:
        asyncio.run(observed._ask([primary, standby]))
        text = observed._metrics.lag.exposition(openmetrics=False)
        return [float(one.split()[-1]) for one in text.splitlines() if one[0] != "#"]

    assert lag() == []
    answers[standby] = Status(True, 7, None)
    assert lag() == [0]
    answers[primary] = Status(False, 8, None)
    (behind,) = lag()
    assert 0 < behind < 60
    assert "position_bytes{" not in observed._metrics.position.exposition(openmetrics=False)


@given(st.integers(0, 10), st.none() | st.integers(0, 10), st.integers(-100, 100))
def test_lag_is_never_negative(position: int, written: int | None, age: int) -> None:
    """Clocks may differ by a little."""
    lag = lag_s(Status(True, position, NOW - dt.timedelta(seconds=age)), written, NOW)
    assert lag is not None
    assert lag >= 0


@pytest.mark.parametrize("fault", [asyncpg.InternalClientError("?"), EOFError(), TypeError("x")])
def test_a_server_that_answers_strangely_is_away_and_no_more(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The others are asked on: it is said of it alone that it cannot be."""

    async def connect(**_: object) -> None:
        raise fault

    monkeypatch.setattr(asyncpg, "connect", connect)
    server = Server(
        "lgsp", "bus", "main", "bus-1", "primary", IPv6Address("::1"), 5432, "postgresql"
    )
    with pytest.raises(OutsideError, match="bus-1 at main cannot be asked"):
        asyncio.run(postgresql.ask(server, "monitor", "x", trusting(None)))


def test_transactions_of_all_domains_are_counted() -> None:
    """MariaDB's position has a number for each domain; before the first transaction it is empty."""
    told = ("", "0-1-42", "0-1-42,1-2-8")
    assert [mariadb.transactions(one) for one in told] == [0, 42, 50]


def test_a_password_that_others_read_is_refused(tmp_path: Path) -> None:
    """It says the mode and what to do, and not the password."""
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    file.chmod(0o640)
    with pytest.raises(BadInputError, match=r"mode is 0640\n.*chmod 0600") as raised:
        trust.password(file)
    assert "hunter2" not in str(raised.value)
    file.chmod(0o600)
    assert trust.password(file) == "hunter2"
    assert "hunter2" not in repr(exporter.Sources(password="hunter2"))
