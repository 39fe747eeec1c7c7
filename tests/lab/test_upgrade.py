"""Today's program, over the state that a release left, replaces nothing."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from citydc.project import CHECKOUT
from lab.engine import Engine

RELEASES = Path(__file__).parent / "releases"
KEPT = sorted(RELEASES.glob("*/*.json.gz"))


@pytest.mark.parametrize("kept", KEPT, ids=lambda one: "-".join(one.parts[-2:]))
def test_upgrade_replaces_nothing(
    kept: Path, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a city deployed with the release keeps its servers, volumes and addresses."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds_file))
    site = kept.name.split(".")[0]
    engine = Engine(CHECKOUT, site, tmp_path.as_uri(), "release")
    engine.import_state(json.loads(gzip.decompress(kept.read_bytes())))
    result = engine.preview()
    assert not result.errors
    assert result.changes["same"] > 300
    assert [one.urn for one in result.resources if one.op == "replace"] == []


def test_a_release_is_kept() -> None:
    """The test above has something to compare with: both sites of a release."""
    assert {one.name for one in KEPT} == {"main.json.gz", "backup.json.gz"}
