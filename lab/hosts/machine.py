"""
What hosts and networks take of the machine, by one name each.

A thing named N may have: the network namespace N, the cgroup citydc/N, the nftables table N, a
folder with a mounted root and volumes on loop devices.  `registry` gives them back.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from catalogue.errors import OutsideError
from lab.hosts.command import run, succeeds

REGISTRY = Path("/run/citydc")
NAMESPACES = Path("/run/netns")
PATIENCE_S = 10
CLONE_NEWNET = 0x40000000  # Linux's own number
LABEL = "citydc-host"  # of a file system that is a host's disk


def new_name(prefix: str) -> str:
    """Give a name that nothing has: "PREFIX-" and eight hexadecimal digits."""
    return f"{prefix}-{secrets.token_hex(4)}"


# --- processes ---


def cgroup(name: str) -> Path:
    """Give the cgroup (version 2) of the thing's processes."""
    return _cgroups() / "citydc" / name


def _cgroups() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(","):
            return Path(place)
    raise OutsideError(
        "hosts can't run here",
        why="no cgroup2 file system is mounted for writing",
        remedy="mount one: mount -t cgroup2 none /sys/fs/cgroup/unified",
    )


def is_populated(name: str) -> bool:
    """Say whether the thing has processes."""
    try:
        return "populated 1" in (cgroup(name) / "cgroup.events").read_text()
    except FileNotFoundError:
        return False


def processes(name: str) -> list[int]:
    """Give the ids of the thing's processes."""
    files = cgroup(name).rglob("cgroup.procs")
    return [int(pid) for file in files for pid in file.read_text().split()]


def kill(name: str) -> None:
    """End all processes of the thing at once, and remove its cgroup; raise OutsideError."""
    group = cgroup(name)
    deadline = time.monotonic() + PATIENCE_S
    while is_populated(name):
        (group / "cgroup.kill").write_text("1")
        if time.monotonic() > deadline:
            raise OutsideError(f"processes in {group} do not end", remedy="look at them with ps")
        time.sleep(0.02)
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):  # processes that are gone may count a moment longer
            Path(folder).rmdir()


# --- namespaces ---


def make_namespace(name: str) -> None:
    """Have the network namespace, with its loopback up."""
    if not (NAMESPACES / name).exists():
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")


def delete_namespace(name: str) -> None:
    """Remove the namespace with all interfaces in it; a half-made one too."""
    path = NAMESPACES / name
    if path.exists() and not succeeds("ip", "netns", "delete", name):
        path.unlink(missing_ok=True)


def empty_namespace(name: str) -> None:
    """Kill the processes that run in the namespace."""
    for pid in run("ip", "netns", "pids", name).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def inside(name: str, *words: str | int | Path, stdin: str | None = None) -> str:
    """
    Run a program in the network namespace; give what it prints.

    `ip netns exec` would hide later namespaces from it, in a mount namespace of its own.
    """
    return run("nsenter", f"--net={NAMESPACES / name}", *words, stdin=stdin)


def enter(name: str) -> None:
    """Move this process, and what it starts, into the network namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    with (NAMESPACES / name).open() as there:
        if library.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"can't enter {name}")


def interfaces(name: str) -> dict[str, str]:
    """Give the interfaces in the namespace: name by MAC address."""
    found = json.loads(run("ip", "-json", "-n", name, "link", "show"))
    return {one["address"]: one["ifname"] for one in found if "address" in one}


def sysctl(name: str, **values: int) -> None:
    """Set the namespace's kernel parameters, written with "__" for a dot."""
    inside(
        name, "sysctl", "-qw", *(f"{key.replace('__', '.')}={one}" for key, one in values.items())
    )


# --- volumes ---


def volumes(folder: Path) -> dict[str, dict[str, str]]:
    """Give a host's volumes by device: each its file and serial."""
    with contextlib.suppress(FileNotFoundError):
        found: dict[str, dict[str, str]] = json.loads((folder / "volumes.json").read_text())
        return found
    return {}


def write_volumes(folder: Path, found: dict[str, dict[str, str]]) -> None:
    """Note a host's volumes."""
    (folder / "volumes.json").write_text(json.dumps(found))


def loops_of(file: Path) -> list[Path]:
    """Give the loop devices of the file."""
    if not file.exists():
        return []
    names = run("losetup", "--associated", file, "--output", "NAME", "--noheadings")
    return [Path(name) for name in names.split()]


def loop_of(file: Path) -> Path:
    """Give the loop device of the file, making one."""
    return next(iter(loops_of(file)), None) or Path(
        run("losetup", "--find", "--show", file).strip()
    )


def detach(file: Path) -> None:
    """Free the file's loop devices."""
    for loop in loops_of(file):
        run("losetup", "--detach", loop)


def mount_disk(file: Path, place: Path) -> None:
    """Mount the file as a host's disk; one that is none yet becomes an empty one."""
    if not succeeds("blkid", "--match-token", f"LABEL={LABEL}", file):
        lazy = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
        run("mkfs.ext4", "-q", "-F", "-L", LABEL, "-i", 65536, "-E", lazy, file)
    run("mount", "-o", "loop,noinit_itable", file, place)


def mount_image(file: Path, place: Path) -> None:
    """Mount the image's file to be read, on the one loop device that all its hosts share."""
    with locked():
        run("mount", "-o", "loop,ro,noload", file, place)


def unmount(folder: Path) -> None:
    """Unmount what is mounted in a host's folder, and free its volumes."""
    for place in ("root", "volume", "image"):
        while os.path.ismount(folder / place):
            run("umount", "--lazy", folder / place)
    for volume in volumes(folder).values():
        detach(Path(volume["file"]))


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Keep other labs from changing the machine's own settings meanwhile."""
    REGISTRY.mkdir(mode=0o755, exist_ok=True)
    with (REGISTRY / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
