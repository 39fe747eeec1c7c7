"""
The lab as a whole: started, looked at, ended.

    lab = Lab.default()
    lab.up(print)
    lab.status()["sites"]["main"]["auth_url"]
    lab.down()
"""

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import psutil

import catalogue
from catalogue.errors import BadInputError, OutsideError
from lab import files, hosting, packages, status
from lab.monitoring import running
from lab.monitoring.servers import Monitoring, addresses
from lab.openstack import credentials, ports, processes, releases, sites
from lab.openstack.sites import CREDENTIALS, HOST, LOGIN, NAMES, PORTS_PER_SITE, PROJECTS, Site
from lab.plant import places
from lab.plant.model import Overload
from lab.plant.places import TCP
from lab.plant.record import Record

if TYPE_CHECKING:
    from lab.openstack.observing import Place

DEFAULT_HOME = Path(__file__).resolve().parents[1] / ".lab"
DEFAULT_PORT = 23000
FREE_BYTES = 1 << 30
OVERLOAD_MIN = 30
FULL_BYTES = 16 << 20
NO_ROOM = ("disk is full", "No space left on device")  # SQLite's words, and the system's
PATIENCE_S = 240
LAUNCH_S = 5
HOSTS = {"yes": True, "no": False, "": None}  # by CITYDC_LAB_HOSTS
ANSWERING = (*PROJECTS, "mirror")
Progress = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Started:
    """What `up` did: whether all was up before, and how long it took."""

    already: bool
    seconds: float


@dataclasses.dataclass(frozen=True)
class Monitored:
    """What `monitor` has up, and which exporters are missing and why."""

    servers: Monitoring
    lacking: dict[str, str]


class Lab:
    """
    The sites whose data are in the folder `home` and whose ports begin at `port`.

    With `hosts` a new lab's servers are real hosts on real networks, without it nova's fake ones;
    None is for hosts if the machine can have them.  A lab that is there stays what it is.
    """

    def __init__(self, home: Path, port: int = DEFAULT_PORT, *, hosts: bool | None = False) -> None:
        self.home = home.resolve()
        self.port = port
        self._hosts = hosts
        self.clouds_file = self.home / "clouds.yaml"
        self.device_credentials = self.home / places.CREDENTIALS
        self._record = self.home / "lab.json"
        self._control = self.home / "control"
        self._failed = self.home / "failed"
        self._log = self.home / "lab.log"

    @classmethod
    def default(cls) -> Self:
        """
        Give the lab of this checkout, or the one that the environment names.

        CITYDC_LAB_HOME is its folder, CITYDC_LAB_PORT its first port; CITYDC_LAB_HOSTS, yes or no,
        says whether a new one has real hosts.  Raise BadInputError.
        """
        text = os.environ.get("CITYDC_LAB_PORT", str(DEFAULT_PORT))
        highest = 65536 - PORTS_PER_SITE * len(NAMES)
        if not text.isascii() or not text.isdigit() or not 1024 <= int(text) <= highest:  # noqa: PLR2004
            raise BadInputError(
                f"CITYDC_LAB_PORT is {text!r}",
                why=f"the lab's first port is a number from 1024 to {highest}",
                remedy="correct it, or leave it out",
            )
        home = Path(os.environ.get("CITYDC_LAB_HOME") or DEFAULT_HOME)
        wanted = os.environ.get("CITYDC_LAB_HOSTS", "")
        if wanted not in HOSTS:
            raise BadInputError(
                f"CITYDC_LAB_HOSTS is {wanted!r}", remedy="yes or no, or leave it out"
            )
        return cls(home, int(text), hosts=HOSTS[wanted])

    @property
    def has_hosts(self) -> bool:
        """Say whether its servers are real hosts."""
        record = self._read_record()
        if record is not None:
            return bool(record.get("hosts"))
        return not hosting.missing() if self._hosts is None else self._hosts

    def mirror(self, auth_url: str) -> str:
        """Return where the images of the site with that keystone come from, as HOST:PORT."""
        there = {site.url("keystone"): site for site in sites.load(self.home, self.port)}
        site = there.get(auth_url.rstrip("/"))
        return f"{HOST}:{site.port_of('mirror')}" if site else ""

    @property
    def prometheus(self) -> str:
        """Where its Prometheus listens."""
        return addresses(self.port).prometheus

    @property
    def alertmanager(self) -> str:
        """Where its Alertmanager listens."""
        return addresses(self.port).alertmanager

    @property
    def login(self) -> Path:
        """The private key that logs in to its real hosts."""
        return self.home / LOGIN

    @property
    def proxy_command(self) -> str:
        """What connects ssh to its real hosts."""
        return hosting.proxy_command(self.home)

    # --- what can be done ---

    def up(self, progress: Progress = lambda _: None) -> Started:
        """
        Have all sites up and ready to be deployed to; repair what is half up.

        What it starts itself it ends again when it is interrupted or fails.  Raise OutsideError
        when ports are taken, the disk is full or a service doesn't start, BadInputError when the
        folder holds something else.
        """
        began = time.monotonic()
        self._check_home()
        with self._locked(progress):
            running = self._is_running()
            already = running and self._is_up()
            if not running:
                self._prepare(progress)
            try:
                self._make_networks(progress)
                if running:
                    self._tell("start", *NAMES)
                else:
                    self._launch(progress)
                self._wait_ready(self._sites(), progress)
                self._provide(progress)
            except BaseException:
                if not running:
                    self._end()
                raise
        return Started(already, time.monotonic() - began)

    def down(self) -> bool:
        """End all processes; what the sites hold stays.  Say whether anything ran."""
        if not self.home.exists():
            return False
        self._check_home()
        with self._locked():
            return self._end()

    def reset(self) -> None:
        """End all processes and remove all that the sites hold."""
        if self.home.exists():
            self._check_home()
            with self._locked():
                self._end()
                shutil.rmtree(self.home)
                hosting.forget(self.home)

    def stop_site(self, name: str) -> None:
        """End a site's processes, as if it were lost; the others go on."""
        site = self._site(name)
        with self._locked():
            self._require_running()
            self._tell("stop", name)
            self._wait_gone(site)
            if site.hosts:
                hosting.cut(site)

    def start_site(self, name: str) -> None:
        """Start a site again, with all that it held; return when it answers."""
        site = self._site(name)
        with self._locked():
            self._require_running()
            self._make_networks()
            self._tell("start", name)
            self._wait_ready([site])

    def monitor(
        self,
        outputs: Mapping[str, Mapping[str, Any]],
        secrets: Path,
        progress: Progress = lambda _: None,
    ) -> Monitored:
        """
        Have the exporters, Prometheus, Alertmanager and VictoriaMetrics up until the lab goes down.

        `outputs` are those of the deployed stacks by site, `secrets` the folder of the hosts'.
        What runs already, and would be started the same, goes on.  Raise OutsideError when one
        doesn't start, or when the lab is not up.
        """
        from lab.monitoring.exporting import (  # noqa: PLC0415  (slow to import)
            Ground,
            exporters,
        )

        self._check_home()
        with self._locked(progress):
            self._require_running()
            packages.ensure(packages.MONITORING, progress)
            ground = Ground(
                *(self.home, self.port, outputs, self._places(outputs), secrets),
                *(self.device_credentials, self.clouds_file, self.prometheus),
            )
            with self._disk_errors():
                found = exporters(ground)
                servers = Monitoring(self.home, self.port, found.jobs)
                servers.configure()
                wanted = [*servers.servers(), *found.servers]
                running.remember(servers.folder, [one.name for one in wanted])
                progress(f"starting {', '.join(one.name for one in wanted)}")
                running.start(self.home, servers.folder, wanted, self._environment())
        return Monitored(servers, found.lacking)

    def _places(self, outputs: Mapping[str, Any]) -> "dict[str, Place]":
        """Give where the sites are observed from; none unless both are deployed on real hosts."""
        if not self.has_hosts or not set(NAMES) <= set(outputs):
            return {}
        from lab.openstack import observing  # noqa: PLC0415  (slow to import)

        return {site.name: observing.place(site) for site in self._sites()}

    def overload(self, site: str, ups: str, minutes: float) -> None:
        """
        Let a UPS carry a tenth more than it can for so long, or until it is relieved.

        Raise BadInputError where there is no such UPS, OutsideError when the lab is not up.
        """
        meters = catalogue.load().sites[self._site(site).name].meters
        known = [one.id for one in meters if one.place == "ups-output"]
        if ups not in known:
            raise BadInputError(f"{site} has no UPS {ups!r}", remedy=f"one of {', '.join(known)}")
        now = time.time()
        self._plant_record(site).overload(Overload(ups, now, now + minutes * 60))

    def relieve(self, site: str) -> int:
        """End the overloads of a site's UPSs; say how many there were."""
        return self._plant_record(self._site(site).name).relieve(time.time())

    def halt(self, service: str) -> int:
        """
        Stop a service's servers at all sites until it is resumed; say how many.

        Raise BadInputError where none of its servers runs, OutsideError when the lab is not up.
        """
        with self._locked():
            self._require_running()
            from lab.openstack import halting  # noqa: PLC0415  (slow to import)

            found = halting.running(self._sites(), service)
            count = sum(map(len, found.values()))
            if not count:
                raise BadInputError(
                    f'no server of a service "{service}" runs', remedy="citydc lab status --json"
                )
            files.write(self._halted(service), json.dumps(found))
            halting.halt(self._sites(), found)
        return count

    def resume(self, service: str) -> int:
        """Start what `halt` stopped; say how many servers.  Raise OutsideError."""
        with self._locked():
            self._require_running()
            from lab.openstack import halting  # noqa: PLC0415  (slow to import)

            record = self._halted(service)
            if not record.exists():
                return 0
            found = json.loads(record.read_text())
            halting.resume(self._sites(), found)
            record.unlink()
        return sum(map(len, found.values()))

    def alarm(self, say: Progress) -> None:
        """
        See two alerts fire and resolve: of an overloaded UPS, and of a service that is stopped.

        Without real hosts there is no service to stop.  Raise OutsideError when one stays out.
        """
        from lab.monitoring.alarm import (  # noqa: PLC0415  (slow to import)
            Alarm,
            Trial,
            good_service,
        )

        site, ups = "main", "ups-a"
        found = Alarm(self.alertmanager, say)
        found.trials.append(
            Trial(
                f"{ups} of {site} is overloaded",
                {"alertname": "UpsOverloaded", "site": site, "node": ups},
                lambda: self.overload(site, ups, OVERLOAD_MIN),
                lambda: self.relieve(site),
            )
        )
        if self.has_hosts:
            servers = Counter(one["service"] for one in self.status()["hosts"])
            service = good_service(self.prometheus, servers, say)
            found.trials.append(
                Trial(
                    f"{service} is stopped at both sites",
                    {"alertname": "ServiceDown", "service": service},
                    lambda: self.halt(service),
                    lambda: self.resume(service),
                )
            )
        else:
            say("No service is stopped: servers boot nothing.")
        found.run()

    def _halted(self, service: str) -> Path:
        return self.home / "halted" / f"{service}.json"

    def _plant_record(self, site: str) -> Record:
        return Record(places.folder(self.home, site))

    def status(self) -> status.Status:
        """Give what runs, since when and with how much memory, and the sites' servers."""
        self._check_home()
        return status.read(self.home, self.clouds_file, self._sites())

    # --- before it starts ---

    def _check_home(self) -> None:
        """Raise BadInputError unless the folder is a lab's, of this port and place, or empty."""
        if self.home.exists() and not self.home.is_dir():
            raise self._no_home("it is no folder")
        record = self._read_record()
        if record is None:
            with self._disk_errors():
                if self.home.exists() and any(one.name != "lock" for one in self.home.iterdir()):
                    raise self._no_home("it holds other files")
            return
        for key, now in (("port", self.port), ("home", str(self.home))):
            if record[key] != now:
                raise BadInputError(
                    f"the lab in {self.home} was made with {key} {record[key]}, not {now}",
                    why="its databases name its addresses and files",
                    remedy=f"use {key} {record[key]} (CITYDC_LAB_{key.upper()}), "
                    f"or remove {self.home} and make it anew",
                )

    def _no_home(self, why: str) -> BadInputError:
        return BadInputError(
            f"{self.home} is no lab's folder",
            why=why,
            remedy="name an empty or a new folder with CITYDC_LAB_HOME",
        )

    def _read_record(self) -> dict[str, Any] | None:
        with self._disk_errors():
            if not self._record.exists():
                return None
            try:
                record = json.loads(self._record.read_text())
            except ValueError:
                record = None
        if not isinstance(record, dict) or not {"port", "home"} <= record.keys():
            raise BadInputError(
                "the lab's record is damaged",
                why="it tells neither the lab's port nor its home",
                remedy=f"end the lab's processes, remove {self.home} and make it anew",
                place=str(self._record),
            )
        return record

    def _check_releases(self) -> None:
        record = self._read_record() or {}
        now = releases.installed()
        before = record.get("releases", now)
        changed = [
            f"{name} {before[name]} → {now[name]}" for name in now if before[name] != now[name]
        ]
        if changed:
            raise OutsideError(
                "the lab's data were made by other releases of OpenStack",
                why=", ".join(changed),
                remedy="remove them with citydc lab reset, then again",
            )

    def _prepare(self, progress: Progress) -> None:
        """Clear what an earlier start left behind, and see that this one can succeed."""
        self._end()
        self._check_releases()
        free = shutil.disk_usage(self.home).free
        if free < FREE_BYTES:
            raise OutsideError(
                f"the disk of {self.home} is too full for the lab",
                why=f"{free >> 20} MiB are free, it needs {FREE_BYTES >> 20} MiB",
                remedy="free some, or name a folder on another disk with CITYDC_LAB_HOME",
            )
        hosts = self.has_hosts
        if hosts and (lacking := hosting.missing()):
            raise OutsideError(
                "the lab can't have real hosts here",
                why=lacking,
                remedy="get it, or CITYDC_LAB_HOSTS=no: all APIs are there without hosts",
            )
        packages.ensure(packages.NAME_SERVER, progress)
        packages.ensure(packages.DEVICES, progress)
        ports.check_free(self._sites(), places.ports(self.port))
        with self._disk_errors():
            self.home.chmod(0o700)
            files.write(
                self._record,
                json.dumps(
                    {
                        "port": self.port,
                        "home": str(self.home),
                        "releases": releases.installed(),
                        "hosts": hosts,
                    }
                ),
            )
            for site in (sites.template(self.home, self.port), *self._sites()):
                credentials.make(site.home / CREDENTIALS)
            places.prepare(self.home)
            if hosts:
                hosting.make_login(self.home)

    def _make_networks(self, progress: Progress = lambda _: None) -> None:
        if self.has_hosts:
            hosting.prepare(self._sites(), progress)

    @contextlib.contextmanager
    def _locked(self, progress: Progress = lambda _: None) -> Iterator[None]:
        """Keep other commands on this lab waiting."""
        path = self.home / "lock"
        with self._disk_errors():
            files.make_folder(self.home)
            file = _open_lock(path, progress)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            file.close()

    # --- processes ---

    def _is_running(self) -> bool:
        return processes.parent_of(self.home) is not None

    def _require_running(self) -> None:
        if not self._is_running():
            raise OutsideError("the lab is not up", remedy="citydc lab up")

    def _launch(self, progress: Progress) -> None:
        progress("starting both sites")
        with self._disk_errors():
            self._forget_failures()
            with self._log.open("ab") as log:
                subprocess.run(  # noqa: S603  (this program)
                    [
                        *("/usr/bin/setsid", "--fork", sys.executable, "-W", "ignore"),
                        *("-m", "lab.openstack.parent", str(self.home), str(self.port)),
                        "hosts" if self.has_hosts else "fake",
                    ],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    cwd=self.home,
                    env=self._environment(),
                    check=True,
                )

    def _environment(self) -> dict[str, str]:
        """Give the processes' environment: the caller's clouds and passphrases stay out of it."""
        kept = {
            key: value
            for key, value in os.environ.items()
            # Without compiled files the start takes twice as long.
            if not key.startswith(("OS_", "PULUMI_", "AWS_")) and key != "PYTHONDONTWRITEBYTECODE"
        }
        # Neutron's name for its process shall not take the place of the environment.
        return {**kept, processes.MARK: str(self.home), "SPT_NOENV": "1"}

    def _tell(self, order: str, *names: str) -> None:
        """Give the first process an order about sites."""
        with self._disk_errors():
            self._forget_failures()
        with contextlib.suppress(OSError):  # it is ending; the wait will say so
            pipe = os.open(self._control, os.O_WRONLY | os.O_NONBLOCK)
            os.write(pipe, "".join(f"{order} {name}\n" for name in names).encode())
            os.close(pipe)

    def _forget_failures(self) -> None:
        shutil.rmtree(self._failed, ignore_errors=True)
        files.make_folder(self._failed)

    def _end(self) -> bool:
        """End the lab's processes, whatever became of their parent; say whether there were any."""
        ran = processes.end_all(self.home)
        if self._read_record() and self.has_hosts:
            hosting.end(self._sites())
        places.clear(self.home)
        running.forget(self.home / "monitoring")
        self._control.unlink(missing_ok=True)
        shutil.rmtree(self._failed, ignore_errors=True)
        return ran

    # --- readiness ---

    def _is_up(self) -> bool:
        answers = (_answers(site, name) for site in self._sites() for name in ANSWERING)
        return all(answers) and not self._silent_devices(NAMES)

    def _silent_devices(self, names: Iterable[str]) -> list[str]:
        """Give the devices of these sites, with a TCP port, that don't listen."""
        listening = ports.listeners()
        return [
            f"{device} of {name}"
            for name in names
            for port, device in places.ports(self.port, TCP)[name].items()
            if port not in listening
        ]

    def _wait_ready(self, wanted: list[Site], progress: Progress = lambda _: None) -> None:
        """Wait until all services of the sites answer; raise OutsideError when one won't."""
        deadline = time.monotonic() + PATIENCE_S
        parent = self._parent()
        left = [(site, name) for name in ANSWERING for site in wanted]
        total = len(left)
        while True:
            before = len(left)
            left = [one for one in left if not _answers(*one)]
            if len(left) != before:
                progress(f"{total - len(left)} of {total} services answer")
            silent = [] if left else self._silent_devices(site.name for site in wanted)
            if not left and not silent:
                return
            self._check_failures(parent)
            if time.monotonic() > deadline:
                waited = [f"{name} of {site.name}" for site, name in left] or silent
                raise OutsideError(
                    f"not ready after {PATIENCE_S} s: {', '.join(waited)}",
                    remedy="look into the log, then citydc lab down and up",
                    place=str(self.home / (left[0][0] if left else wanted[0]).name / "log"),
                )
            time.sleep(0.1)

    def _parent(self) -> psutil.Process | None:
        """Give the lab's first process, which may have just been started."""
        deadline = time.monotonic() + LAUNCH_S
        while True:
            found = processes.parent_of(self.home)
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _check_failures(self, parent: psutil.Process | None) -> None:
        """Raise OutsideError if a process has ended, with its last words."""
        with self._disk_errors():
            self._check_disk()
            for mark in sorted(self._failed.iterdir()):
                project, _, name = mark.name.partition(".")
                log = self.home / name / "log" / f"{project}.out"
                said = _last_line(log) or _last_line(self._log)
                if any(words in said for words in NO_ROOM):
                    raise self._full(said)
                raise OutsideError(
                    f"{project} of {name} did not start",
                    why=said,
                    remedy="look into the log, then citydc lab up",
                    place=str(log),
                )
        if parent is None or not parent.is_running():
            raise OutsideError(
                "the lab's first process has ended",
                why=_last_line(self._log),
                remedy="look into the log, then citydc lab up",
                place=str(self._log),
            )

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.home).free
        if free < FULL_BYTES:
            raise self._full(f"{free >> 10} KiB are free")

    def _full(self, why: str) -> OutsideError:
        return OutsideError(
            f"the disk of {self.home} is full",
            why=why,
            remedy="free some space, then citydc lab up",
        )

    def _wait_gone(self, site: Site) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while any(
            port in ports.listeners()
            for name, port in ports.services(site).items()
            if name != "mirror"
        ):
            if time.monotonic() > deadline:
                raise OutsideError(f"{site.name} does not end", remedy="citydc lab down")
            time.sleep(0.05)

    def _provide(self, progress: Progress) -> None:
        """Make what a cloud's operators provide."""
        from lab.openstack import clouds, operators  # noqa: PLC0415  (slow to import)

        progress("external networks, volume types, zones")
        with self._disk_errors():
            clouds.write(self.clouds_file, self._sites())
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(operators.provide, self._sites()))

    # --- small things ---

    def _site(self, name: str) -> Site:
        if name not in NAMES:
            raise BadInputError(f"there is no site {name!r}", remedy=f"one of {', '.join(NAMES)}")
        self._require_running()
        return next(site for site in self._sites() if site.name == name)

    def _sites(self) -> list[Site]:
        return sites.load(self.home, self.port, hosts=self.has_hosts)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Say it plainly when files can't be written."""
        try:
            yield
        except OSError as error:
            raise OutsideError(
                f"the lab's folder can't be written: {error.strerror}",
                remedy="free some space or name another folder with CITYDC_LAB_HOME",
                place=str(error.filename or self.home),
            ) from error


def _open_lock(path: Path, progress: Progress) -> IO[str]:
    """Wait for the lock file and give it; the lock ends with the file or the process."""
    told = False
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                file.seek(0)
                progress(f"waiting for process {file.read() or '?'}, which works on the lab")
                told = True
            file.close()
            time.sleep(0.1)
            continue
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
                return file
        file.close()  # whoever had it removed it


def _answers(site: Site, project: str) -> bool:
    connection = http.client.HTTPConnection(HOST, site.port_of(project), timeout=5)
    try:
        connection.request("GET", "/healthcheck" if project == "swift" else "/")
        return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_line(path: Path) -> str:
    with contextlib.suppress(OSError):
        lines = path.read_text(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""
    return ""
