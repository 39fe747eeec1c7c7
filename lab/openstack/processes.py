"""
Processes of a lab: how they are made, found and ended.

Every one carries the lab's home in its environment, so that those of a lab are found whatever
became of their parent, and no other program is ever taken for one of them.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from catalogue.errors import OutsideError

PATIENCE_S = 20
MARK = "CITYDC_LAB_PROCESS_OF"
PR_SET_PDEATHSIG = 1


def set_name(text: str) -> None:
    """Show `text` as this process's name (ps -o comm), cut to 15 characters."""
    Path("/proc/self/comm").write_text(text[:15])


def die_with(parent: int) -> None:
    """Have this process killed when its parent, process `parent`, ends in whatever way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def fork(work: Callable[..., Any], *args: Any) -> int:
    """Run work(*args) in a child that dies with this process; give the child's process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        die_with(parent)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        work(*args)
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001  (nothing may get back into the parent's code)
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):  # the disk may be full
            sys.stderr.flush()
        os._exit(status)


def run(work: Callable[..., Any], *args: Any) -> None:
    """
    Run work(*args) in a child and wait, so that its imports and settings don't stay here.

    Raise RuntimeError when it fails; the cause is in the log.
    """
    if os.waitstatus_to_exitcode(os.waitpid(fork(work, *args), 0)[1]):
        raise RuntimeError(f"{work.__module__}.{work.__name__} failed")


def log_to(path: Path) -> None:
    """Let standard output and error of this process go to the end of the file."""
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def of(home: Path) -> list[psutil.Process]:
    """Give the processes of the lab in `home`, parents before their children."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(home):
                found.append(process)
    return sorted(found, key=lambda process: (process.create_time(), process.pid))


def parent_of(home: Path) -> psutil.Process | None:
    """Give the lab's first process, the one that no other of the lab started; None when down."""
    found = of(home)
    ids = {process.pid for process in found}
    for process in found:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in ids and "lab.openstack.parent" in process.cmdline():
                return process
    return None


def end_all(home: Path) -> bool:
    """
    Kill the lab's processes, the first one first, and wait until they are gone.

    What a service has committed is in its files, so none needs a farewell.  Say whether there
    were any; raise OutsideError when one does not go.
    """
    deadline = time.monotonic() + PATIENCE_S
    found = of(home)
    ran = bool(found)
    while found:
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=1)
        found = of(home)
        if found and time.monotonic() > deadline:
            raise OutsideError(
                f"processes of the lab do not end: {', '.join(str(one.pid) for one in found)}",
                remedy="look at what they wait for (ps -o pid,stat,wchan,comm)",
                place=str(home),
            )
    return ran


def memory_mib(process: psutil.Process) -> float:
    """Give a process's share of the memory (PSS) in MiB; 0 when it is gone or not ours to see."""
    with contextlib.suppress(psutil.Error, OSError):
        return float(process.memory_full_info().pss) / 2**20
    return 0.0
