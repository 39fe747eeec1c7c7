"""Debian packages that the lab needs."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from catalogue.errors import OutsideError

POLICY = Path("/usr/sbin/policy-rc.d")
SYSTEMD = Path("/run/systemd/system")
INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends")


class Need(NamedTuple):
    """
    What a part of the lab needs: its Debian packages, and the programs that show they are there.

    `services` are those that Debian would run and the lab must not have running.
    """

    what: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    services: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """Give the programs that are not there."""
        return [program for program in self.programs if not Path(program).exists()]


NAME_SERVER = Need(
    "the lab's name server",
    ("bind9", "util-linux"),
    ("/usr/sbin/named", "/usr/sbin/rndc", "/usr/bin/setpriv"),
    ("named.service",),
)
DEVICES = Need(
    "the lab's UPSs, and what reads controllers by IPMI",
    ("nut-server", "freeipmi-tools"),
    ("/lib/nut/upsd", "/lib/nut/dummy-ups", "/usr/sbin/ipmi-dcmi"),
    ("nut-server.service", "nut-monitor.service"),
)
MONITORING = Need(
    "the lab's monitoring",
    ("prometheus", "prometheus-alertmanager", "victoria-metrics"),
    (
        "/usr/bin/prometheus",
        "/usr/bin/promtool",
        "/usr/bin/prometheus-alertmanager",
        "/usr/bin/amtool",
        "/usr/bin/victoria-metrics",
    ),
    ("prometheus.service", "prometheus-alertmanager.service", "victoria-metrics.service"),
)
HOSTS = Need(
    "the lab's hosts",
    ("debootstrap", "ethtool", "iproute2", "nftables", "openssh-client", "systemd-container"),
    (
        "/usr/sbin/debootstrap",
        "/sbin/ethtool",
        "/sbin/ip",
        "/usr/sbin/nft",
        "/usr/bin/ssh",
        "/usr/bin/systemd-nspawn",
    ),
)
EMULATOR = Need(
    "hosts with a kernel of their own",
    ("qemu-system-x86",),
    ("/usr/bin/qemu-system-x86_64",),
)
SWITCH = Need(
    "the lab's switches",
    ("openvswitch-switch",),
    ("/usr/bin/ovs-vsctl", "/usr/bin/ovsdb-tool", "/usr/sbin/ovs-vswitchd"),
    ("openvswitch-switch.service", "ovs-vswitchd.service", "ovsdb-server.service"),
)
ROUTERS = Need(
    "the lab's routers",
    ("conntrack", "iptables", "iputils-arping", "procps", "radvd"),
    (
        "/usr/bin/arping",
        "/usr/sbin/conntrack",
        "/usr/sbin/iptables-restore",
        "/sbin/sysctl",
        "/usr/sbin/radvd",
    ),
    ("radvd.service",),
)
BALANCERS = Need(
    "the lab's load balancers",
    ("haproxy",),
    ("/usr/sbin/haproxy",),
    ("haproxy.service",),
)
MIRROR = Need(
    "the lab's package mirror",
    ("apt-cacher-ng",),
    ("/usr/sbin/apt-cacher-ng",),
    ("apt-cacher-ng.service",),
)


def ensure(need: Need, progress: Callable[[str], None]) -> None:
    """
    Install the packages if a program is missing, without starting their services.

    Raise OutsideError when one is missing and this user can't install it.
    """
    missing = need.missing()
    if not missing:
        return
    names = " ".join(need.packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise OutsideError(
            f"{need.what}: not all programs are installed",
            why=f"{', '.join(missing)} not found",
            remedy=f"as root: apt-get install {names}  (no service of theirs need run)",
        )
    progress(f"installing Debian's packages {names} ({need.what}); their services stay off")
    with _no_services():
        if _apt(*INSTALL, *need.packages).returncode:
            _apt("apt-get", "update")
            done = _apt(*INSTALL, *need.packages)
            if done.returncode:
                raise OutsideError(
                    f"{need.what}: {names} could not be installed",
                    why=" ".join(done.stderr.split()[-40:]) or f"apt-get ended {done.returncode}",
                    remedy=f"apt-get install {names}, then again",
                )
    if SYSTEMD.exists():
        for service in need.services:
            _apt("systemctl", "disable", "--now", service)


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
