"""
What hosts that reach no package index are given of citydc: wheels, in one archive.

The packages are those that `roles/exporters/files/requirements.txt` pins by version and hash; pip
gets them from the index that its own configuration names.  citydc's own wheel has the rooms that
exporters need, and its hash is added, so that a host installs nothing else than what was packed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from catalogue.errors import OutsideError

CHECKOUT = Path(__file__).resolve().parents[1]
REQUIREMENTS = Path(__file__).parent / "roles" / "exporters" / "files" / "requirements.txt"
ROOMS = ("catalogue", "citydc", "exporters")
LONGEST_S = 600
# Debian 12's Python and C library.
PLATFORM = (
    *("--python-version", "3.11", "--implementation", "cp"),
    *(
        word
        for one in ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
        for word in ("--platform", f"{one}_x86_64")
    ),
)


def ensure(folder: Path) -> Path:
    """
    Return the archive in `folder`, named for what it is made from, made now if it is missing.

    It has `requirements.txt`, with hashes, and `wheels/`.  Raise OutsideError if the packages can't
    be had.
    """
    found = folder / f"citydc-{_digest()}.tar"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as work:
                _pack(Path(work), found)
    return found


def _sources() -> Iterator[Path]:
    """Yield the files that are packed, in order: not the city's data, which hosts get apart."""
    yield from (CHECKOUT / "pyproject.toml", CHECKOUT / "README.md", REQUIREMENTS)
    for room in ROOMS:
        for path in sorted((CHECKOUT / room).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and not _of_city(path):
                yield path


def _of_city(path: Path) -> bool:
    return path.suffix == ".yaml" and path.is_relative_to(CHECKOUT / "catalogue")


def _digest() -> str:
    digest = hashlib.sha256()
    for path in _sources():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(CHECKOUT)} {content}\n".encode())
    return digest.hexdigest()[:12]


def _pack(work: Path, archive: Path) -> None:
    wheels = work / "wheels"
    wheels.mkdir()
    _pip("download", "--no-deps", "--require-hashes", "--only-binary=:all:", *PLATFORM,
         "--dest", str(wheels), "--requirement", str(REQUIREMENTS))  # fmt: skip
    source = work / "source"
    for path in _sources():
        copy = source / path.relative_to(CHECKOUT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation",
         "--wheel-dir", str(wheels), str(source))  # fmt: skip
    (own,) = wheels.glob("citydc-*.whl")
    version = own.name.split("-")[1]
    own_line = f"citydc=={version} --hash=sha256:{hashlib.sha256(own.read_bytes()).hexdigest()}\n"
    (work / "requirements.txt").write_text(REQUIREMENTS.read_text(encoding="utf-8") + own_line)
    new = work / archive.name
    with tarfile.open(new, "w") as made:
        made.add(work / "requirements.txt", "requirements.txt")
        made.add(wheels, "wheels")
    new.replace(archive)


def _pip(*words: str) -> None:
    done = subprocess.run(  # noqa: S603  (pip, of this environment)
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words],
        env={**os.environ, "PIP_NO_INPUT": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    if done.returncode:
        raise OutsideError(
            "the exporters' packages cannot be had",
            why=" ".join(done.stderr.split())[-500:],
            remedy="see whether pip reaches its index: pip download --no-deps httpx",
        )
