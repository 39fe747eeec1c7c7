"""The image mirror."""

import os
import signal
import socket
import time
from pathlib import Path

import requests

from lab.openstack import mirror, processes, sites


def test_image_is_the_same_every_time() -> None:
    """The image is deterministic, of its size, and looks like no known disk format."""
    assert mirror.image() == mirror.image()
    assert len(mirror.image()) == mirror.SIZE_BYTES
    assert mirror.image().startswith(b"citydc lab image")
    assert mirror.image()[510:512] == b"\0\0"


def test_half_written_image_is_made_anew(tmp_path: Path) -> None:
    """An image of another size is replaced, and no draft stays."""
    (tmp_path / mirror.IMAGE).write_bytes(b"half")
    mirror.write(tmp_path)
    assert (tmp_path / mirror.IMAGE).read_bytes() == mirror.image()
    assert [path.name for path in tmp_path.iterdir()] == [mirror.IMAGE]


def test_image_is_offered_on_the_site_s_port(tmp_path: Path) -> None:
    """The mirror's process answers with the image over HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    site = sites.Site("main", port - 90, tmp_path, tmp_path)
    child = processes.fork(mirror.serve, tmp_path / "mirror", [site])
    try:
        answer = _get(f"http://127.0.0.1:{port}/{mirror.IMAGE}")
    finally:
        _end(child)
    assert answer == mirror.image()


def _get(url: str) -> bytes:
    for _ in range(200):
        try:
            return requests.get(url, timeout=5).content
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError("the mirror does not answer")


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
