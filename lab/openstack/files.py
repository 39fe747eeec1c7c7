"""Files that are whole or not there, and that nobody else may read."""

import os
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make the folder, and those above it, mode 0700; one that is there stays as it is."""
    for one in reversed([path, *path.parents]):
        if not one.exists():
            one.mkdir(mode=0o700, exist_ok=True)


def write(path: Path, text: str) -> None:
    """Write the file at once, mode 0600: a reader sees the old text or the new one."""
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
