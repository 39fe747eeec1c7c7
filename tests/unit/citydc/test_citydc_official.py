"""The official CLI, driven through the Automation API; a small program stands for the CLI."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue.errors import BadInputError, OutsideError
from citydc.official import CLOSED, Official
from citydc.project import Project
from lab.engine import crypter

URN = "urn:pulumi:main::citydc::openstack:networking/network:Network::net"


class Cli:
    """What the stand-in is to answer, and what it was asked."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.answer()

    def answer(
        self,
        *events: dict[str, Any],
        stderr: str = "",
        code: int = 0,
        resources: tuple[dict[str, Any], ...] = (),
    ) -> None:
        """Set the answer; `resources` is the stack's state."""
        state = {"version": 3, "deployment": {"resources": resources}}
        told = {"events": events, "stderr": stderr, "code": code, "state": state, "calls": []}
        self.file.write_text(json.dumps(told), encoding="utf-8")

    @property
    def calls(self) -> list[dict[str, Any]]:
        """How it was called."""
        return list(json.loads(self.file.read_text(encoding="utf-8"))["calls"])

    def call(self, verb: str) -> dict[str, Any]:
        """Return the call of this verb."""
        return next(one for one in self.calls if one["arguments"][0] == verb)


class Silent:
    """Progress that nobody looks at."""

    def step(self, op: str, urn: str) -> None:
        """Do nothing."""

    def log(self, message: str) -> None:
        """Do nothing."""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a stand-in for the CLI, on PATH."""
    for name in list(os.environ):
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    script = tmp_path / "bin" / "pulumi"
    script.parent.mkdir()
    fake = Path(__file__).with_name("fake_pulumi.py")
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FAKE_PULUMI", str(tmp_path / "told.json"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open sesame")
    monkeypatch.setenv("OS_AUTH_URL", "https://city/v3")
    monkeypatch.setenv("OS_USERNAME", "deployer")
    monkeypatch.setenv("OS_PASSWORD", "hush")
    monkeypatch.setenv("OS_PROJECT_NAME", "operations")
    return Cli(tmp_path / "told.json")


@pytest.fixture
def engine(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Official:
    """Return the engine over a small project."""
    assert cli.file.exists()
    monkeypatch.setattr(crypter, "_ITERATIONS", 10)
    (tmp_path / "Pulumi.yaml").write_text("name: citydc\nruntime: python\n")
    return Official(Project(tmp_path), "main", "main")


def _step(op: str, urn: str = URN, *, done: bool = False, **more: Any) -> dict[str, Any]:
    """Return the event of a step's beginning or of its end."""
    metadata = {"op": op, "urn": urn, "type": "t", "old": None, "provider": "p", **more}
    return {"resOutputsEvent" if done else "resourcePreEvent": {"metadata": metadata}}


def _error(text: str, urn: str = "") -> dict[str, Any]:
    """Return the event of a diagnostic, as the engine writes it."""
    return {
        "diagnosticEvent": {
            **({"urn": urn} if urn else {}),
            "prefix": "<{%fg 1%}>error: <{%reset%}>",
            "message": f"<{{%reset%}}>{text}<{{%reset%}}>\n",
            "color": "raw",
            "severity": "error",
        }
    }


SUMMARY = {
    "summaryEvent": {
        "maybeCorrupt": False,
        "durationSeconds": 1,
        "resourceChanges": {},
        "policyPacks": {},
    }
}


def test_preview_counts_steps_and_lists_what_changes(cli: Cli, engine: Official) -> None:
    """A replacement counts once, though the CLI tells of its parts too."""
    cli.answer(
        _step("create", URN + "1"),
        _step("same", URN + "2"),
        _step("update", URN + "3", detailedDiff={"tags[0]": {"diffKind": "update"}}),
        _step("create-replacement", URN + "4"),
        _step("replace", URN + "4", diffs=["cidr"]),
        _step("delete-replaced", URN + "4"),
        SUMMARY,
    )
    outcome = engine.preview(Silent())
    assert outcome.as_json()["changes"] == {
        "create": 1,
        "update": 1,
        "replace": 1,
        "delete": 0,
        "same": 1,
    }
    assert [(one.op, list(one.lines)) for one in outcome.resources] == [
        ("create", []),
        ("update", ["update: tags[0]"]),
        ("replace", ["update: cidr"]),
    ]
    assert outcome.engine == "pulumi"
    assert not outcome.errors


def test_deploy_refreshes_first(cli: Cli, engine: Official) -> None:
    """What was changed by hand is repaired, as with the embedded engine; looking is no change."""
    other = f"{URN}2"
    cli.answer(
        _step("refresh"),
        _step("refresh", other),
        _step("refresh", done=True),
        _step("refresh", other, done=True),
        _step("update"),
        _step("same", other),
        _step("same", other, done=True),
        _step("update", done=True),
        SUMMARY,
    )
    assert engine.deploy(Silent()).changes == {"update": 1, "same": 1}
    assert {"--refresh", "--yes"} <= set(cli.call("up")["arguments"])


def test_drift_tells_what_refreshing_came_to(cli: Cli, engine: Official) -> None:
    """
    Every resource begins as "refresh"; its end says whether it is the same, changed or gone.

    A resource may be there twice, when its replacement was cut short.
    """
    changed = {"diffs": ["tags"], "detailedDiff": {"tags[0]": {"diffKind": "add"}}}
    cli.answer(
        *(_step("refresh", URN + name) for name in ("1", "2", "3", "3")),
        _step("same", URN + "1", done=True),
        _step("update", URN + "2", done=True, **changed),
        _step("delete", URN + "3", done=True),
        _step("same", URN + "3", done=True),
        SUMMARY,
    )
    outcome = engine.drift(Silent())
    assert outcome.changes == {"same": 2, "update": 1, "delete": 1}
    assert [(one.urn, one.op, list(one.lines)) for one in outcome.resources] == [
        (URN + "2", "update", ["add: tags[0]"]),
        (URN + "3", "delete", []),
    ]
    assert "--preview-only" in cli.call("refresh")["arguments"]


def test_stack_without_drift_is_not_changed(cli: Cli, engine: Official) -> None:
    """That all was looked at is no change."""
    cli.answer(_step("refresh"), _step("same", done=True), SUMMARY)
    assert not engine.drift(Silent()).changed


def test_destroy_calls_its_verb(cli: Cli, engine: Official) -> None:
    """A deletion counts once, though the CLI tells of its beginning and end."""
    cli.answer(_step("delete"), _step("delete", done=True), SUMMARY)
    assert engine.destroy(Silent()).changes == {"delete": 1}


def test_secrets_stay_out_of_the_command_line(cli: Cli, engine: Official) -> None:
    """Passphrase and password go by environment and a file, which is gone afterwards."""
    cli.answer(SUMMARY)
    engine.preview(Silent())
    call = cli.call("preview")
    assert call["variables"]["PULUMI_CONFIG_PASSPHRASE"] == "open sesame"
    assert call["variables"]["OS_PASSWORD"] == ""
    assert call["variables"]["OS_PROJECT_NAME"] == ""
    clouds = yaml.safe_load(call["clouds"])["clouds"]
    assert clouds["main"]["auth"]["password"] == "hush"
    assert clouds["main"]["auth"]["project_name"] == "operations"
    assert "hush" not in " ".join(call["arguments"])
    assert not Path(call["variables"]["OS_CLIENT_CONFIG_FILE"]).exists()


def test_clouds_file_of_the_user_is_left_alone(
    cli: Cli, engine: Official, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an entry in clouds.yaml that file is used; other OS_* is emptied all the same."""
    file = tmp_path / "clouds.yaml"
    file.write_text(yaml.safe_dump({"clouds": {"main": {"auth": {"auth_url": "https://c/v3"}}}}))
    file.chmod(stat.S_IRUSR)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    monkeypatch.setenv("OS_CLOUD", "other")
    cli.answer(SUMMARY)
    engine.preview(Silent())
    variables = cli.call("preview")["variables"]
    assert variables["OS_CLIENT_CONFIG_FILE"] == str(file)
    assert variables["OS_CLOUD"] == ""


def test_failing_resource_is_reported_as_one_error(cli: Cli, engine: Official) -> None:
    """The diagnostic becomes the error; the CLI's closing words are none."""
    said = (_error("quota exceeded", URN), _error("update failed"))
    cli.answer(*said, SUMMARY, stderr="error: update failed", code=255)
    (error,) = engine.deploy(Silent()).errors
    assert isinstance(error, OutsideError)
    assert error.what == "openstack:networking/network:Network net failed"
    assert (error.why, error.place) == ("quota exceeded", URN)
    assert error.remedy


STACK = "urn:pulumi:main::citydc::pulumi:pulumi:Stack::citydc-main"
TRACEBACK = """Program failed with an unhandled exception:
Traceback (most recent call last):
  File "/city/infra/program.py", line 3, in declare
    raise ValueError("no such flavor")
ValueError: no such flavor
"""


@pytest.mark.parametrize(
    ("told", "what", "why"),
    [
        (
            [(TRACEBACK, STACK)],
            "the Pulumi program failed",
            "ValueError: no such flavor",
        ),
        (
            [("Program failed with an unhandled exception:", ""), (TRACEBACK[44:], "")],
            "the Pulumi program failed",
            "ValueError: no such flavor",
        ),
        (
            [(str(BadInputError("no site", why="no file", remedy="write it")), STACK)],
            "no site",
            "no file",
        ),
        (
            [("Authentication failed", URN), ("Authentication failed", f"{URN}2")],
            "the cloud refuses the credentials",
            "Authentication failed",
        ),
    ],
)
def test_what_the_user_gave_wrong_is_bad_input(
    cli: Cli, engine: Official, told: list[tuple[str, str]], what: str, why: str
) -> None:
    """A fault of the program and a wrong password are one error, and the user's."""
    said = [_error(text, urn) for text, urn in told]
    cli.answer(*said, _error("preview failed"), SUMMARY, code=255)
    (error,) = engine.preview(Silent()).errors
    assert isinstance(error, BadInputError)
    assert (error.what, error.why) == (what, why)
    assert error.remedy


@pytest.mark.parametrize(
    ("stderr", "kind", "what"),
    [
        ("error: incorrect passphrase", BadInputError, "passphrase"),
        ("error: the stack is currently locked by 1 lock(s)", OutsideError, "in use"),
        ("error: no space left on device", OutsideError, "official CLI failed"),
    ],
)
def test_failure_of_the_cli_is_explained(
    cli: Cli, engine: Official, stderr: str, kind: type[Exception], what: str
) -> None:
    """A wrong passphrase is the user's; a lock and the rest come from outside."""
    cli.answer(stderr=stderr, code=255)
    (error,) = engine.deploy(Silent()).errors
    assert isinstance(error, kind)
    assert what in error.what


def test_the_stack_after_a_deploy_is_told_as_a_checkpoint(cli: Cli, engine: Official) -> None:
    """What is there afterwards, with secrets closed; what is deleted is left out."""
    state = {"type": "t", "urn": URN, "id": "", "parent": "", "provider": "p::1", "protect": True}
    new = {**state, "inputs": {"name": "net", "password": "[secret]"}, "outputs": {}}
    cli.answer(_step("create", new=new), _step("delete", URN + "2", old=new), SUMMARY)
    (found,) = engine.checkpoint(Silent(), deployed=False)["resources"]
    assert (found["urn"], found["protect"], found["inputs"]["name"]) == (URN, True, "net")
    assert found["inputs"]["password"] == CLOSED


def _planned(mtu: int, urn: str = URN) -> dict[str, Any]:
    """Return the step of a network that is updated to an MTU."""
    state = {"type": "t", "urn": urn, "id": "1", "parent": "", "provider": "p::1", "protect": False}
    return _step("update", urn, new={**state, "inputs": {"mtu": mtu}, "outputs": {}})


def _found(mtu: int) -> dict[str, Any]:
    """Return what the CLI tells of a network once it has read it from the cloud."""
    state = {"type": "t", "urn": URN, "id": "1", "parent": "", "provider": "p::1", "protect": False}
    return _step("refresh", done=True, new={**state, "inputs": {"mtu": mtu}, "outputs": {}})


BEFORE = {"urn": URN, "inputs": {"secret": {"ciphertext": "v1:1"}}, "modified": "1"}


def test_plan_is_the_clis_own_and_the_deploy_is_held_to_it(cli: Cli, engine: Official) -> None:
    """It is made by what the cloud has, and given back to the CLI as it was."""
    cli.answer(_step("refresh"), _found(1400), _planned(1500), SUMMARY, resources=(BEFORE,))
    outcome, plan = engine.plan(Silent())
    assert plan is not None
    assert {"--refresh", "--save-plan"} <= set(cli.call("preview")["arguments"])
    assert outcome.changes == {"update": 1}
    assert [step.op for step in plan.steps.values()] == ["update"]
    again = {**BEFORE, "inputs": {"secret": {"ciphertext": "v1:2"}}}
    cli.answer(_step("refresh"), _found(1400), _planned(1500), SUMMARY, resources=(again,))
    assert not engine.deploy(Silent(), plan).errors
    assert json.loads(cli.call("up")["plan"]) == plan.native
    assert {"--refresh", "--plan"} <= set(cli.call("up")["arguments"])


@pytest.mark.parametrize(
    ("events", "state", "cause"),
    [
        ((_found(1400), _planned(1500)), {**BEFORE, "modified": "2"}, "another run"),
        ((_found(1300), _planned(1500)), BEFORE, "by hand"),
        ((_found(1400), _planned(1600)), BEFORE, "the program"),
        ((_found(1400), _planned(1500), _planned(1500, URN + "2")), BEFORE, "net2"),
    ],
)
def test_plan_that_does_not_hold_is_refused_before_the_cli_changes_anything(
    cli: Cli, engine: Official, events: Any, state: dict[str, Any], cause: str
) -> None:
    """The state has moved on, the cloud was changed, the program is another."""
    looking = _step("refresh")
    cli.answer(looking, _found(1400), _planned(1500), SUMMARY, resources=(BEFORE,))
    _, plan = engine.plan(Silent())
    cli.answer(looking, *events, SUMMARY, resources=(state,))
    (error,) = engine.deploy(Silent(), plan).errors
    assert error.exit_code == 2
    assert cause in error.why
    assert all(call["arguments"][0] != "up" for call in cli.calls)


def test_plan_that_fails_is_none(cli: Cli, engine: Official) -> None:
    """The CLI's failure is told; there is nothing to approve, and nothing to deploy."""
    cli.answer(stderr="error: no space left on device", code=255)
    outcome, plan = engine.plan(Silent())
    assert (len(outcome.errors), plan) == (1, None)
