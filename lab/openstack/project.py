"""What a project is to the lab, and the process that starts it on every site."""

import contextlib
import dataclasses
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import IO, Any

from lab import files
from lab.openstack import processes, releases, serving, sqlite
from lab.openstack.sites import Site


@dataclasses.dataclass(frozen=True)
class Project:
    """
    How to run one OpenStack project.

    `sync` makes the databases' schema on the template site, `seed` the first rows of a site,
    `start` starts the workers and gives the API.  Swift, which can't be forked, has `serve`,
    which starts everything and does not return.  `beside` names what else runs on a site with
    hosts, each in a process of its own that does not return; it is called once for all sites.
    """

    databases: tuple[str, ...] = ()
    sync: Callable[[Site], None] | None = None
    seed: Callable[[Site], None] | None = None
    start: Callable[[Site], Any] | None = None
    serve: Callable[[Site], None] | None = None
    waits_for: tuple[str, ...] = ()
    beside: Callable[[], dict[str, Callable[[Site], None]]] | None = None


class ProjectProcess:
    """
    The process of one project.

    The project's modules are imported once and its sites' processes are forked from here.  So
    the import, which is most of the start-up time, is paid once; the code's memory is shared;
    and a site can be stopped and started within seconds while the lab stays up.
    """

    def __init__(self, name: str, sites: list[Site], template: Site) -> None:
        self.name = name
        self.sites = {site.name: site for site in sites}
        self.template = template
        self.running: dict[int, tuple[str, Site]] = {}  # what and where, by process id

    def run(self, orders: IO[str]) -> None:
        """Do what each line of `orders` says ("start NAME", "stop NAME") until they end."""
        processes.set_name(self.name)
        try:
            module = importlib.import_module(f"lab.openstack.projects.{self.name}")
            self.project: Project = module.PROJECT
            self.parts = self._parts()
            gc.collect()
            gc.freeze()
            self._make_template()
        except Exception:
            self._fail(self.name, self.template)
            raise
        signal.signal(signal.SIGCHLD, self._reap)
        for line in orders:
            order, name = line.split()
            {"start": self._start, "stop": self._stop}[order](self.sites[name])
        for site in self.sites.values():
            self._stop(site)

    def _parts(self) -> dict[str, Callable[[Site], None]]:
        """Give what runs on a site: the project itself, and what is beside it."""
        parts: dict[str, Callable[[Site], None]] = {self.name: self._prepare_and_serve}
        if self.project.beside and any(site.hosts for site in self.sites.values()):
            parts.update(self.project.beside())
        return parts

    def _start(self, site: Site) -> None:
        for name, work in self.parts.items():
            if (name, site) not in self.running.values():
                self.running[processes.fork(_run, name, site, work)] = (name, site)

    def _stop(self, site: Site) -> None:
        for pid in [pid for pid, (_, one) in self.running.items() if one == site]:
            del self.running[pid]  # so its end is expected
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _reap(self, *_: object) -> None:
        for pid in list(self.running):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    self._fail(*self.running.pop(pid))

    def _fail(self, name: str, site: Site) -> None:
        """Say that this part is not there on the site, to whoever waits for it."""
        mark = site.home.parent / "failed" / f"{name}.{site.name}"
        with contextlib.suppress(OSError):  # the disk may be full
            mark.touch()
        print(f"{name} of {site.name} has ended", file=sys.stderr, flush=True)  # noqa: T201  (its log)

    def _make_template(self) -> None:
        """Make the databases as they are before anything is in them, once per release."""
        done = self.template.db / f"{self.name}.done"
        if done.exists() and done.read_text() == releases.of(self.name):
            return
        for name in self.project.databases:
            sqlite.remove(self.template.db / f"{name}.sqlite")
        if self.project.sync:
            processes.run(self._sync)
        files.write(done, releases.of(self.name))

    def _sync(self) -> None:
        processes.log_to(self.template.log / f"{self.name}.out")
        if self.project.sync:
            self.project.sync(self.template)

    def _prepare_and_serve(self, site: Site) -> None:
        done = site.db / f"{self.name}.done"
        if not done.exists():
            for name in self.project.databases:
                sqlite.copy(self.template.db / f"{name}.sqlite", site.db / f"{name}.sqlite")
            if self.project.seed:
                processes.run(self.project.seed, site)
            files.write(done, releases.of(self.name))
        serving.serve(self.name, self.project, site)


def _run(name: str, site: Site, work: Callable[[Site], None]) -> None:
    """Do the work as the part of the site that has this name; what it says goes to its log."""
    processes.set_name(f"{name}-{site.name}")
    processes.log_to(site.log / f"{name}.out")
    try:
        work(site)
    except Exception:  # noqa: BLE001  (ends here, in the log)
        traceback.print_exc()
        raise SystemExit(1) from None
