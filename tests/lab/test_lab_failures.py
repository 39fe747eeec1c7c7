"""What goes wrong when a lab starts or ends: it is said plainly, and the next start works."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from lab_helpers import LabOfTests, new_lab, wait_for

from catalogue.errors import OutsideError
from lab import control
from lab.openstack import ports, processes, sites

UP = (
    "import sys; from pathlib import Path; from lab.control import Lab; "
    "Lab(Path(sys.argv[1]), int(sys.argv[2])).up()"
)


@contextlib.contextmanager
def up_elsewhere(lab: LabOfTests) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `up` in another process, which is killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", UP, str(lab.home), str(lab.port)],
        stderr=subprocess.DEVNULL,
    ) as other:
        try:
            yield other
        finally:
            other.kill()


def nothing_is_left(lab: LabOfTests) -> bool:
    """Say that no process, port, socket, pipe or lock of the lab is there."""
    special = [path for path in lab.home.rglob("*") if path.is_fifo() or path.is_socket()]
    free = all(
        ports.is_free(port)
        for site in sites.load(lab.home, lab.port)
        for port in ports.services(site).values()
    )
    return free and not special and not processes.of(lab.home) and _marks(lab) == []


def test_port_that_is_taken_is_named_with_its_process(tmp_path: Path) -> None:
    """Another program on keystone's port: `up` says which port, whose, and what to do."""
    lab = new_lab(tmp_path / "home")
    with socket.create_server(("127.0.0.1", lab.port)), pytest.raises(OutsideError) as told:
        lab.up()
    assert f"{lab.port} (keystone of main) by process {os.getpid()}" in told.value.why
    assert "CITYDC_LAB_PORT" in told.value.remedy
    assert processes.of(lab.home) == []


def test_too_little_free_space_is_said_before_anything_starts(
    small_disk: Path,
) -> None:
    """On a disk with too little room `up` says how much there is and how much it needs."""
    lab = new_lab(small_disk / "home")
    with pytest.raises(OutsideError, match="too full") as told:
        lab.up()
    assert "1024 MiB" in told.value.why
    assert processes.of(lab.home) == []


def test_disk_that_fills_up_while_it_starts_is_said(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a file can't be written for want of room, `up` says so and leaves nothing running."""
    monkeypatch.setattr(control, "FREE_BYTES", 0)
    monkeypatch.setattr(control, "FULL_BYTES", 1 << 20)
    lab = new_lab(small_disk / "home")
    with pytest.raises(OutsideError) as told:
        lab.up()
    assert "is full" in told.value.what
    assert nothing_is_left(lab)


def test_interrupted_up_leaves_nothing_running(own_lab: LabOfTests) -> None:
    """Ctrl-C in the middle of `up` ends all that it started."""
    with up_elsewhere(own_lab) as other:
        wait_for(lambda: len(processes.of(own_lab.home)) > 5)
        other.send_signal(signal.SIGINT)
        other.wait(60)
    own_lab.down()
    assert nothing_is_left(own_lab)


def test_start_killed_half_way_is_made_good_by_the_next(own_lab: LabOfTests) -> None:
    """`up` and the first process killed -9 while databases are made: the next `up` works."""
    own_lab.reset()
    with up_elsewhere(own_lab) as other:
        wait_for(lambda: list(own_lab.home.glob("template/db/*.sqlite")))
        other.kill()
        parent = processes.parent_of(own_lab.home)
        assert parent
        parent.kill()
    wait_for(lambda: not processes.of(own_lab.home))
    own_lab.up()
    assert own_lab.status()["up"]


def test_two_ups_at_once_make_one_lab(own_lab: LabOfTests) -> None:
    """The second `up` waits for the first, says so, and finds all up."""
    own_lab.down()
    said: list[str] = []
    second = threading.Thread(target=lambda: own_lab.up(said.append))
    with up_elsewhere(own_lab) as first:
        wait_for(lambda: len(processes.of(own_lab.home)) > 5)
        second.start()
        second.join()
        assert first.wait(60) == 0
    assert said[0] == f"waiting for process {first.pid}, which works on the lab"
    assert own_lab.status()["up"]


def test_down_leaves_nothing_behind_but_data(own_lab: LabOfTests) -> None:
    """No process, port, socket or pipe is left; what the sites hold is there at the next `up`."""
    own_lab.up()
    with own_lab.cloud("main") as cloud:
        made = cloud.create_project(name="kept", domain_id="default")
    ran = own_lab.down()
    left_nothing = nothing_is_left(own_lab)
    ran_again = own_lab.down()
    own_lab.up()
    with own_lab.cloud("main") as cloud:
        kept = cloud.get_project(made.id)
        cloud.delete_project(made.id)
    assert (ran, left_nothing, ran_again) == (True, True, False)
    assert kept


def test_death_of_the_first_process_takes_all_with_it(own_lab: LabOfTests) -> None:
    """Killing the first process (-9) ends every other, swift's and bind9's too."""
    own_lab.up()
    names = {process.name() for process in processes.of(own_lab.home)}
    parent = processes.parent_of(own_lab.home)
    assert parent
    parent.kill()
    _, alive = psutil.wait_procs(processes.of(own_lab.home), timeout=20)
    own_lab.down()
    assert {"named", "swift-main", "nova-backup"} <= names
    assert alive == []
    assert nothing_is_left(own_lab)


def test_lab_that_is_down_has_no_site_to_stop(own_lab: LabOfTests) -> None:
    """Stopping a site of a lab that is down says that it is down."""
    own_lab.down()
    with pytest.raises(OutsideError, match="not up"):
        own_lab.stop_site("main")
    assert not own_lab.status()["up"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _marks(lab: LabOfTests) -> list[str]:
    return [name for name in ("lock", "control", "failed") if (lab.home / name).exists()]
