"""
Golden images: file systems that hosts start from, kept on this machine by their content.

An image is one raw file, an ext4 file system with a kernel in /boot: containers mount it under
their disks, an emulated machine boots a copy of it, an image service serves it.
"""

import contextlib
import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lab.hosts.command import run

CACHE = Path("/var/cache/citydc/images")
STEM = "debian-12"
DIGITS = 12
BLOCK_BYTES = 4096
ROOM = 1.15
"""How much larger than its files the file system is."""
MAGIC_AT, MAGIC = 1080, b"\x53\xef"  # of ext4
CHUNK_BYTES = 1 << 20


class Image(NamedTuple):
    """
    An image: `name` has the first digits of its SHA-256, `inputs` is what it was made from.

    `made` is in seconds since 1970.
    """

    name: str
    file: Path
    size_bytes: int
    sha512: str
    inputs: str
    made: float


def find(inputs: str, cache: Path = CACHE) -> Image | None:
    """Return the newest image that was made from the inputs."""
    found = [one for one in every(cache) if one.inputs == inputs]
    return max(found, key=lambda one: one.made, default=None)


def every(cache: Path = CACHE) -> list[Image]:
    """Return all images that are there."""
    return [
        Image(file=about.with_name("image.raw"), **json.loads(about.read_text()))
        for about in sorted(cache.glob(f"{STEM}-*/about.json"))
    ]


@contextlib.contextmanager
def workshop(cache: Path = CACHE) -> Iterator[Path]:
    """Give a folder to build in, which nobody else has meanwhile and which is empty after it."""
    part = cache / "part"
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(part, ignore_errors=True)  # of a build that was killed
        part.mkdir(mode=0o700)
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)


def pack(root: Path, inputs: str, workshop: Path) -> Image:
    """Make an image of the files under `root`: it is there as a whole or not at all."""
    part = workshop / "image"
    part.mkdir()
    file = part / "image.raw"
    used = int(run("du", "--summarize", "--block-size=1", "--one-file-system", root).split()[0])
    blocks = int(used * ROOM) // BLOCK_BYTES
    words = ("-q", "-t", "ext4", "-b", BLOCK_BYTES, "-m", 0, "-E", "lazy_itable_init=1")
    run("mke2fs", *words, "-d", root, file, blocks)
    digests = hashlib.sha256(), hashlib.sha512()
    with file.open("rb") as data:
        while block := data.read(CHUNK_BYTES):
            for digest in digests:
                digest.update(block)
    sha256, sha512 = (digest.hexdigest() for digest in digests)
    name = f"{STEM}-{sha256[:DIGITS]}"
    about: dict[str, Any] = {
        "name": name,
        "size_bytes": file.stat().st_size,
        "sha512": sha512,
        "inputs": inputs,
        "made": time.time(),
    }
    (part / "about.json").write_text(json.dumps(about))
    done = workshop.with_name(name)
    part.rename(done)
    return Image(file=done / "image.raw", **about)


def keep(file: Path, place: Path) -> None:
    """Have the image's file at another place of the same disk, too, so that it stays in use."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        place.hardlink_to(file)


def is_file_system(file: Path) -> bool:
    """Say whether the file is an image that hosts can start from."""
    with file.open("rb") as data:
        data.seek(MAGIC_AT)
        return data.read(len(MAGIC)) == MAGIC
