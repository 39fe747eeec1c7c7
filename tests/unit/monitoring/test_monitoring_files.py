"""What is derived is fresh, and every rule has a test with promtool."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import catalogue
from exporters.capacity import exporter as capacity
from exporters.energy.metrics import Metrics as Energy
from exporters.recovery import exporter as recovery
from exporters.uptime.metrics import Metrics as Uptime
from monitoring import boards, limits

ROOM = Path(limits.__file__).parent
CASES = "".join(file.read_text() for file in (ROOM / "cases").glob("*.yaml"))


def _rules() -> list[dict[str, Any]]:
    return [
        rule
        for file in sorted((ROOM / "rules").glob("*.yaml"))
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


def test_limits_are_the_catalogue_s() -> None:
    """`make generate` was run after the catalogue changed."""
    assert limits.FILE.read_text() == limits.text(catalogue.load())


def test_each_service_and_ups_has_its_limit() -> None:
    """What alerts compare with is there for every service and every UPS."""
    city = catalogue.load()
    found = [(one["record"], one["labels"]) for one in _rules() if {"record", "labels"} <= set(one)]
    assert {one["service"] for name, one in found if name == "citydc:rpo:seconds"} == set(
        city.services
    )
    upses = {
        (site.id, meter.id)
        for site in city.sites.values()
        for meter in site.meters
        if meter.place == "ups-output"
    }
    assert {
        (one["site"], one["node"]) for name, one in found if name == "citydc:rated:watts"
    } == upses


@pytest.mark.parametrize("board", boards.BOARDS, ids=lambda one: one.uid)
def test_dashboards_are_fresh(board: boards.Board) -> None:
    """`make generate` was run after a dashboard changed."""
    assert (boards.FOLDER / f"{board.uid}.json").read_text() == boards.text(board)


def test_no_dashboard_is_left_over() -> None:
    """A dashboard that is no longer described is removed."""
    assert {file.stem for file in boards.FOLDER.iterdir()} == {one.uid for one in boards.BOARDS}


@pytest.mark.parametrize("board", boards.BOARDS, ids=lambda one: one.uid)
def test_panels_lie_side_by_side(board: boards.Board) -> None:
    """No panel covers another, and each has a query."""
    found = json.loads(boards.text(board))
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in found["panels"]]
    assert len(set(places)) == len(places)
    assert all(one["targets"] for one in found["panels"])


@pytest.mark.parametrize("alert", sorted({one["alert"] for one in _rules() if "alert" in one}))
def test_every_alert_has_a_case(alert: str) -> None:
    """It is shown to fire, by promtool (tests/lab/test_monitoring.py runs the cases)."""
    asked = rf'alertname="{alert}", alertstate="firing"[^\n]*\n\s+eval_time: \S+\n\s+exp_samples'
    merged = rf'- &(\w+)\n\s+expr: [^\n]*alertname="{alert}"'
    if not re.search(asked, CASES):
        anchor = re.search(merged, CASES)
        assert anchor
        assert re.search(rf"<<: \*{anchor[1]}\n\s+eval_time: \S+\n\s+exp_samples", CASES)


@pytest.mark.parametrize("record", sorted({one["record"] for one in _rules() if "record" in one}))
def test_every_record_is_in_a_case(record: str) -> None:
    """A recording rule is computed in a case, or an alert of one compares with it."""
    alerts = "".join(str(one["expr"]) for one in _rules() if "alert" in one)
    assert record in CASES or record in alerts


def test_rules_and_dashboards_ask_for_what_exporters_have() -> None:
    """Every metric that is named is an exporter's, or a rule's own."""
    known = {one["record"] for one in _rules() if "record" in one}
    for metrics in (Energy(), Uptime("main"), capacity.Metrics(), recovery.Metrics()):
        for one in metrics.families():
            known.add(f"{one.name}_total" if one.kind == "counter" else one.name)
    queries = [
        query.expr for one in boards.BOARDS for panel in one.panels for query in panel.queries
    ]
    asked = " ".join([*queries, *(str(one["expr"]) for one in _rules())])
    named = re.findall(r"\b(?:[a-z_]+:)?citydc[a-z0-9_:]*", re.sub(r'"[^"]*"', "", asked))
    assert set(named) <= known


def test_every_alert_says_what_to_do() -> None:
    """Who is woken is told what is wrong and what to do, and is of a known team."""
    for rule in _rules():
        if "alert" in rule:
            assert set(rule["annotations"]) == {"summary", "tieu_de", "remedy"}, rule["alert"]
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert rule["labels"]["team"] in {"operations", "facility"}
