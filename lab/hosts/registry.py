"""
What is there of hosts and networks on this machine, and how it is given back.

A thing is registered before it takes anything, with the process that it belongs to.  So what is
left of a process that was killed is found, and removed by whoever comes next.
"""

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import psutil

from lab.hosts import machine, uplink
from lab.hosts.machine import REGISTRY


def register(
    name: str, *, folder: Path | None = None, belongs_to: Path | None = None, mortal: bool = False
) -> None:
    """
    Note the thing, with the folder that is removed with it.

    A mortal one ends with this process, others with the folder that they belong to: `belongs_to`,
    or else their own.
    """
    owner = [os.getpid(), psutil.Process().create_time()] if mortal else None
    home = belongs_to or folder
    entry = {
        "folder": str(folder) if folder else None,
        "belongs_to": str(home) if home else None,
        "owner": owner,
    }
    REGISTRY.mkdir(mode=0o755, exist_ok=True)
    draft = REGISTRY / f".{name}"
    draft.write_text(json.dumps(entry))
    draft.rename(REGISTRY / name)


def sweep() -> None:
    """Remove what belongs to processes or folders that are gone."""
    for path in [path for path in REGISTRY.glob("citydc-*") if path.is_file()]:
        with contextlib.suppress(FileNotFoundError):
            if is_left(json.loads(path.read_text())):
                remove(path.name)


def is_left(entry: dict[str, Any]) -> bool:
    """Say whether the process or the folder that a thing belongs to is gone."""
    home, owner = entry["belongs_to"], entry["owner"]
    if owner:
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(owner[0]).create_time() != owner[1])
        return True
    return home is not None and not Path(home).exists()


def remove(name: str) -> None:
    """Give all back that the thing took, its folder too; what is not there is fine."""
    path = REGISTRY / name
    folder = _folder(path)
    release(name, folder)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    path.unlink(missing_ok=True)


def _folder(path: Path) -> Path | None:
    with contextlib.suppress(FileNotFoundError):
        folder = json.loads(path.read_text())["folder"]
        return Path(folder) if folder else None
    return None


def release(name: str, folder: Path | None = None) -> None:
    """Give back what the thing took of the machine; its files stay."""
    machine.kill(name)
    if folder:
        machine.unmount(folder)
    uplink.remove(name)
    machine.delete_namespace(name)
