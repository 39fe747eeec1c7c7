"""The gate: open only when every rule was decided and holds, or is waived by name."""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from policy_town import TODAY, stack, view

from catalogue.errors import BadInputError
from catalogue.model import Profile
from infra.graph import Graph, Resource
from policies import gate, waivers
from policies.model import Rule, about
from policies.view import UNKNOWN, UnknownValueError, View
from policies.waivers import Waiver

BAD_VOLUME = "encryption-volume"


def broken() -> Graph:
    """Return the town's stack with one volume of the wrong type."""
    return changed("shop-store-1-data", "Volume", volumeType="standard")


def changed(name: str, kind: str, **inputs: Any) -> Graph:
    """Return the town's stack with other inputs of one resource."""
    graph = stack()
    return Graph(
        [
            dataclasses.replace(one, inputs={**one.inputs, **inputs})
            if one.name == name and one.type.endswith(f":{kind}")
            else one
            for one in graph.resources
        ],
        graph.outputs,
    )


def waiver(**more: Any) -> Waiver:
    """Return a waiver for the broken volume."""
    return Waiver.model_validate(
        {
            "rule": BAD_VOLUME,
            "resource": "*::shop-store-1-data",
            "owner": "trade",
            "reason": "The disk is moved in the next window.",
            "expiry": TODAY + dt.timedelta(days=30),
            **more,
        }
    )


@pytest.mark.parametrize("site", ["main", "backup"])
@pytest.mark.parametrize("profile", list(Profile))
def test_the_town_passes(site: str, profile: Profile) -> None:
    """What the program declares for a sound catalogue opens the gate, without waivers."""
    report = gate.judge(view(stack(site, profile), site, profile))
    assert report.closing == []
    assert report.passed


def test_a_first_preview_is_decided_though_no_id_is_known() -> None:
    """References are known by where their values come from."""
    report = gate.judge(view(without_ids(stack())))
    assert report.found == gate.Found()
    assert report.passed


def without_ids(graph: Graph) -> Graph:
    """Return the stack as a first preview has it: every id is unknown."""
    ids = {one.id for one in graph.resources if one.id}

    def hidden(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: hidden(one) for name, one in value.items()}
        if isinstance(value, list):
            return [hidden(one) for one in value]
        return UNKNOWN if value in ids or str(value).startswith("VipPort/") else value

    return Graph(
        [dataclasses.replace(one, id="", inputs=hidden(one.inputs)) for one in graph.resources],
        graph.outputs,
    )


def test_a_violation_closes_the_gate() -> None:
    """One is enough, and it is told with its resource."""
    report = gate.judge(view(broken()))
    assert not report.passed
    assert [(one.rule, one.urn.rpartition("::")[2]) for one in report.closing] == [
        (BAD_VOLUME, "shop-store-1-data")
    ]


def test_what_is_unknown_closes_the_gate_unless_the_state_is_judged_after() -> None:
    """Both ways it is shown."""
    stack_ = view(changed("shop-store-1-data", "Volume", volumeType=UNKNOWN))
    report, followed = gate.judge(stack_), gate.judge(stack_, state_follows=True)
    assert not report.passed
    assert followed.passed
    for one in (report, followed):
        assert [each.rule for each in one.found.unknown] == [BAD_VOLUME]
        assert one.as_json()["unknown"]


def test_a_rule_that_fails_closes_the_gate() -> None:
    """Whatever it raises: a rule that decides nothing is no pass."""

    def check(view: View) -> Iterator[tuple[Resource, str]]:
        del view
        raise ZeroDivisionError

    text = "A text that is long enough."
    rule = Rule(about("exposure-broken", "low", text, text, text, text), (), check)
    report = gate.judge(view(stack()), rules=[rule])
    assert not report.passed
    assert [one.message for one in report.found.errors] == ["the rule failed: ZeroDivisionError: "]


def test_a_waiver_opens_the_gate_and_is_told() -> None:
    """The waived finding and the waiver itself are in the report."""
    report = gate.judge(view(broken()), [waiver()])
    assert report.passed
    assert report.as_json()["waived"][0]["waiver"]["owner"] == "trade"
    assert report.as_json()["waivers"] == [waiver().as_json()]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"expiry": TODAY - dt.timedelta(days=1)}, "expired on 2026-10-31"),
        ({"expiry": TODAY + dt.timedelta(days=3000)}, "expires only on"),
        ({"resource": "*::elsewhere"}, "matches nothing"),
        ({"rule": "encryption-nothing"}, "is no rule"),
    ],
)
def test_a_waiver_that_does_not_hold_closes_the_gate(more: dict[str, Any], said: str) -> None:
    """Expired, for too long, unmatched, of no rule: it waives nothing and is told."""
    report = gate.judge(view(broken()), [waiver(**more)])
    assert not report.passed
    assert [one.rule for one in report.found.violations] == [BAD_VOLUME]
    assert said in report.waiver_faults[0].message


def test_an_unmatched_waiver_closes_the_gate_where_it_is_meant_to_match() -> None:
    """One for another site or profile is left alone here."""
    here = view(stack())
    assert not gate.judge(here, [waiver()]).passed
    assert gate.judge(here, [waiver(sites=["backup"])]).passed
    assert gate.judge(here, [waiver(profiles=["lab"])]).passed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("waivers: [", "while parsing"),
        ("- 1", "the file: "),
        ("waivers: [{rule: a}]", "waivers.0.resource: Field required"),
        ("waivers: []\nmore: 1", "more: Extra inputs"),
    ],
)
def test_a_waiver_file_that_is_not_sound_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """With all its faults and its place."""
    path = tmp_path / "waivers.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError) as caught:
        waivers.read(path)
    assert said in caught.value.why
    assert caught.value.place == str(path)


def test_a_missing_waiver_file_is_refused(tmp_path: Path) -> None:
    """No file is no licence."""
    with pytest.raises(BadInputError, match="cannot be read"):
        waivers.read(tmp_path / "waivers.yaml")


def test_a_reference_that_nothing_tells_is_unknown() -> None:
    """Without its origin, an unknown id stays unknown."""
    server = Resource("urn:x::p::x:Instance::s", "x:Instance", "s", {"flavorId": UNKNOWN})
    with pytest.raises(UnknownValueError, match="flavorId of s"):
        view(Graph([server])).ref(server, "flavorId", "Flavor")
