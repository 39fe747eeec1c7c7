"""
The real hosts and networks under a lab's sites: what they need, and how they end.

Nova makes the hosts and neutron's agents the networks (lab.openstack.compute, .network); here is
what happens to all of a site's at once.
"""

import concurrent.futures
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from catalogue.errors import OutsideError
from lab import files, packages
from lab.hosts import connect, keys, machine, registry, tree
from lab.hosts.host import Host
from lab.openstack import debian, fabric, management, processes
from lab.openstack.sites import LOGIN, Site

NEEDS = (
    packages.HOSTS,
    packages.SWITCH,
    packages.ROUTERS,
    packages.BALANCERS,
    packages.MIRROR,
)
TUN = Path("/dev/net/tun")
SHUTDOWN_S = 5


def missing() -> str:
    """Say what this user or machine lacks for real hosts, and how to get it; "" if nothing."""
    if os.geteuid() != 0:
        return "real hosts and networks need root: sudo, or as root"
    if not TUN.exists():
        return f"real networks need {TUN}: modprobe tun"
    try:
        machine.cgroup("")
    except OutsideError as error:
        return f"{error.what}: {error.why}; {error.remedy}"
    lacking = [program for need in NEEDS for program in need.missing()]
    if lacking and not shutil.which("apt-get"):
        return f"real hosts and networks need {', '.join(lacking)}"
    return ""


def prepare(sites: Iterable[Site], progress: Callable[[str], None]) -> None:
    """Have tools, base tree, networks and cables; raise OutsideError."""
    for need in NEEDS:
        packages.ensure(need, progress)
    tree.ensure(progress)
    registry.sweep()
    for site in sites:
        fabric.make_world(site.home.parent)
        fabric.make_site(site)


def make_login(home: Path) -> None:
    """Have the key pair that logs in to all hosts."""
    if not (home / LOGIN).exists():
        pair = keys.make()
        files.write(home / f"{LOGIN}.pub", f"{pair.public}\n")
        files.write(home / LOGIN, pair.private)


def proxy_command(home: Path) -> str:
    """Give ssh's ProxyCommand from where the hosts hear administrators, with ProxyUseFdpass."""
    space = machine.NAMESPACES / fabric.name(home, "world")
    program = f"{sys.executable} -I {connect.__file__}"
    return f"nsenter --net={space} {program} {fabric.ADMINISTRATOR} %h %p"


def cut(site: Site) -> None:
    """End the site's hosts and networks at once, as when its power fails; their disks stay."""
    for host in hosts(site):
        host.release()
    fabric.remove_site(site)


def end(sites: Iterable[Site]) -> None:
    """Shut all hosts down, and give back what they and the networks took."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(
            pool.map(lambda host: host.stop(SHUTDOWN_S), [h for site in sites for h in hosts(site)])
        )
    for site in sites:
        cut(site)
        management.remove(site.home.parent)
        fabric.remove_world(site.home.parent)


def forget(home: Path) -> None:
    """Remove what was kept outside of the lab's home, which is gone."""
    shutil.rmtree(debian.folder(home), ignore_errors=True)
    registry.sweep()


def hosts(site: Site) -> list[Host]:
    """Give the site's hosts, on or off."""
    return [Host(path) for path in sorted((site.state / "nova/hosts").glob("citydc-*"))]


def memory_mib(site: Site) -> float:
    """Give the hosts' share of the memory (PSS) in MiB."""
    found = 0.0
    for host in hosts(site):
        for pid in machine.processes(host.name):
            with contextlib.suppress(psutil.NoSuchProcess):
                found += processes.memory_mib(psutil.Process(pid))
    return found
