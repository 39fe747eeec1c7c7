"""Processes: found by their mark, gone with their parent."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lab.openstack import processes

SLEEP = "import time; time.sleep(60)"
FORK_AND_SLEEP = """
import sys, time
from pathlib import Path
from lab.openstack import processes
child = processes.fork(time.sleep, 60)
Path(sys.argv[1]).write_text(str(child))
time.sleep(60)
"""


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Give a function that starts Python with a lab's mark; what it starts is ended."""
    started = []

    def make(home: Path, code: str, *arguments: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, processes.MARK: str(home)},
        )
        started.append(process)
        return process

    yield make
    for process in started:
        process.kill()
        process.wait()


def wait_for(check: Callable[[], bool]) -> None:
    """Wait until the check is true."""
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_processes_of_a_lab_are_found_by_their_mark(
    tmp_path: Path, start: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    """Those of the lab are found, those of another lab and other programs are not."""
    mine = start(tmp_path / "mine", SLEEP)
    start(tmp_path / "other", SLEEP)
    wait_for(lambda: bool(processes.of(tmp_path / "mine")))
    assert [process.pid for process in processes.of(tmp_path / "mine")] == [mine.pid]


def test_all_processes_of_a_lab_are_ended_and_no_others(
    tmp_path: Path, start: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    """What the lab started is killed; another lab goes on."""
    mine = start(tmp_path / "mine", SLEEP)
    other = start(tmp_path / "other", SLEEP)
    wait_for(lambda: bool(processes.of(tmp_path / "mine")))
    assert processes.end_all(tmp_path / "mine")
    assert mine.poll() is not None
    assert other.poll() is None
    assert not processes.end_all(tmp_path / "mine")


def test_child_dies_with_its_parent_however_that_dies(
    tmp_path: Path, start: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    """A parent killed -9 takes the child that it forked with it."""
    note = tmp_path / "child"
    parent = start(tmp_path, FORK_AND_SLEEP, str(note))
    wait_for(lambda: note.exists() and bool(note.read_text()))
    child = psutil.Process(int(note.read_text()))
    parent.kill()
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_failure_of_a_child_is_an_error_of_the_caller() -> None:
    """Work that fails in a child raises here; what it changed there is not here."""
    with pytest.raises(RuntimeError, match="_fail failed"):
        processes.run(_fail)


def test_work_in_a_child_leaves_no_trace_here() -> None:
    """The child's environment is its own."""
    processes.run(os.environ.update, {"CITYDC_TRACE": "1"})
    assert "CITYDC_TRACE" not in os.environ


def test_process_that_is_gone_has_no_memory() -> None:
    """The memory of a process that ended meanwhile is nought."""
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as other:
        process = psutil.Process(other.pid)
        alive = processes.memory_mib(process)
        other.kill()
    assert alive > 0
    assert processes.memory_mib(process) == 0


def _fail() -> None:
    raise SystemExit(3)
