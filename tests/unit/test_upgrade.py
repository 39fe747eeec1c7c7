"""Today's program, over the state that a release left, replaces nothing."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from citydc.project import CHECKOUT
from lab.engine import Engine
from lab.engine.kinds import INVOKES

KEPT = sorted((CHECKOUT / "tests" / "releases").glob("*/*.json.gz"))
AUTH = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "p", "project_name": "p"}


def _answer_as_then(resources: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let data sources find what they found when the release was deployed."""
    assignments = [one for one in resources if one["type"].endswith(":RoleAssignment")]
    user = next(one["inputs"]["userId"] for one in assignments if "userId" in one["inputs"])
    external = next(
        one["inputs"]["externalNetworkId"] for one in resources if one["type"].endswith(":Router")
    )

    def role(_cloud: Any, args: dict[str, Any]) -> dict[str, Any]:
        ending = f"-{args['name']}"
        found = {one["inputs"]["roleId"] for one in assignments if one["urn"].endswith(ending)}
        (ident,) = found
        return {**args, "id": ident}

    for name, answer in {
        "openstack:identity/getRole:getRole": role,
        "openstack:identity/getAuthScope:getAuthScope": lambda _, args: {**args, "userId": user},
        "openstack:networking/getNetwork:getNetwork": lambda _, args: {**args, "id": external},
    }.items():
        monkeypatch.setitem(INVOKES, name, answer)


@pytest.mark.parametrize("kept", KEPT, ids=lambda one: "-".join(one.parts[-2:]))
def test_upgrade_replaces_nothing(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a city deployed with the release keeps its servers, volumes and addresses."""
    site = kept.name.split(".")[0]
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(yaml.safe_dump({"clouds": {site: {"auth": AUTH, "region_name": site}}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    state = json.loads(gzip.decompress(kept.read_bytes()))
    _answer_as_then(state["deployment"]["resources"], monkeypatch)
    engine = Engine(CHECKOUT, site, (tmp_path / "state").as_uri(), "release")
    engine.import_state(state)
    result = engine.preview()
    assert [str(one) for one in result.errors] == []
    assert result.changes["same"] > 300
    gone = [one.urn for one in result.resources if one.op in {"replace", "delete"}]
    # Who may talk to whom is the catalogue's, which may change.
    assert [one for one in gone if "secGroupRule:SecGroupRule::" not in one] == []


def test_a_release_is_kept() -> None:
    """The test above has something to compare with: both sites of a release."""
    assert {one.name for one in KEPT} == {"main.json.gz", "backup.json.gz"}
