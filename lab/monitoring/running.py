"""Servers of the lab's monitoring as processes: started, found, started anew when they differ."""

import contextlib
import dataclasses
import hashlib
import os
import ssl
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from catalogue.errors import OutsideError
from lab import files
from lab.openstack import ports, processes
from lab.openstack.sites import HOST

SERVICE = "CITYDC_LAB_SERVICE"  # in a process's environment: its name, and what it was started with
PATIENCE_S = 90
FAREWELL_S = 10
LAST_WORDS = 300


@dataclasses.dataclass(frozen=True)
class Server:
    """One of them: its command, the files it reads, and the address that answers once it is up."""

    name: str
    url: str
    command: tuple[str, ...]
    reads: tuple[Path, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    authority: Path | None = None
    """Signed its certificate."""
    user: tuple[str, str] | None = None

    @property
    def fingerprint(self) -> str:
        """What stands for all that it is started with."""
        found = hashlib.sha256(repr((self.command, sorted(self.environment.items()))).encode())
        for path in self.reads:
            found.update(path.read_bytes())
        return found.hexdigest()

    def answers(self) -> bool:
        """Say whether it is up."""
        import httpx  # noqa: PLC0415  (slow to import)

        verify = ssl.create_default_context(cafile=self.authority) if self.authority else True
        try:
            answer = httpx.get(self.url, auth=self.user, verify=verify, timeout=5, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK


def found(home: Path) -> dict[str, tuple[psutil.Process, str]]:
    """Return the servers that run in a lab by name, each with its fingerprint."""
    there = {}
    for process in processes.of(home):
        with contextlib.suppress(psutil.Error):
            name, _, fingerprint = process.environ().get(SERVICE, "").partition(" ")
            if name:
                there[name] = (process, fingerprint)
    return there


def start(
    home: Path, folder: Path, servers: Iterable[Server], environment: Mapping[str, str]
) -> None:
    """
    Have exactly these servers of the lab run, as they are described now, and wait for them.

    Their logs are in `folder`.  Raise OutsideError when another has a port that one needs, or when
    one is not up in time.
    """
    wanted = {server.name: server for server in servers}
    prints = {name: server.fingerprint for name, server in wanted.items()}
    there = found(home)
    _end([process for name, (process, known) in there.items() if known != prints.get(name)])
    missing = {
        name: server
        for name, server in wanted.items()
        if name not in there or there[name][1] != prints[name]
    }
    for server in missing.values():
        _check_free(server)
    for name, server in missing.items():
        with os.fdopen(os.open(folder / f"{name}.log", _APPEND, 0o600), "ab") as log:
            subprocess.run(  # noqa: S603  (commands of its own)
                ("/usr/bin/setsid", "--fork", *server.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={
                    **environment,
                    **server.environment,
                    processes.MARK: str(home),
                    SERVICE: f"{name} {prints[name]}",
                },
                check=True,
            )
    _await(home, folder, wanted)


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def _check_free(server: Server) -> None:
    url = urlsplit(server.url)
    if url.hostname == HOST and url.port and not ports.is_free(url.port):
        raise OutsideError(
            f"{server.name} can't start: port {url.port} is taken",
            why=f"by {ports.holder(url.port)}",
            remedy="end what holds it, or give the lab other ports with CITYDC_LAB_PORT",
        )


def _await(home: Path, folder: Path, wanted: Mapping[str, Server]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    for name, server in wanted.items():
        while not server.answers():
            ended = name not in found(home)
            if ended or time.monotonic() > deadline:
                log = folder / f"{name}.log"
                raise OutsideError(
                    f"{name} has ended" if ended else f"{name} is not up after {PATIENCE_S} s",
                    why=log.read_text(errors="replace")[-LAST_WORDS:],
                    remedy="look into its log, then citydc lab monitor",
                    place=str(log),
                )
            time.sleep(0.2)


def _end(several: list[psutil.Process]) -> None:
    for process in several:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, left = psutil.wait_procs(several, timeout=FAREWELL_S)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=FAREWELL_S)


def remember(folder: Path, names: Iterable[str]) -> None:
    """Write down what shall run until the lab goes down."""
    files.write(folder / "servers", "".join(f"{one}\n" for one in names))


def remembered(folder: Path) -> list[str]:
    """Return what shall run."""
    path = folder / "servers"
    return path.read_text().split() if path.exists() else []


def forget(folder: Path) -> None:
    """Let nothing have to run."""
    (folder / "servers").unlink(missing_ok=True)
