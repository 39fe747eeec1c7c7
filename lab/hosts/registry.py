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
from lab.hosts.command import run
from lab.hosts.machine import REGISTRY


def register(name: str, *, folder: Path | None = None, mortal: bool = False) -> None:
    """Note the thing; a mortal one ends with this process, others with their folder."""
    owner = [os.getpid(), psutil.Process().create_time()] if mortal else None
    REGISTRY.mkdir(mode=0o755, exist_ok=True)
    draft = REGISTRY / f".{name}"
    draft.write_text(json.dumps({"folder": str(folder) if folder else None, "owner": owner}))
    draft.rename(REGISTRY / name)


def sweep() -> None:
    """Remove what belongs to processes or folders that are gone."""
    for path in list(REGISTRY.glob("[!.]*")):
        with contextlib.suppress(FileNotFoundError):
            if is_left(json.loads(path.read_text())):
                remove(path.name)


def is_left(entry: dict[str, Any]) -> bool:
    """Say whether the process or the folder that a thing belongs to is gone."""
    folder, owner = entry["folder"], entry["owner"]
    if owner:
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(owner[0]).create_time() != owner[1])
        return True
    return folder is not None and not Path(folder).exists()


def remove(name: str) -> None:
    """Give all back that the thing took; what is not there is fine."""
    machine.kill(name)
    path = REGISTRY / name
    with contextlib.suppress(FileNotFoundError):
        folder = json.loads(path.read_text())["folder"]
        if folder:
            _remove_folder(Path(folder))
    uplink.remove(name)
    machine.delete_namespace(name)
    path.unlink(missing_ok=True)


def _remove_folder(folder: Path) -> None:
    root = folder / "root"
    while os.path.ismount(root):
        run("umount", "--lazy", root)
    for volume in machine.volumes(folder).values():
        machine.detach(Path(volume["file"]))
    shutil.rmtree(folder, ignore_errors=True)
