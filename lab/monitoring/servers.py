"""Prometheus, Alertmanager and VictoriaMetrics: their configuration and commands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lab import files
from lab.monitoring.running import Server
from lab.openstack.sites import HOST

SOURCE = Path(__file__).resolve().parents[2] / "monitoring"
FIRST = 80  # of the main site's ports
INTERVAL = "5s"

Jobs = Mapping[str, dict[str, Any]]
"""By name: where and how Prometheus scrapes it, as its configuration says it."""


def at(address: str) -> dict[str, Any]:
    """Return the job that scrapes an address."""
    return {"static_configs": [{"targets": [address]}]}


class Addresses(NamedTuple):
    """Where the three servers listen."""

    prometheus: str
    alertmanager: str
    store: str


def addresses(port: int) -> Addresses:
    """Return where they listen in the lab whose first port is `port`."""
    return Addresses(*(f"{HOST}:{port + FIRST + number}" for number in range(3)))


class Monitoring:
    """
    The three servers of the lab in `home`, whose first port is `port`.

    `jobs` are those of monitoring/prometheus.yaml that have something to scrape.
    """

    def __init__(self, home: Path, port: int, jobs: Jobs) -> None:
        self._jobs = jobs
        self.folder = home / "monitoring"
        self.prometheus, self.alertmanager, self.store = addresses(port)

    def servers(self) -> list[Server]:
        """Return what runs."""
        return [
            Server(
                "victoria-metrics",
                f"http://{self.store}/health",
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
                f"http://{self.alertmanager}/-/ready",
                (
                    "/usr/bin/prometheus-alertmanager",
                    f"--config.file={self.folder / 'alertmanager.yaml'}",
                    f"--storage.path={self.folder / 'alertmanager'}",
                    f"--web.listen-address={self.alertmanager}",
                    "--cluster.listen-address=",
                ),
                reads=(self.folder / "alertmanager.yaml",),
            ),
            Server(
                "prometheus",
                f"http://{self.prometheus}/-/ready",
                (
                    "/usr/bin/prometheus",
                    f"--config.file={self.folder / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={self.folder / 'prometheus'}",
                    "--storage.tsdb.retention.time=7d",
                    "--storage.tsdb.retention.size=256MB",
                    f"--web.listen-address={self.prometheus}",
                ),
                reads=(self.folder / "prometheus.yaml", *self._rules()),
            ),
        ]

    def configure(self) -> None:
        """
        Write their configuration: the city's own, at the lab's addresses and intervals.

        Rules are evaluated as often as all else; what alerts wait for stays as it is.
        """
        for source in self._sources():
            data = yaml.safe_load(source.read_text(encoding="utf-8"))
            for group in data["groups"]:
                group.pop("interval", None)
            text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
            files.write(self.folder / "rules" / source.name, text)
        routes = (SOURCE / "alertmanager.yaml").read_text(encoding="utf-8")
        files.write(self.folder / "alertmanager.yaml", routes)
        data = yaml.safe_load((SOURCE / "prometheus.yaml").read_text(encoding="utf-8"))
        told = yaml.safe_dump(self._at_home(data), sort_keys=False)
        files.write(self.folder / "prometheus.yaml", told)

    def _at_home(self, data: dict[str, Any]) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": [str(one) for one in self._rules()],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [self.alertmanager]}]}]},
            "remote_write": [{"url": f"http://{self.store}/api/v1/write"}],
            "scrape_configs": [
                {"job_name": job["job_name"], **self._jobs[job["job_name"]]}
                for job in data["scrape_configs"]
                if job["job_name"] in self._jobs
            ],
        }

    def _rules(self) -> list[Path]:
        return [self.folder / "rules" / one.name for one in self._sources()]

    @staticmethod
    def _sources() -> list[Path]:
        return sorted((SOURCE / "rules").glob("*.yaml"))
