"""
An image mirror: what a site's image service downloads its images from.

It has a stand-in for Debian's own image, which hosts take the bare tree for, and by their names the
golden images that are built on this machine.
"""

import hashlib
import http.server
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab import files
from lab.hosts import images
from lab.openstack import processes
from lab.openstack.sites import HOST, Site

IMAGE = "debian-12.raw"
SIZE_BYTES = 1 << 20
TITLE = b"citydc lab image: stands for Debian 12, nothing boots from it\n"


def image() -> bytes:
    """Give the image: a title, then a stream that is the same every time, 1 MiB in all."""
    blocks = (hashlib.sha256(b"%d" % index).digest() for index in range(SIZE_BYTES // 32))
    return (TITLE.ljust(512, b"\0") + b"".join(blocks))[:SIZE_BYTES]


def write(folder: Path) -> None:
    """Write the image into the folder, unless it is there."""
    path = folder / IMAGE
    if not path.exists() or path.stat().st_size != SIZE_BYTES:
        files.make_folder(folder)
        draft = path.with_suffix(".draft")
        draft.write_bytes(image())
        draft.replace(path)


def serve(folder: Path, sites: list[Site]) -> None:
    """Offer the folder's files over HTTP on every site's mirror port; does not return."""
    processes.set_name("mirror")
    write(folder)
    servers = [
        http.server.ThreadingHTTPServer((HOST, site.port_of("mirror")), _handler(folder))
        for site in sites
    ]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _handler(folder: Path) -> Any:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def translate_path(self, path: str) -> str:
            golden = {f"/{one.name}.raw": str(one.file) for one in images.every()}
            return golden.get(urlsplit(path).path) or super().translate_path(path)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
