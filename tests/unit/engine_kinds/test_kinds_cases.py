"""What each resource type asks of OpenStack, situation by situation (cases/*.yaml)."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from scripted_cloud import ScriptedCloud

from catalogue.errors import OutsideError
from lab.engine.cloud import ApiError, Cloud, StateError
from lab.engine.kinds import INVOKES, KINDS
from lab.engine.kinds.base import Kind, Stray, Values

CASES = sorted((pathlib.Path(__file__).parent / "cases").glob("*.yaml"))


def _ways(case: dict[str, Any], kind: Kind, cloud: Cloud) -> dict[str, Callable[[], Any]]:
    inputs = dict(kind.defaults) | case.get("inputs", {})
    ident = case.get("id", "")
    return {
        "create": lambda: kind.create(cloud, inputs),
        "create and read": lambda: _create_and_read(kind, cloud, inputs),
        "read": lambda: kind.read(cloud, ident, inputs, body=case.get("body")),
        "find": lambda: kind.find(cloud, inputs),
        "resume": lambda: kind.resume(cloud, ident, inputs),
        "settle": lambda: kind.settle(cloud, ident),
        "listing": lambda: kind.listing(cloud),
        "update": lambda: kind.update(cloud, ident, inputs, case["old"], case["changed"]),
        "delete": lambda: kind.delete(cloud, ident, case.get("outputs", inputs)),
        "strays": lambda: kind.strays(cloud, ident, set(case["known"])),
        "remove stray": lambda: kind.remove_stray(cloud, ident),
        "check": lambda: kind.check(inputs),
    }


def _create_and_read(kind: Kind, cloud: Cloud, inputs: Values) -> Values | None:
    made = kind.create(cloud, inputs)
    kind.settle(cloud, made)
    return kind.read(cloud, made, inputs)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_type_asks_and_tells_as_the_case_says(
    path: pathlib.Path, cloud: Cloud, server: ScriptedCloud
) -> None:
    """The calls are those of the case, in their order, and the outcome is the case's."""
    case = yaml.safe_load(path.read_text())
    server.plays(case.get("http", []))
    if case["do"] == "invoke":
        outcome = INVOKES[case["type"]](cloud, case["inputs"])
    elif "fails" in case:
        with pytest.raises(OutsideError, match=case["fails"]["says"]) as caught:
            _ways(case, KINDS[case["type"]], cloud)[case["do"]]()
        outcome = None
        assert isinstance(caught.value, (ApiError, StateError))
        assert caught.value.reason.value == case["fails"]["reason"]
    else:
        outcome = _ways(case, KINDS[case["type"]], cloud)[case["do"]]()
    assert server.problems == []
    assert server.script == []
    if isinstance(outcome, list):
        outcome = [
            {"id": one.id, "description": one.description} if isinstance(one, Stray) else one
            for one in outcome
        ]
    if "gives" in case and isinstance(case["gives"], dict) and case["do"] in ("read", "invoke"):
        outcome = {name: outcome.get(name) for name in case["gives"]}
    assert outcome == case.get("gives")
