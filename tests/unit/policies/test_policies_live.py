"""The live cloud as rules see it: what the state knows under its names, and the rest."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from policy_town import stack, view
from test_policies_bad_stack import MISTAKES, bad_stack
from test_policies_gate import changed, waiver

from infra.graph import Graph, Resource
from policies import gate, reports, sources
from policies.model import Rule, Source, about
from policies.view import kind_of

OPERATORS = "operators-project"


@dataclasses.dataclass(frozen=True)
class Thing:
    """An object of the cloud."""

    type: str
    id: str
    name: str
    project: str
    inputs: Mapping[str, Any]


def things(graph: Graph) -> list[Thing]:
    """Return the objects that a stack stands for, in the projects that it puts them in."""
    by_urn = {one.urn: one for one in graph.resources}
    return [
        Thing(one.type, one.id, str(one.inputs.get("name", "")), _project(one, by_urn), one.inputs)
        for one in graph.resources
        if one.id and not one.type.startswith("pulumi:")
    ]


def _project(one: Resource, by_urn: Mapping[str, Resource]) -> str:
    provider = by_urn[one.provider]
    return str(one.inputs.get("tenantId") or provider.inputs.get("tenantId") or OPERATORS)


def live(graph: Graph, change: Callable[[list[Thing]], list[Thing]] = list) -> Graph:
    """Return the town as it is live, of which the state knows what the program says."""
    return sources.of_live(stack(), change(things(graph)), OPERATORS)


def test_a_cloud_as_the_state_has_it_is_judged_as_the_state() -> None:
    """Nothing is lost or added on the way."""
    assert live(stack()) == stack()


def test_every_mistake_of_the_bad_stack_is_found_live() -> None:
    """In the cloud; what only Pulumi knows, in the state."""
    bad = bad_stack()
    graph = sources.of_live(_pulumis_part(bad), things(bad), OPERATORS)
    found = gate.find(view(graph))
    names = {one.urn: f"{kind_of(one)}/{one.name}" for one in graph.resources}
    told = {(one.rule, names[one.urn]) for one in found.violations}
    missed = [one for one in MISTAKES if (one["rule"], one.get("at", one["resource"])) not in told]
    assert missed == []
    assert found.errors == []


def _pulumis_part(bad: Graph) -> Graph:
    """Return the sound stack, with the bad one's protection and providers."""
    theirs = {one.urn: one for one in bad.resources}
    return dataclasses.replace(
        stack(),
        resources=[
            theirs[one.urn]
            if one.type == sources.PROVIDER
            else dataclasses.replace(one, protect=theirs[one.urn].protect)
            for one in stack().resources
        ],
    )


def test_what_is_gone_is_not_there() -> None:
    """Rules miss it."""
    gone = live(stack(), lambda some: [one for one in some if one.id != "Instance/shop-web-1"])
    rules = {one.rule for one in gate.find(view(gone)).violations}
    assert {"recovery-server-count", "lifecycle-orphan"} <= rules


def test_what_no_state_knows_is_found_by_its_name_and_id() -> None:
    """In the project that it is in; nobody asks Pulumi to protect what it does not have."""
    home = next(one.id for one in stack().of("Project") if one.name == "trade")
    inputs = {"name": "by::hand", "volumeType": "standard", "size": 1}
    stray = Thing("openstack:blockstorage/volume:Volume", "v1", "by::hand", home, inputs)
    graph = live(stack(), lambda some: [*some, stray])
    (one,) = [each for each in graph.resources if not each.managed]
    assert one.urn == f"urn:pulumi:main::citydc::{stray.type}::by:hand:v1"
    assert view(graph).owner(one) == "trade"
    rules = {each.rule for each in gate.find(view(graph)).violations if each.urn == one.urn}
    assert {"ownership-stack", "encryption-volume", "ownership-label"} <= rules
    assert "lifecycle-protect" not in rules


def test_what_was_moved_to_another_project_is_found() -> None:
    """A volume that was handed over, under the name that the state has for it."""
    home = next(one.id for one in stack().of("Project") if one.name == "police")

    def move(some: list[Thing]) -> list[Thing]:
        return [
            dataclasses.replace(one, project=home) if one.id == "Volume/shop-store-1-data" else one
            for one in some
        ]

    found = gate.find(view(live(stack(), move))).violations
    assert ("isolation-project", "shop-store-1-data") in {
        (one.rule, one.urn.rpartition("::")[2]) for one in found
    }


def test_a_container_of_the_same_name_elsewhere_is_another() -> None:
    """Containers' ids are their names: the project tells them apart."""
    mine = next(one for one in things(stack()) if one.id == "Container/shop-media")
    home = next(one.id for one in stack().of("Project") if one.name == "police")
    public = {**mine.inputs, "containerRead": ".r:*"}
    other = dataclasses.replace(mine, project=home, inputs=public)
    graph = live(stack(), lambda some: [*some, other])
    assert [one.managed for one in graph.resources if one.id == mine.id] == [True, False]


def compared() -> gate.Report:
    """Return a live report with a finding of its own, a shared one, and one of the state alone."""
    here = changed("shop-store-1-data", "Volume", volumeType="standard")
    also = changed("shop-app-1-cache", "Volume", volumeType="standard")
    both = dataclasses.replace(
        here,
        resources=[
            dataclasses.replace(one, inputs={**one.inputs, "adminStateUp": False})
            if one.name == "shop-web-1" and kind_of(one) == "Port"
            else one
            for one in here.resources
        ],
    )
    others = {Source.PREVIEW: view(here), Source.STATE: view(also)}
    return gate.judge(view(both), on=Source.LIVE, others=others)


def test_a_live_report_says_where_the_three_differ() -> None:
    """For each finding, and what only the others have; only live findings close the gate."""
    told = compared().as_json()
    also = {
        (one["rule"], one["urn"].rpartition("::")[2]): one["also_on"] for one in told["violations"]
    }
    assert also == {
        ("encryption-volume", "shop-store-1-data"): ["preview"],
        ("lifecycle-switched-off", "shop-web-1"): [],
    }
    (missing,) = told["elsewhere"]
    assert (missing["urn"].rpartition("::")[2], missing["on"]) == ("shop-app-1-cache", ["state"])
    sound = gate.judge(view(stack()), on=Source.LIVE, others={Source.STATE: view(bad_stack())})
    assert sound.passed
    assert len(sound.elsewhere) >= len(MISTAKES)


def test_a_waiver_can_be_meant_for_the_live_cloud_alone() -> None:
    """There it has to match, and elsewhere it need not."""
    only_live = waiver(on=["live"])
    assert gate.judge(view(stack()), [only_live]).passed
    assert not gate.judge(view(stack()), [only_live], on=Source.LIVE).passed


def test_sarif_and_junit_say_where_the_three_differ() -> None:
    """As properties and as informational results; as the suite's own words."""
    report = compared()
    results = json.loads(json.dumps(reports.sarif(report)))["runs"][0]["results"]
    assert [one["properties"] for one in results] == [
        {"alsoOn": ["preview"]},
        {"alsoOn": []},
        {"onlyOn": ["state"]},
    ]
    assert [one.get("kind", "fail") for one in results] == ["fail", "fail", "informational"]
    suite = ET.fromstring(reports.junit(report)).find("testsuite")  # noqa: S314 - our own text
    assert suite is not None
    lines = (suite.findtext("system-out") or "").splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "only on live, preview",
        "only on live",
        "only on state",
    ]


def test_a_rule_that_fails_on_another_source_is_told() -> None:
    """What cannot be compared is not taken for agreement."""

    def check(seen: Any) -> Any:
        if seen.graph is not stack():
            raise ZeroDivisionError
        yield from ()

    text = "A text that is long enough."
    rule = Rule(about("exposure-broken", "low", text, text, text, text), (), check)
    others = {Source.STATE: view(bad_stack())}
    report = gate.judge(view(stack()), on=Source.LIVE, rules=[rule], others=others)
    assert [one.message for one, _ in report.elsewhere] == ["the rule failed: ZeroDivisionError: "]
