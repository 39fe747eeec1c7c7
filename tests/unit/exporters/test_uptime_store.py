"""What is kept outlives the exporter, is counted once, and says when windows were declared."""

import datetime as dt
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from catalogue.errors import BadInputError
from exporters.uptime import schemas, settings
from exporters.uptime.availability import Seconds
from exporters.uptime.settings import Window
from exporters.uptime.states import Seen, Span
from exporters.uptime.store import KEPT_S, DayKey, Store

DAY = dt.date(2026, 12, 5)
KEY = DayKey("lgsp", "ipv6", DAY)
COUNTER = """
import datetime as dt, sys
from exporters.uptime.availability import Seconds
from exporters.uptime.store import DayKey, Store
with Store(__import__("pathlib").Path(sys.argv[1])) as store:
    until = store.settled(1000)
    while True:
        key = DayKey("lgsp", "ipv6", dt.date(2026, 12, 5))
        store.settle({key: Seconds(good=3, bad=1)}, until := until + 4)
        print(until, flush=True)
"""


def window(start: int, end: int, id_: str = "upgrade") -> Window:
    """Return a window of lgsp."""
    return Window(
        id=id_,
        services=["lgsp"],
        start=dt.datetime.fromtimestamp(start, dt.UTC),
        end=dt.datetime.fromtimestamp(end, dt.UTC),
        owner="Operations",
        reason="New release",
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file that is not there yet."""
    return tmp_path / "uptime.sqlite"


def test_only_its_owner_reads_it_and_one_exporter_has_it(file: Path) -> None:
    """Mode 0600, its side files too; a second exporter is refused."""
    with Store(file) as store:
        store.record("main", "a", [Span(1, 2, Seen.GOOD)])
        modes = {stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}
        assert modes == {0o600}
        with pytest.raises(BadInputError, match=r"uptime\.sqlite: .*cannot be opened\n.*locked"):
            Store(file)


@pytest.mark.parametrize("content", [b"no database at all, but some text", None])
def test_what_is_no_state_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A file of another kind, or a folder that is missing."""
    file = tmp_path / "none" / "file" if content is None else tmp_path / "file"
    if content:
        file.write_bytes(content * 100)
    with pytest.raises(BadInputError, match="cannot be opened"):
        Store(file)
    assert content is None or file.read_bytes() == content * 100


def test_counts_outlive_the_exporter(file: Path) -> None:
    """Totals and the mark are those of before; days add up."""
    with Store(file) as store:
        assert store.settled(1000) == 1000
        store.settle({KEY: Seconds(good=50, unknown=10)}, 1060)
        store.settle({KEY: Seconds(bad=5)}, 1065)
    with Store(file) as store:
        assert store.settled(9999) == 1065
        assert store.seconds() == {("lgsp", "ipv6"): Seconds(good=50, bad=5, unknown=10)}
        assert store.seconds(DAY + dt.timedelta(days=1)) == {}
        assert store.seconds(DAY, DAY) == {}


@pytest.mark.parametrize("attempt", range(3))
def test_killed_at_any_moment_every_second_is_counted_once(file: Path, attempt: int) -> None:
    """After kill -9 the counts and the mark belong together."""
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", COUNTER, file], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            told = [int(process.stdout.readline()) for _ in range(7 * attempt + 1)]
            process.send_signal(signal.SIGKILL)
        with Store(file) as store:
            counted = store.seconds()["lgsp", "ipv6"]
            assert counted.total == store.settled(0) - 1000 >= told[-1] - 1000
            assert counted.good == 3 * counted.bad


def test_a_transaction_that_fails_counts_nothing(file: Path) -> None:
    """Counts without their mark would be counted again."""
    with Store(file) as store:
        store.settled(1000)
        with pytest.raises(sqlite3.Error):
            store.settle({KEY: Seconds(good=5)}, None)  # type: ignore[arg-type] # to fail
        assert store.settled(0) == 1000
        assert store.seconds() == {}


def test_spans_grow_and_are_forgotten(file: Path) -> None:
    """A span is told anew, longer; what is counted goes after a while."""
    with Store(file) as store:
        store.settled(0)
        store.record("main", "a", [Span(10, 10, Seen.GOOD)])
        store.record("main", "a", [Span(10, 40, Seen.GOOD), Span(40, 40, Seen.BAD)])
        store.record("main", "a", [Span(10, 30, Seen.GOOD)])
        store.record("backup", "a", [Span(15, 45, Seen.BAD)])
        assert store.spans(0, 100) == {
            ("main", "a"): [Span(10, 40, Seen.GOOD), Span(40, 40, Seen.BAD)],
            ("backup", "a"): [Span(15, 45, Seen.BAD)],
        }
        assert set(store.spans(0, 100, "main")) == {("main", "a")}
        store.settle({}, 42 + KEPT_S)
        assert store.spans(0, 100) == {("backup", "a"): [Span(15, 45, Seen.BAD)]}


def test_a_window_counts_from_when_it_was_declared(file: Path) -> None:
    """In advance it counts whole; late, only from then on; after its end, not at all."""
    with Store(file) as store:
        store.declare([window(100, 200)], now=50)
        assert store.maintenance(0, 1000) == {"lgsp": [Span(100, 200, Seen.GOOD)]}
        store.declare([window(100, 200), window(300, 400, "late"), window(0, 90, "after")], now=330)
        assert store.maintenance(0, 1000)["lgsp"] == [
            Span(330, 400, Seen.GOOD),
            Span(100, 200, Seen.GOOD),
        ]
        assert store.maintenance(200, 330) == {}


def test_a_window_that_is_changed_is_declared_anew(file: Path) -> None:
    """Moving its start back or its end on counts from the change; what was declared stays."""
    with Store(file) as store:
        store.declare([window(100, 200)], now=50)
        store.declare([window(100, 300)], now=150)
        assert store.maintenance(0, 1000)["lgsp"] == [
            Span(100, 150, Seen.GOOD),
            Span(150, 300, Seen.GOOD),
        ]
    with Store(file) as store:
        store.declare([], now=180)
        store.declare([], now=400)
        assert [span.end for span in store.maintenance(0, 1000)["lgsp"]] == [150, 180]


def test_a_window_that_is_over_may_leave_the_file(file: Path) -> None:
    """Tidying up changes nothing."""
    with Store(file) as store:
        store.declare([window(100, 200)], now=50)
        store.declare([], now=500)
        assert store.maintenance(0, 1000) == {"lgsp": [Span(100, 200, Seen.GOOD)]}


MAINTENANCE = """windows:
  - id: upgrade
    services: [lgsp]
    start: "2026-12-05T22:00:00+07:00"
    end: "2026-12-06T02:00:00+07:00"
    owner: Operations
    reason: New release
"""


def test_maintenance_file(tmp_path: Path) -> None:
    """A sound file is read with its offsets."""
    path = tmp_path / "maintenance.yaml"
    path.write_text(MAINTENANCE)
    (found,) = settings.maintenance(path, ["lgsp"]).windows
    assert found.start == dt.datetime(2026, 12, 5, 15, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("22:00:00+07:00", "22:00:00", "yaml:4:12: windows.upgrade.start"),
        ("2026-12-06", "2026-12-05", "ends before it starts"),
        ("lgsp", "lgps", 'there is no service "lgps" — did you mean "lgsp"'),
        ("reason: New", "why: New", "reason"),
        ("owner: Operations", 'owner: ""', "owner"),
    ],
)
def test_faulty_maintenance_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """The message names place and cause."""
    path = tmp_path / "maintenance.yaml"
    path.write_text(MAINTENANCE.replace(old, new))
    with pytest.raises(BadInputError) as raised:
        settings.maintenance(path, ["lgsp"])
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("timeout_s: 30", "no two probes overlap"),
        ("peer: {site: backup, url: 'http://x'}", "by HTTPS"),
        ("peer: {site: bakcup, url: 'https://x'}", "did you mean"),
        ("self_checks: [{id: gw, kind: tcp, address: '10.0.0.1', reaches: [main]}]", "has a port"),
        ("self_checks: [{id: gw, kind: icmp, address: '10.0.0.1', reaches: [mian]}]", "no site"),
    ],
)
def test_faulty_observer_is_refused(tmp_path: Path, more: str, said: str) -> None:
    """The message says what is wrong."""
    path = tmp_path / "observer.yaml"
    path.write_text(f"site: main\n{more}\n")
    with pytest.raises(BadInputError) as raised:
        settings.observer(path, ["main", "backup"])
    assert said in str(raised.value)


def test_schemas_are_those_of_the_models() -> None:
    """What editors check by is up to date; `make generate` writes it."""
    for file, text in schemas.schemas().items():
        assert file.read_text(encoding="utf-8") == text
