"""
The lab's first process: starts one process per project, and hands them their orders.

Run as `python -m lab.openstack.parent HOME PORT hosts|fake`; `lab.control` does.  It reads orders
("start NAME", "stop NAME") from the pipe HOME/control.  Its children die with it.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.openstack import configuration, debian, mirror, processes, sites
from lab.openstack.sites import PROJECTS, Site

# What every project imports.
COMMON = (
    "alembic.command",
    "jsonschema",
    "keystoneauth1.loading",
    "keystonemiddleware.auth_token",
    "oslo_log.log",
    "oslo_messaging",
    "oslo_middleware",
    "oslo_policy.policy",
    "oslo_serialization.jsonutils",
    "oslo_versionedobjects.base",
    "paste.deploy",
    "routes",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.orm",
    "stevedore",
    "waitress",
    "webob",
)


def main(home: Path, port: int, *, hosts: bool) -> None:
    """Run the lab in `home` with ports from `port` on; all ends when this process is killed."""
    os.umask(0o077)
    warnings.simplefilter("ignore")
    # Keeps eventlet out of os-ken and of name resolution; the services look at argv.
    os.environ.update(OSKEN_HUB_TYPE="native", EVENTLET_NO_GREENDNS="yes", PYTHONWARNINGS="ignore")
    sys.argv = ["citydc-lab"]
    processes.set_name("citydc-lab")
    Parent(home, port, hosts=hosts).run(_orders(home / "control"))


class Parent:
    """The lab's projects, each with its process and the pipe through which it is told."""

    def __init__(self, home: Path, port: int, *, hosts: bool) -> None:
        self.home = home
        self.hosts = hosts
        self.sites = sites.load(home, port, hosts=hosts)
        self.template = sites.template(home, port)
        self.wanted = {site.name for site in self.sites}
        self.children: dict[str, int] = {}  # process ids
        self.pipes: dict[str, int] = {}

    def run(self, orders: int) -> None:
        """Start everything, then do what the lines read from `orders` say."""
        for site in (self.template, *self.sites):
            for project in PROJECTS:
                configuration.write(site, project)
        preload()
        importlib.import_module("lab.openstack.sqlite").install()
        gc.collect()
        gc.freeze()
        self._revive()
        while True:
            for line in os.read(orders, 4096).decode().splitlines():
                self._obey(*line.split())

    def _obey(self, order: str, name: str) -> None:
        if order == "start":
            self.wanted.add(name)
        else:
            self.wanted.discard(name)
            with contextlib.suppress(KeyError, ProcessLookupError):
                os.kill(self.children[f"devices-{name}"], signal.SIGKILL)
        self._revive()
        self._tell(f"{order} {name}")

    def _revive(self) -> None:
        """Start the processes that are not there, and what they were there for."""
        if _gone(self.children.get("mirror")):
            self.children["mirror"] = self._fork(mirror.serve, self.home / "mirror", self.sites)
        for name in self.wanted:
            if _gone(self.children.get(f"devices-{name}")):
                self.children[f"devices-{name}"] = self._fork(
                    _run_devices, self.home, name, self.sites[0].port
                )
        if self.hosts and _gone(self.children.get("packages")):
            self.children["packages"] = self._fork(debian.serve, self.home)
        for project in PROJECTS:
            if _gone(self.children.get(project)):
                if project in self.pipes:
                    os.close(self.pipes.pop(project))
                theirs, self.pipes[project] = os.pipe()
                self.children[project] = self._fork(
                    _run_project, project, self.sites, self.template, theirs
                )
                os.close(theirs)
                for name in self.wanted:
                    os.write(self.pipes[project], f"start {name}\n".encode())

    def _fork(self, work: Callable[..., None], *args: Any) -> int:
        """Fork without the other projects' pipes: one that is closed here is closed at all."""

        def alone() -> None:
            for pipe in self.pipes.values():
                os.close(pipe)
            work(*args)

        return processes.fork(alone)

    def _tell(self, line: str) -> None:
        for pipe in self.pipes.values():
            with contextlib.suppress(BrokenPipeError):  # revived by the next order
                os.write(pipe, f"{line}\n".encode())


def _run_project(name: str, all_sites: list[Site], template: Site, orders: int) -> None:
    from lab.openstack.project import ProjectProcess  # noqa: PLC0415  (needs the preload)

    with os.fdopen(orders) as lines:
        ProjectProcess(name, all_sites, template).run(lines)


def _run_devices(home: Path, name: str, first_port: int) -> None:
    from lab.plant import serving  # noqa: PLC0415  (slow to import)

    serving.serve(home, name, first_port)


def _gone(pid: int | None) -> bool:
    if pid is None:
        return True
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def _orders(path: Path) -> int:
    """Give a descriptor of a fresh named pipe."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    # Open for writing too, so that there is no end of file when a writer leaves.
    return os.open(path, os.O_RDWR)


class _NoEventlet:
    """Makes libraries do without eventlet, as nova insists on."""

    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> None:
        if name.partition(".")[0] == "eventlet":
            raise ImportError("not here")


def preload() -> None:
    """Import what the projects share, without eventlet, and choose threads for their services."""
    sys.meta_path.insert(0, _NoEventlet)
    backend = importlib.import_module("oslo_service.backend")
    backend.init_backend(backend.BackendType.THREADING)
    for name in COMMON:
        importlib.import_module(name)
    sys.meta_path.remove(_NoEventlet)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), hosts=sys.argv[3] == "hosts")
