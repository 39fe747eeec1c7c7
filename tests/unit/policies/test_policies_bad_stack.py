"""A stack with many mistakes at once: each is found, in a first preview and in the state."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_town import stack, view
from test_policies_gate import without_ids

from infra.graph import Graph, Resource
from policies import gate
from policies.view import kind_of

MISTAKES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("bad_stack.yaml").read_text(encoding="utf-8")
)


def bad_stack() -> Graph:
    """Return the town's stack with all the mistakes."""
    made = {one["resource"]: one for one in MISTAKES}
    resources = [_with(one, made.get(_name(one), {})) for one in stack().resources]
    return Graph(resources, stack().outputs)


def _name(one: Resource) -> str:
    return f"{kind_of(one)}/{one.name}"


def _with(one: Resource, mistake: dict[str, Any]) -> Resource:
    inputs = {**one.inputs, **mistake.get("set", {})}
    return dataclasses.replace(
        one,
        inputs={name: value for name, value in inputs.items() if value is not None},
        protect=mistake.get("protect", one.protect),
    )


def test_the_mistakes_are_many_and_of_many_kinds() -> None:
    """Thirty at least, each on a resource of its own that the town has, found by its own rule."""
    names = {_name(one) for one in stack().resources}
    assert {one["resource"] for one in MISTAKES} <= names
    assert len({one["resource"] for one in MISTAKES}) == len(MISTAKES) >= 30
    assert len({one["rule"] for one in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize("on", ["preview", "state"])
def test_every_mistake_is_found(on: str) -> None:
    """By the rule that is for it, at the resource that it was made on."""
    graph = without_ids(bad_stack()) if on == "preview" else bad_stack()
    found = gate.find(view(graph))
    by_urn = {one.urn: _name(one) for one in graph.resources}
    told = {(one.rule, by_urn[one.urn]) for one in found.violations}
    missed = [one for one in MISTAKES if (one["rule"], one.get("at", one["resource"])) not in told]
    assert missed == []
    assert found.errors == []
    assert found.unknown == []
