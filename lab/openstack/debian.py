"""
The package mirror outside the sites: Debian's own, fetched once for all hosts (apt-cacher-ng).

It answers where the catalogue has the mirror, over HTTP, since packages carry their signatures.
"""

import os
import pwd
from pathlib import Path

from lab.hosts import machine
from lab.openstack import fabric, processes

PROGRAM = "/usr/sbin/apt-cacher-ng"
SETPRIV = "/usr/bin/setpriv"
USER = "apt-cacher-ng"
PORT = 443
PROXY = f"http://[{fabric.MIRROR}]:{PORT}"  # what apt is told


def folder(home: Path) -> Path:
    """Give where the lab's mirror keeps the packages; it is not in the home, which is private."""
    return Path("/var/cache/citydc/packages") / fabric.name(home, "world")


def serve(home: Path) -> None:
    """Run the mirror as a user of its own; does not return."""
    processes.set_name("packages")
    place, user = folder(home), pwd.getpwnam(USER)
    for path in (place.parent, place):
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    os.chown(place, user.pw_uid, user.pw_gid)
    machine.enter(fabric.name(home, "world"))
    settings = {
        "ForeGround": 1,
        "Port": PORT,
        "BindAddress": f"[{fabric.MIRROR}]",
        "CacheDir": place,
        "LogDir": place,
        "PidFile": "",
        "SocketPath": "",
    }
    os.execv(  # noqa: S606  (a program of the lab's own)
        SETPRIV,
        [
            *(SETPRIV, f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
            *("--inh-caps=-all,+net_bind_service", "--ambient-caps=+net_bind_service"),
            *("--pdeathsig=KILL", PROGRAM, *(f"{key}={value}" for key, value in settings.items())),
        ],
    )
