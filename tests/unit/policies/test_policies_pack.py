"""The CrossGuard pack over its own protocol says what the rules say."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]  # it has no types
import pytest
from google.protobuf import (  # type: ignore[import-untyped]  # it has no types
    empty_pb2,
    struct_pb2,
)
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

import catalogue
import policies
from catalogue.model import Profile
from infra import offline
from infra.graph import Graph, Resource
from infra.settings import Settings
from policies import gate
from policies.rules import RULES
from policies.sources import UNKNOWN_TEXTS
from policies.view import UNKNOWN, View

PACK = Path(policies.__file__).parent
TOWN = Path(__file__).parents[1] / "catalogue" / "base"
UNKNOWN_TEXT = min(UNKNOWN_TEXTS)
WRONG: dict[str, dict[str, Any]] = {
    "batch-backup": {"containerRead": ".r:*", "versioning": False},
    "web": {"adminStateUp": False},
    "small": {"ephemeral": UNKNOWN},
}
"""Inputs that the stack is given besides its own, by the resource's name."""


@pytest.fixture(scope="module")
def analyzer() -> Iterator[Any]:
    """Return the running pack."""
    config = {"citydc:profile": "lab", "citydc:catalogue": str(TOWN)}
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PULUMI_CONFIG": json.dumps(config)}
    with subprocess.Popen(
        [sys.executable, str(PACK)], stdout=subprocess.PIPE, cwd=PACK, env=environment
    ) as process:
        assert process.stdout
        try:
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def stacks() -> dict[str, Graph]:
    """Return the stacks of both sites of the town."""
    known = catalogue.load(TOWN)
    return {one.id: offline.run(Settings(known, one, Profile.LAB)) for one in known.sites.values()}


@pytest.mark.parametrize("wrong", [False, True], ids=["sound", "broken"])
def test_the_pack_finds_what_the_gate_finds(
    analyzer: Any, stacks: dict[str, Graph], *, wrong: bool
) -> None:
    """Policy by policy, resource by resource, what is unknown included."""
    known = catalogue.load(TOWN)
    graph = broken(stacks["main"]) if wrong else stacks["main"]
    answer = analyzer.AnalyzeStack(asked(graph))
    view = View(graph, known, known.sites["main"], Profile.LAB, {"backup": stacks["backup"]})
    found = gate.find(view)
    told = {(one.policyName, one.urn, one.message.partition("\n")[2]) for one in answer.diagnostics}
    assert told == {(one.rule, one.urn, one.message) for one in (*found.violations, *found.unknown)}
    assert bool(found.unknown) is wrong
    assert not found.errors
    assert {one.enforcementLevel for one in answer.diagnostics} <= {analyzer_pb2.MANDATORY}


def test_the_pack_tells_every_rule(analyzer: Any) -> None:
    """With title, severity, framework and remedy, all mandatory."""
    told = {one.name: one for one in analyzer.GetAnalyzerInfo(empty_pb2.Empty()).policies}
    assert told.keys() == {*(one.id for one in RULES), "waivers"}
    assert {one.enforcementLevel for one in told.values()} == {analyzer_pb2.MANDATORY}
    for rule in RULES:
        said = told[rule.id]
        assert said.description == rule.about.title.en
        assert said.remediation_steps == rule.about.remedy
        assert said.framework.reference == rule.about.frameworks[0].clause
        assert said.severity


def broken(graph: Graph) -> Graph:
    """Return the stack with some inputs wrong and one unknown."""
    return Graph(
        [
            dataclasses.replace(one, inputs={**one.inputs, **WRONG.get(one.name, {})})
            for one in graph.resources
        ],
        graph.outputs,
    )


def asked(graph: Graph) -> Any:
    """Return the stack as the CLI hands it over."""
    resources = {one.urn: one for one in graph.resources}
    return analyzer_pb2.AnalyzeStackRequest(
        resources=[_told(one, resources, graph) for one in graph.resources]
    )


def _told(one: Resource, resources: dict[str, Resource], graph: Graph) -> Any:
    outputs = graph.outputs if one.type == "pulumi:pulumi:Stack" else {}
    told = analyzer_pb2.AnalyzerResource(
        type=one.type,
        name=one.name,
        urn=one.urn,
        parent=one.parent,
        dependencies=list(one.dependencies),
        properties=_struct({**one.inputs, **outputs, **({"id": one.id} if one.id else {})}),
        options=analyzer_pb2.AnalyzerResourceOptions(protect=one.protect, parent=one.parent),
        propertyDependencies={
            name: analyzer_pb2.AnalyzerPropertyDependencies(urns=list(urns))
            for name, urns in one.property_dependencies.items()
        },
    )
    if provider := resources.get(one.provider):
        told.provider.CopyFrom(
            analyzer_pb2.AnalyzerProviderResource(
                type=provider.type, urn=provider.urn, name=provider.name
            )
        )
    return told


def _struct(values: dict[str, Any]) -> Any:
    struct = struct_pb2.Struct()
    struct.update({name: UNKNOWN_TEXT if one is UNKNOWN else one for name, one in values.items()})
    return struct
