"""The whole city passes the gate, with the waivers that it names."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_town import TODAY

import catalogue
from catalogue.model import Catalogue, Profile
from citydc.embedded import Embedded
from citydc.project import CHECKOUT, Project
from infra import offline
from infra.graph import Graph
from infra.settings import Settings
from lab.engine import deployment
from lab.engine.kinds.invokes import INVOKES
from policies import gate, sources, waivers
from policies.view import View

OTHER = {"main": "backup", "backup": "main"}


@functools.cache
def city() -> Catalogue:
    """Return the city's own catalogue."""
    return catalogue.load()


@functools.cache
def stack(site: str, profile: Profile) -> Graph:
    """Return what the program declares for a site of the city."""
    return offline.run(Settings(city(), city().sites[site], profile))


def judged(graph: Graph, site: str, profile: Profile) -> gate.Report:
    """Return the gate's decision on a stack of the city."""
    peers = {OTHER[site]: stack(OTHER[site], profile)}
    view = View(graph, city(), city().sites[site], profile, peers, TODAY)
    return gate.judge(view, waivers.read())


@pytest.mark.parametrize("site", OTHER)
@pytest.mark.parametrize("profile", list(Profile))
def test_the_whole_city_passes(site: str, profile: Profile) -> None:
    """Only what is waived by name is found, and every waiver holds."""
    report = judged(stack(site, profile), site, profile)
    assert report.closing == []
    assert report.passed
    assert {one.rule for one, _ in report.waived} == (
        {"lifecycle-image-checksum", "lifecycle-image-moving"}
        if profile is Profile.PRODUCTION
        else set()
    )


def test_the_first_preview_of_the_embedded_engine_passes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is there yet, and nothing that a rule needs is unknown."""
    auth = {"auth_url": "http://127.0.0.1:1/v3", "username": "u", "password": "hunter2"}
    cloud = {"auth": {**auth, "project_name": "p"}, "region_name": "main"}
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(yaml.safe_dump({"clouds": {"main": cloud}}), encoding="utf-8")
    (tmp_path / "state").mkdir(mode=0o700)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "state").as_uri())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open sesame")
    monkeypatch.setattr(deployment, "INVOKES", dict.fromkeys(INVOKES, _looked_up))
    made = Embedded._engine

    def without_cloud(self: Embedded, progress: Any) -> Any:
        engine = made(self, progress)
        engine.make_cloud = lambda _: object()  # type: ignore[assignment,return-value]  # asked of nothing
        return engine

    monkeypatch.setattr(Embedded, "_engine", without_cloud)
    found = Embedded(Project(CHECKOUT), "main").checkpoint(_Silent(), deployed=False)
    assert "hunter2" not in json.dumps(found)
    graph = sources.of_checkpoint(found)
    assert {one.urn for one in graph.resources} == {
        one.urn for one in stack("main", Profile.LAB).resources
    }
    assert judged(graph, "main", Profile.LAB).closing == []


def _looked_up(cloud: Any, args: dict[str, Any]) -> dict[str, Any]:
    del cloud
    return {**args, "id": f"{args['name']}-id", "userId": "operator-id"}


class _Silent:
    def step(self, op: str, urn: str) -> None:
        """Do nothing."""

    def log(self, message: str) -> None:
        """Do nothing."""
