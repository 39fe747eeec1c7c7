"""Rules, alerts and dashboards on real servers: Prometheus, Alertmanager and VictoriaMetrics."""

import functools
import http.server
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import history
import pytest
import requests
import yaml
from lab_helpers import new_lab, wait_for

from lab import packages
from lab.monitoring import running
from lab.monitoring.servers import Monitoring, at
from lab.openstack import processes
from monitoring import boards, limits

ROOM = Path(limits.__file__).parent
RULES = sorted((ROOM / "rules").glob("*.yaml"))
CASES = sorted(one for one in (ROOM / "cases").glob("*.yaml") if one.stem != "limits")
METRIC = re.compile(r"\b(?:[a-z_]+:)?citydc[a-z0-9_:]*[a-z0-9]|\bup\b")
QUERIES = {
    f"{board.uid}: {panel.title}, {number}": query.expr
    for board in boards.BOARDS
    for panel in board.panels
    for number, query in enumerate(panel.queries)
}


def _rules(kind: str) -> dict[str, str]:
    return {
        rule[kind]: rule["expr"]
        for file in RULES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if kind in rule
    }


class Exporter(http.server.BaseHTTPRequestHandler):
    """Goes on with the history; a test sets the power of a UPS."""

    began = time.time()
    watts = 8000.0

    def do_GET(self) -> None:
        """Answer every path alike."""
        ups = 'citydc_power_watts{site="main",node="ups-a"} '
        told = history.live(time.time(), self.began).splitlines()
        text = "\n".join(f"{ups}{self.watts}" if one.startswith(ups) else one for one in told)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(f"{text}\n".encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def exporter() -> Iterator[str]:
    """Give the address of an exporter."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, exporter: str) -> Iterator[Monitoring]:
    """Give the servers, with days of history."""
    packages.ensure(packages.MONITORING, print)
    home = tmp_path_factory.mktemp("monitoring") / "home"
    found = Monitoring(home, new_lab(home).port, {"citydc-energy": at(exporter)})
    now, scraped = Exporter.began, f'job="citydc-energy",instance="{exporter}"'
    found.folder.mkdir(parents=True, mode=0o700)
    past = found.folder / "history.txt"
    past.write_text(history.openmetrics(now, scraped))
    blocks = found.folder / "prometheus"
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", past, blocks],
        check=True, capture_output=True,
    )  # fmt: skip
    found.configure()
    running.start(home, found.folder, found.servers(), os.environ)
    try:
        imported = requests.post(
            f"http://{found.store}/api/v1/import/prometheus",
            data=history.exposition(now, scraped),
            timeout=60,
        )
        assert imported.status_code == 204
        for name in _rules("record"):  # computed, and written to the store too
            for server in (found.prometheus, found.store):
                wait_for(functools.partial(ask, server, name))
        yield found
    finally:
        processes.end_all(home)


def ask(server: str, query: str) -> list[Any]:
    """Return what a server answers; fail when it refuses the query."""
    answer = requests.get(f"http://{server}/api/v1/query", params={"query": query}, timeout=30)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["data"]["result"]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.stem)
def test_rules_do_what_their_cases_say(case: Path) -> None:
    """Every case passes promtool."""
    packages.ensure(packages.MONITORING, print)
    done = subprocess.run(
        ["promtool", "test", "rules", case], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_configurations_are_sound(servers: Monitoring) -> None:
    """Prometheus's and Alertmanager's own checks pass, of the city's files and of the lab's."""
    for folder in (ROOM, servers.folder):
        for command in (
            ["promtool", "check", "config", str(folder / "prometheus.yaml")],
            ["amtool", "check-config", str(folder / "alertmanager.yaml")],
        ):
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("severity=critical team=facility", "on-call,facility"),
        ("severity=critical team=operations", "on-call,operations"),
        ("severity=warning team=facility", "facility"),
        ("severity=warning team=operations", "operations"),
        ("severity=info team=facility", "nobody"),
    ],
)
def test_alerts_find_their_receivers(labels: str, receivers: str) -> None:
    """What is critical wakes someone and is told to its team; the rest is told to the team."""
    packages.ensure(packages.MONITORING, print)
    file = f"--config.file={ROOM / 'alertmanager.yaml'}"
    command = ["amtool", "config", "routes", "test", file, *labels.split()]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [receivers]


@pytest.mark.parametrize("store", ["prometheus", "store"])
@pytest.mark.parametrize("name", [*QUERIES, *_rules("record")])
def test_every_query_returns_series(servers: Monitoring, store: str, name: str) -> None:
    """Panels and recorded series have something to show, on Prometheus and on VictoriaMetrics."""
    address = getattr(servers, store)
    assert ask(address, QUERIES.get(name, name))


@pytest.mark.parametrize("store", ["prometheus", "store"])
@pytest.mark.parametrize("alert", _rules("alert"))
def test_every_alert_looks_at_series_that_are_there(
    servers: Monitoring, store: str, alert: str
) -> None:
    """An alert's expression is understood by both, and none of its metrics is misspelt."""
    address, expression = getattr(servers, store), _rules("alert")[alert]
    ask(address, expression)
    for name in set(METRIC.findall(re.sub(r'"[^"]*"', "", expression))):
        assert ask(address, name), name


def test_an_overloaded_ups_alerts_until_it_is_relieved(servers: Monitoring) -> None:
    """The alert reaches Alertmanager, and leaves it when the load is gone."""

    def alerting() -> bool:
        alerts = requests.get(f"http://{servers.alertmanager}/api/v2/alerts", timeout=10).json()
        names = [(one["labels"]["alertname"], one["labels"].get("node")) for one in alerts]
        return ("UpsOverloaded", "ups-a") in names

    assert not alerting()
    Exporter.watts = 33000.0
    try:
        assert wait_for(alerting)
    finally:
        Exporter.watts = 8000.0
    assert wait_for(lambda: not alerting())
