"""The energy exporter as a process: killed at any moment, split into shards, moved, reloaded."""

import itertools
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import meters
import pytest
import requests

from exporters.ledger import Ledger, Row

INTERVAL = 1.0
PATIENCE = 120


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def exporter(ledger: Path, shard: str = "1/1") -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the exporter; give its process and address once it counts, and kill it at the end."""
    port = _free_port()
    command = [sys.executable, meters.__file__, str(ledger), str(port), str(INTERVAL), shard]
    process = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(lambda: "citydc_readings_total{" in _metrics(address), process)
        yield process, address
    finally:
        process.kill()
        process.wait()


def _metrics(address: str) -> str:
    try:
        return requests.get(f"{address}/metrics", timeout=10).text
    except requests.ConnectionError:
        return ""


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, "the exporter ended by itself"
        assert time.monotonic() < end, f"nothing in {PATIENCE} s"
        time.sleep(0.1)


def _intervals(file: Path) -> dict[str, list[Row]]:
    ledger = Ledger(file)
    found: dict[str, list[Row]] = {}
    for row in ledger.rows("interval"):
        found.setdefault(row.subject, []).append(row)
    ledger.close()
    return found


def _ensure_nothing_lost_and_nothing_twice(file: Path) -> int:
    """
    Compare each meter's intervals with its register; return how many intervals there are.

    The first one is counted by the rate, since where in its step the register stood is not known.
    """
    ledger = Ledger(file)
    verification = ledger.verify()
    assert verification.broken is None, verification.why
    number = 0
    for subject, rows in _intervals(file).items():
        for before, after in itertools.pairwise(rows):
            assert after.start == before.end, subject
        litres = "water" in subject or "fuel" in subject or "cooling-towers" in subject
        step = meters.STEP / (1e6 if litres else 1)
        true = meters.watt_hours(rows[-1].end) - meters.watt_hours(rows[0].start)
        total = ledger.total(subject).amount
        assert total == pytest.approx(true * step / meters.STEP, abs=step), subject
        number += len(rows)
    ledger.close()
    return number


def test_killed_at_any_moment_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    """SIGKILL while it reads and writes; each start goes on where the ledger ends."""
    file = tmp_path / "energy.sqlite"
    before = 0
    for seconds in (0.5, 2.9, 1.3, 0.8, 2.2, 1.7):
        with exporter(file) as (process, _address):
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            process.wait()
        number = _ensure_nothing_lost_and_nothing_twice(file)
        assert number > before
        before = number


def test_restart_shows_what_was_counted_before_it_reads(tmp_path: Path) -> None:
    """A counter never starts again at zero."""
    file = tmp_path / "energy.sqlite"
    with exporter(file):
        time.sleep(2)
    counted = {subject: rows[-1] for subject, rows in _intervals(file).items()}
    with exporter(file) as (_process, address):
        shown = _metrics(address)
    for subject, row in counted.items():
        site, node = subject.split("/")
        lines = [
            float(line.rpartition(" ")[2])
            for line in shown.splitlines()
            if "_total{" in line and f'node="{node}",site="{site}"' in line
            if line.startswith(("citydc_energy", "citydc_water", "citydc_fuel"))
        ]
        assert lines
        assert lines[0] >= json.loads(row.body)["sums"][0]


def test_shards_that_move_lose_no_reading_and_take_none_twice(tmp_path: Path) -> None:
    """Two shards, then the whole in one, with an old shard still at work beside it."""
    file = tmp_path / "energy.sqlite"
    with exporter(file, "1/2"):
        with exporter(file, "2/2"):
            time.sleep(2)
            both = _intervals(file)
        with exporter(file, "1/1"):
            time.sleep(4)
    assert set(both) == set(_intervals(file))
    _ensure_nothing_lost_and_nothing_twice(file)


def test_reload_by_hangup_and_end_by_term(tmp_path: Path) -> None:
    """SIGHUP goes on counting; SIGTERM ends it in order."""
    file = tmp_path / "energy.sqlite"
    with exporter(file) as (process, address):
        process.send_signal(signal.SIGHUP)
        before = sum(map(len, _intervals(file).values()))
        _wait_for(lambda: sum(map(len, _intervals(file).values())) > before + 100, process)
        assert requests.get(f"{address}/-/ready", timeout=10).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) in {0, -signal.SIGTERM}
    _ensure_nothing_lost_and_nothing_twice(file)
