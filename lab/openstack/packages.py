"""Debian packages that the lab needs."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from catalogue.errors import OutsideError

PROGRAMS = (Path("/usr/sbin/named"), Path("/usr/sbin/rndc"), Path("/usr/bin/setpriv"))
POLICY = Path("/usr/sbin/policy-rc.d")
SYSTEMD = Path("/run/systemd/system")
INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", "bind9", "util-linux")


def ensure(progress: Callable[[str], None]) -> None:
    """
    Install bind9 if it is missing, without starting Debian's own name server.

    Raise OutsideError when it is missing and this user can't install it.
    """
    missing = [str(program) for program in PROGRAMS if not program.exists()]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise OutsideError(
            "the lab's name server, bind9, is not installed",
            why=f"{', '.join(missing)} not found",
            remedy="as root: apt-get install bind9  (it need not run: the lab starts its own)",
        )
    progress("installing Debian's package bind9 (the lab's name server); its service stays off")
    with _no_services():
        if _apt(*INSTALL).returncode:
            _apt("apt-get", "update")
            done = _apt(*INSTALL)
            if done.returncode:
                raise OutsideError(
                    "bind9 could not be installed",
                    why=" ".join(done.stderr.split()[-40:]) or f"apt-get ended {done.returncode}",
                    remedy="apt-get install bind9, then again",
                )
    if SYSTEMD.exists():
        _apt("systemctl", "disable", "--now", "named.service")


def _apt(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  (commands of its own)
        command,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their services, by Debian's own switch for that."""
    if POLICY.exists():  # whoever made it decides
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
