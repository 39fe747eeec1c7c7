"""Files that are whole or not there, and that nobody else may read."""

import os
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make the folder, and those above it, mode 0700; one that is there stays as it is."""
    for one in reversed([path, *path.parents]):
        if not one.exists():
            one.mkdir(mode=0o700, exist_ok=True)


def write(path: Path, text: str, *, beside: Path | None = None) -> None:
    """
    Write the file, mode 0600, and the folder it is in: a crash leaves the old text or the new.

    The new file grows in the folder `beside` (of the same disk; default: the file's own).
    """
    make_folder(path.parent)
    growing = (beside or path.parent) / f".{path.name}.new"
    try:
        descriptor = os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        growing.replace(path)
    except OSError:
        growing.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
