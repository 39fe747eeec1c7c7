"""Prometheus, Alertmanager and VictoriaMetrics: their configuration, start and readiness."""

import dataclasses
import http.client
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from catalogue.errors import OutsideError
from lab import files
from lab.openstack import ports, processes
from lab.openstack.sites import HOST

SOURCE = Path(__file__).resolve().parents[2] / "monitoring"
PATIENCE_S = 60
FIRST = 80  # of the main site's ports
LAST_WORDS = 300


@dataclasses.dataclass(frozen=True)
class Server:
    """One of them: its command, and where it says that it is ready."""

    name: str
    port: int
    path: str
    command: tuple[str, ...]


class Monitoring:
    """
    The three servers of the lab in `home`, whose first port is `port`.

    With `targets`, the exporters are at these addresses by job, and a job without one is not
    scraped; without, they are where monitoring/prometheus.yaml says.
    """

    def __init__(self, home: Path, port: int, targets: dict[str, str] | None = None) -> None:
        self._home, self._targets = home, targets
        self.folder = home / "monitoring"
        self.prometheus, self.alertmanager, self.store = (
            f"{HOST}:{port + FIRST + number}" for number in range(3)
        )
        self._ports = [port + FIRST + number for number in range(3)]

    def servers(self) -> list[Server]:
        """Return what runs."""
        prometheus, alertmanager, store = self._ports
        return [
            Server(
                "victoria-metrics",
                store,
                "/health",
                (
                    "/usr/bin/victoria-metrics",
                    f"-storageDataPath={self.folder / 'victoria-metrics'}",
                    f"-httpListenAddr={self.store}",
                    "-retentionPeriod=1",
                    "-memory.allowedBytes=128MiB",
                    "-search.latencyOffset=0s",
                ),
            ),
            Server(
                "alertmanager",
                alertmanager,
                "/-/ready",
                (
                    "/usr/bin/prometheus-alertmanager",
                    f"--config.file={self.folder / 'alertmanager.yaml'}",
                    f"--storage.path={self.folder / 'alertmanager'}",
                    f"--web.listen-address={self.alertmanager}",
                    "--cluster.listen-address=",
                ),
            ),
            Server(
                "prometheus",
                prometheus,
                "/-/ready",
                (
                    "/usr/bin/prometheus",
                    f"--config.file={self.folder / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={self.folder / 'prometheus'}",
                    "--storage.tsdb.retention.time=7d",
                    "--storage.tsdb.retention.size=256MB",
                    f"--web.listen-address={self.prometheus}",
                ),
            ),
        ]

    def start(self) -> None:
        """Start what doesn't run, with the rules as they are now; return when all are ready."""
        self.configure()
        listening = ports.listeners()
        for server in self.servers():
            if server.port not in listening:
                with (self.folder / f"{server.name}.log").open("ab") as log:
                    subprocess.run(  # noqa: S603  (commands of its own)
                        ("/usr/bin/setsid", "--fork", *server.command),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        env={**os.environ, processes.MARK: str(self._home)},
                        check=True,
                    )
        deadline = time.monotonic() + PATIENCE_S
        for server in self.servers():
            while not answers(server):
                if time.monotonic() > deadline:
                    log_file = self.folder / f"{server.name}.log"
                    raise OutsideError(
                        f"{server.name} is not ready after {PATIENCE_S} s",
                        why=log_file.read_text(errors="replace")[-LAST_WORDS:],
                        place=str(log_file),
                    )
                time.sleep(0.1)

    def configure(self) -> None:
        """Write their configuration: the city's own, at the lab's addresses."""
        for name in ("prometheus.yaml", "alertmanager.yaml"):
            data = yaml.safe_load((SOURCE / name).read_text(encoding="utf-8"))
            if name == "prometheus.yaml":
                data = self._at_home(data)
            files.write(self.folder / name, yaml.safe_dump(data, sort_keys=False))

    def _at_home(self, data: dict[str, Any]) -> dict[str, Any]:
        scraped = data["scrape_configs"]
        if self._targets is not None:
            scraped = [
                {**job, "static_configs": [{"targets": [self._targets[job["job_name"]]]}]}
                for job in scraped
                if job["job_name"] in self._targets
            ]
        return {
            "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
            "rule_files": [str(SOURCE / "rules" / "*.yaml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [self.alertmanager]}]}]},
            "remote_write": [{"url": f"http://{self.store}/api/v1/write"}],
            "scrape_configs": scraped,
        }


def answers(server: Server) -> bool:
    """Say whether a server is ready."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=5)
    try:
        connection.request("GET", server.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
