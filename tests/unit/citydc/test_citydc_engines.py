"""Which engine a site gets."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from catalogue.errors import BadInputError, OutsideError
from citydc import embedded, engines, project
from citydc.embedded import Embedded
from citydc.official import Official
from citydc.outcome import EngineName
from lab.engine import Engine, Plan
from lab.engine.result import Change, Result
from lab.engine.values import Difference

URN = "urn:pulumi:main::citydc::openstack:networking/network:Network::net"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project folder, with a lab's clouds.yaml beside it and no `pulumi` on PATH."""
    for name in list(os.environ):
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    for name in ("Pulumi.yaml", "Pulumi.main.yaml"):
        (tmp_path / name).write_text((project.CHECKOUT / name).read_text())
    (tmp_path / "Pulumi.atlantis.yaml").write_text("config: {}\n")
    lab = tmp_path / "lab"
    lab.mkdir()
    clouds = {"main": {"auth": {"auth_url": "http://127.0.0.1:29000/v3"}}}
    (lab / "clouds.yaml").write_text(yaml.safe_dump({"clouds": clouds}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "")
    monkeypatch.setenv("CITYDC_LAB_HOME", str(lab))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open sesame")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _install_pulumi(place: Path) -> None:
    program = place / "bin" / "pulumi"
    program.parent.mkdir()
    program.touch(mode=0o755)


def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_AUTH_URL", "https://city/v3")


def test_lab_gets_the_embedded_engine(place: Path) -> None:
    """Even where the official CLI is on PATH; the headline says so."""
    _install_pulumi(place)
    found = engines.target("main", None)
    assert isinstance(found.engine, Embedded)
    assert "(the lab)" in found.headline


@pytest.mark.usefixtures("place")
def test_labs_images_come_from_its_own_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue names the mirror of a lab on the usual ports; this one may have others."""
    monkeypatch.setenv("CITYDC_LAB_PORT", "29000")
    found = engines.target("main", None).engine
    assert isinstance(found, Embedded)
    assert found.config == {"mirror": "127.0.0.1:29090"}


def test_another_cloud_gets_the_official_cli(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is on PATH; --engine overrides."""
    _install_pulumi(place)
    _elsewhere(monkeypatch)
    assert isinstance(engines.target("main", None).engine, Official)
    found = engines.target("main", EngineName.EMBEDDED).engine
    assert isinstance(found, Embedded)
    assert found.config is None


@pytest.mark.usefixtures("place")
def test_without_the_cli_the_embedded_engine_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says in the headline that it is not Pulumi's own."""
    _elsewhere(monkeypatch)
    assert "not Pulumi's own" in engines.target("main", None).headline


@pytest.mark.usefixtures("place")
def test_asking_for_a_cli_that_is_not_there_is_bad_input() -> None:
    """The remedy names both ways out."""
    with pytest.raises(BadInputError, match="not on PATH"):
        engines.target("main", EngineName.PULUMI)


@pytest.mark.usefixtures("place")
def test_stack_without_a_site_is_bad_input() -> None:
    """The remedy names the sites of the catalogue."""
    with pytest.raises(BadInputError) as caught:
        engines.target("atlantis", None)
    assert "backup, main" in caught.value.remedy or "main, backup" in caught.value.remedy


@pytest.mark.parametrize("verb", ["preview", "deploy", "drift", "destroy"])
def test_embedded_outcome_is_the_engines_result(
    place: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Counts, changes, errors and what was skipped are passed on; steps are counted."""
    steps: list[str] = []
    logs: list[str] = []
    change = Change(URN, "update", (Difference("mtu", 1, 2),))
    result = Result({"update": 1, "same": 2}, [change], 1.5, {}, [OutsideError("no")], 4)

    class Stub(Engine):
        def __init__(self, *_: Any, listener: Any, **__: Any) -> None:
            self.heard = listener

        def _tell(self) -> Result:
            self.heard.step_started("update", URN)
            self.heard.step_done("update", URN, 0.1)
            self.heard.error(OutsideError("no"))
            self.heard.log("hello")
            return result

        def deploy(self, plan: Plan | None = None) -> Result:
            assert plan is None
            return self._tell()

        preview = drift = destroy = _tell

    monkeypatch.setattr(embedded, "Engine", Stub)
    engine = Embedded(project.Project(place), "main")
    progress = SimpleNamespace(step=lambda op, _urn: steps.append(op), log=logs.append)
    outcome = getattr(engine, verb)(progress)
    assert outcome.as_json() == {
        "site": "main",
        "engine": "embedded",
        "changes": {"create": 0, "update": 1, "replace": 0, "delete": 0, "same": 2},
        "resources": [{"urn": URN, "op": "update", "diff": [{"path": "mtu", "old": 1, "new": 2}]}],
        "seconds": 1.5,
        "errors": [{"what": "no", "why": "", "remedy": "", "place": ""}],
        "skipped": 4,
    }
    assert outcome.resources[0].lines == ["~ mtu: 1 => 2"]
    assert (steps, logs) == (["update"], ["hello"])
