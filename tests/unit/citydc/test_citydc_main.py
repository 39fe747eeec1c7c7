"""The verbs as a user meets them: what they print, how they exit."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import catalogue
from catalogue.errors import BadInputError, CityDCError, OutsideError
from citydc import engines, main
from citydc.outcome import Change, Outcome, Progress
from lab.control import Lab
from lab.engine import Plan

NET = "urn:pulumi:main::citydc::openstack:networking/network:Network::net"


@dataclass
class Fake:
    """An engine that reports what it is told to."""

    outcome: Outcome
    ran: list[str] = field(default_factory=list)

    def __getattr__(self, verb: str) -> Any:
        def run(progress: Progress, plan: Plan | None = None) -> Outcome:
            assert plan is None
            self.ran.append(verb)
            progress.step("create", NET)
            return self.outcome

        return run


def _outcome(*errors: CityDCError, **changes: int) -> Outcome:
    resources = [Change(NET, op, [{"path": "mtu"}], ["~ mtu: 1 => 2"]) for op in changes]
    return Outcome("main", "fake", changes | {"same": 3}, resources, 1.25, errors)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Return the engine that every site gets."""
    made = Fake(_outcome())
    monkeypatch.setattr(
        engines, "target", lambda _site, _engine: SimpleNamespace(engine=made, headline="engine: x")
    )
    return made


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    return int(ended.value.code or 0)


def test_sound_catalogue_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The city's own catalogue is sound."""
    assert _run("check") == 0
    assert "sound: 2 sites, 15 services" in capsys.readouterr().out


def test_problems_are_all_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder lacks every file; each is a problem with its place, the exit code is 1."""
    assert _run("check", "--catalogue", str(tmp_path), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["sound"]
    assert len(told["problems"]) == len(catalogue.check(tmp_path)) > 3
    assert {"file", "line", "column", "field", "what", "why", "remedy"} == set(told["problems"][0])


def test_catalogue_that_the_project_names_is_the_one_that_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a deploy would read is read, not citydc's own."""
    (tmp_path / "Pulumi.yaml").write_text("name: citydc\n")
    (tmp_path / "Pulumi.main.yaml").write_text("config: {citydc:catalogue: ours}\n")
    (tmp_path / "ours").mkdir()
    monkeypatch.chdir(tmp_path)
    assert _run("check") == 1
    assert str(tmp_path / "ours") in capsys.readouterr().out


def test_deploy_with_json_asks_nobody(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """The result alone is on standard output; so --json needs --yes."""
    assert _run("deploy", "main", "--json") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "--yes" in told.err
    assert fake.ran == []


def test_preview_lists_what_would_change(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """The headline goes to standard error, the result to standard output."""
    fake.outcome = _outcome(create=1, update=1)
    assert _run("preview", "main") == 0
    told = capsys.readouterr()
    assert "engine: x" in told.err
    assert "+ openstack:networking/network:Network net" in told.out
    assert "~ mtu: 1 => 2" in told.out
    assert "main: 1 to create, 1 to update, 3 unchanged (1.2 s)" in told.out


def test_json_is_the_contract(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """The keys that pipelines rely on."""
    fake.outcome = _outcome(delete=1)
    assert _run("preview", "main", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["site"] == "main"
    assert told["engine"] == "fake"
    assert told["changes"] == {"create": 0, "update": 0, "replace": 0, "delete": 1, "same": 3}
    assert told["resources"] == [{"urn": NET, "op": "delete", "diff": [{"path": "mtu"}]}]
    assert told["seconds"] == 1.25


@pytest.mark.parametrize("verb", ["deploy", "destroy"])
def test_nobody_to_ask_is_bad_input(
    fake: Fake, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """Without a terminal and without --yes nothing is done."""
    assert _run(verb, "main") == 2
    assert "--yes" in capsys.readouterr().err
    assert verb not in fake.ran


@pytest.mark.parametrize("verb", ["deploy", "destroy"])
def test_yes_does_it(fake: Fake, verb: str) -> None:
    """With --yes it is done, once, without another preview."""
    assert _run(verb, "main", "--yes") == 0
    assert fake.ran == [verb]


def test_drift_exits_with_1_when_something_differs(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 for nothing, 1 for something; the words say what was done to the cloud."""
    assert _run("drift", "main") == 0
    fake.outcome = _outcome(update=1)
    assert _run("drift", "main") == 1
    assert "1 changed by hand" in capsys.readouterr().out


def test_worst_error_decides_the_exit_code(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """Each error is told with cause and remedy."""
    fake.outcome = _outcome(BadInputError("this"), OutsideError("that", why="full", remedy="wait"))
    assert _run("deploy", "main", "--yes") == 3
    told = capsys.readouterr()
    assert "2 failed" in told.out
    assert "error: that\n  cause: full\n  remedy: wait" in told.err


def test_unforeseen_error_leaves_no_traceback(
    fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The traceback goes to a file that only the user can read."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(engines, "target", lambda *_: 1 / 0)
    assert _run("preview", "main") == 3
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "ZeroDivisionError" in told
    (log,) = tmp_path.glob("citydc-*.log")
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    assert not fake.ran


@pytest.mark.parametrize("arguments", [("preview",), ("nonsense",), ("preview", "main", "--no")])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    """A missing argument, an unknown verb, an unknown option."""
    assert _run(*arguments) == 2


@pytest.mark.parametrize("verb", ["check", "preview", "deploy", "drift", "destroy"])
def test_help_has_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every verb shows how it is called."""
    assert _run(verb, "--help") == 0
    assert f"Example: citydc {verb}" in " ".join(capsys.readouterr().out.split())


def test_ctrl_c_is_told(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and exits as a shell counts an interrupt."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engines, "target", interrupted)
    assert _run("preview", "main") == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert not fake.ran


def test_lab_verbs_when_there_is_no_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The empty state: status says down, down and reset have nothing to do."""
    monkeypatch.setenv("CITYDC_LAB_HOME", str(tmp_path / "lab"))
    monkeypatch.setenv("CITYDC_LAB_PORT", "29000")
    assert _run("lab", "status", "--json") == 1
    status = json.loads(capsys.readouterr().out)
    assert not status["up"]
    assert status["hosts"] == []
    assert _run("lab", "status") == 1
    assert _run("lab", "down") == 0
    assert "was not up" in capsys.readouterr().out
    assert _run("lab", "reset", "--yes") == 0


def test_lab_up_tells_where_its_clouds_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path of clouds.yaml is what a user needs next."""
    monkeypatch.setenv("CITYDC_LAB_HOME", str(tmp_path))
    started = SimpleNamespace(already=False, seconds=9.0)
    monkeypatch.setattr(Lab, "up", lambda _self, _progress: started)
    assert _run("lab", "up") == 0
    assert f"is ready (9.0 s); its clouds are in {tmp_path}/clouds.yaml" in capsys.readouterr().out
