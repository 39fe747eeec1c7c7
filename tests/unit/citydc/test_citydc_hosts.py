"""The verbs that work on hosts: what they take, and what a run or a verification means."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from catalogue.errors import BadInputError, OutsideError
from citydc import configuring, hostkeys, verifying
from citydc.configuring import Happening, Run
from citydc.hosts import Fleet
from citydc.main import main
from citydc.verifying import Verification
from infra.outputs import Host, Outputs
from playbooks.access import Access

CONSOLE = """
[    0.0] booting
ci-info: no authorized SSH keys fingerprints found
-----BEGIN SSH HOST KEY KEYS-----
ecdsa-sha2-nistp256 AAAAE2 root@a-1
ssh-ed25519 AAAAC3 root@a-1
-----END SSH HOST KEY KEYS-----
a-1 login:
"""


def test_host_key_is_what_the_console_shows_last() -> None:
    """The Ed25519 key between the usual lines, of the last boot; half a block is none."""
    assert hostkeys.printed(CONSOLE) == "ssh-ed25519 AAAAC3"
    assert hostkeys.printed(CONSOLE + CONSOLE.replace("C3", "C4")) == "ssh-ed25519 AAAAC4"
    assert hostkeys.printed(CONSOLE.partition("-----END")[0]) is None
    assert hostkeys.printed("ssh-ed25519 AAAAC3") is None


def test_hosts_with_a_key_are_not_asked_for_it(tmp_path: Path) -> None:
    """A server that was replaced loses its key; one added by hand and one of now are known."""
    file = tmp_path / "known_hosts"
    file.write_text("a-1 ssh-ed25519 AAAA\na-2 ssh-ed25519 AAAA old\na-3 ssh-ed25519 AAAA now\n")
    named = [
        Host.model_construct(name=name, id=id_)
        for name, id_ in (("a-1", "x"), ("a-2", "new"), ("a-3", "now"), ("a-4", "y"))
    ]
    assert [one.name for one in hostkeys.missing(file, named)] == ["a-2", "a-4"]
    assert "old" not in file.read_text()


class _Compute:
    """A compute API whose servers have shown this console."""

    def __init__(self, consoles: dict[str, str]) -> None:
        self.compute = self
        self._consoles = consoles

    def get_server_console_output(self, server: str, length: int) -> dict[str, str]:
        assert length
        return {"output": self._consoles[server]}


def test_keys_are_learnt_from_consoles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a console shows becomes the host's line; a host that shows none is named."""
    file = tmp_path / "known_hosts"
    file.touch()
    cloud = _Compute({"x": CONSOLE, "y": "booting"})
    monkeypatch.setattr("citydc.hostkeys.openstack.connect", lambda **_: cloud)
    named = [Host.model_construct(name="a-1", id="x"), Host.model_construct(name="a-2", id="y")]
    assert hostkeys.learn(file, named, "main") == ["a-2"]
    assert file.read_text() == "a-1 ssh-ed25519 AAAAC3 x\n"


INVENTORY: dict[str, dict[str, Any]] = {
    "_meta": {"hostvars": {"a-1": {}, "a-2": {}, "b-1": {}}},
    "all": {"vars": {}},
    "service_a": {"hosts": ["a-1", "a-2"]},
}
FLEET = Fleet(Access.__new__(Access), INVENTORY)


@pytest.mark.parametrize(
    ("limit", "hosts"),
    [
        (None, ["a-1", "a-2", "b-1"]),
        ("a-2", ["a-2"]),
        ("service_a,!a-1", ["a-2"]),
        ("a-*:&service_a", ["a-1", "a-2"]),
        ("all", ["a-1", "a-2", "b-1"]),
    ],
)
def test_limit_means_what_it_means_to_ansible(limit: str | None, hosts: list[str]) -> None:
    """Names, groups, patterns, exclusion and intersection."""
    assert FLEET.chosen(limit) == hosts


@pytest.mark.parametrize(("limit", "said"), [("a-3", "did you mean"), ("a-1,!a-1", "none")])
def test_limit_without_a_host_is_refused(limit: str, said: str) -> None:
    """A misspelt name is told the nearest; a pattern that leaves nothing is told so."""
    with pytest.raises(BadInputError, match=said):
        FLEET.chosen(limit)


def test_unknown_tag_is_refused() -> None:
    """The roles' names are the tags."""
    configuring.require_tags(["firewall", "ssh"])
    with pytest.raises(BadInputError, match='did you mean "firewall"'):
        configuring.require_tags(["firewal"])


def _events() -> list[dict[str, Any]]:
    return [
        {"event": "playbook_on_task_start", "event_data": {}},
        {"event": "runner_on_ok",
         "event_data": {"host": "a-1", "task": "Write", "role": "ssh", "res": {"changed": True}}},
        {"event": "runner_on_ok",
         "event_data": {"host": "a-1", "task": "Look", "task_action": "ansible.builtin.debug",
                        "res": {"msg": "nobody is told"}}},
        {"event": "runner_on_failed",
         "event_data": {"host": "a-2", "task": "Validating arguments against arg spec 'main'",
                        "res": {"argument_errors": ["x is of the wrong kind"], "msg": "no"}}},
        {"event": "playbook_on_stats",
         "event_data": {"ok": {"a-1": 1}, "changed": {"a-1": 1}, "failures": {"a-2": 1}}},
    ]  # fmt: skip


def test_run_is_told_by_its_events() -> None:
    """Counts by host, changes, notices, and failures with why; wrong variables are bad input."""
    run, told = Run("main", check=False), []
    for event in _events():
        configuring._take(event, run, lambda host, task: told.append((host, task)))
    assert run.hosts["a-1"] == {"ok": 1, "changed": 1, "failed": 0, "unreachable": 0}
    assert run.changes == [Happening("a-1", "ssh: Write")]
    assert [one.said for one in run.notices] == ["nobody is told"]
    assert run.failures[0].said == "x is of the wrong kind"
    assert run.exit_code == 2
    assert len(told) == 3
    assert json.dumps(run.as_json())


@pytest.mark.parametrize(("said", "changes"), [("\x1b[0;33mchanged: [a-1]", 1), ("ok: [a-1]", 0)])
def test_change_of_a_task_with_a_secret_is_counted(said: str, changes: int) -> None:
    """Its result is hidden; what Ansible prints tells whether it changed anything."""
    run = Run("main", check=False)
    data = {"host": "a-1", "task": "Write", "res": {"censored": "the output has been hidden"}}
    event = {"event": "runner_on_ok", "event_data": data, "stdout": said}
    configuring._take(event, run, lambda *_: None)
    assert len(run.changes) == changes


def test_hosts_that_fail_are_an_outside_failure() -> None:
    """3 as soon as anything but a variable is wrong."""
    wrong = Happening("a-1", f"{configuring.ARGUMENTS} 'main'", "x")
    assert Run("main", check=False).exit_code == 0
    assert Run("main", check=False, failures=[wrong, Happening("a-2", "Write")]).exit_code == 3
    lost = [Happening("a-2", "Ask")]
    assert Run("main", check=False, failures=[wrong], unreachable=lost).exit_code == 3


def _record(
    control: str, host: str, *, passed: bool = True, proof: str = "applied"
) -> dict[str, Any]:
    return {"control": control, "host": host, "passed": passed, "proof": proof,
            "expected": "a", "found": "b", "when": "", "commands": []}  # fmt: skip


def test_verification_is_told_as_promised() -> None:
    """The shape that pipelines rely on, and the code that tells what was found."""
    records = [
        _record("a", "h1"),
        _record("a", "h2", proof="written"),
        _record("b", "h1", passed=False),
    ]
    found = Verification("main", 1.0, Path("e"), records, {})
    data = found.as_json()
    assert {key: data[key] for key in ("controls", "hosts", "passed", "written")} == {
        "controls": 2, "hosts": 2, "passed": 2, "written": 1,
    }  # fmt: skip
    assert data["failed"] == [{"control": "b", "host": "h1", "expected": "a", "found": "b"}]
    assert found.exit_code == 1
    assert Verification("main", 1.0, Path("e"), records[:2], {}).exit_code == 0
    assert Verification("main", 1.0, Path("e"), records[:2], {"h3": "timeout"}).exit_code == 3


@pytest.mark.parametrize("evidence", ['{"records": [], "unreachable": {}}', None])
def test_check_that_leaves_no_record_is_no_pass(
    evidence: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When pytest fails and no record says why, the verification could not be done."""

    def failing(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        if evidence:
            (tmp_path / "evidence.json").write_text(evidence)
        return subprocess.CompletedProcess([], 1, "KeyError", "")

    monkeypatch.setattr(subprocess, "run", failing)
    access = Access(tmp_path, cast("Outputs", SimpleNamespace(site="main")))
    with pytest.raises(OutsideError, match="could not be run"):
        verifying.run(access, ["a-1"], None)


@pytest.mark.parametrize("verb", ["configure", "verify"])
def test_verb_refuses_what_is_no_output(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is none of a stack's outputs is named, with code 2."""
    file = tmp_path / "outputs.json"
    file.write_text("{}")
    with pytest.raises(SystemExit) as end:
        main([verb, "main", "--outputs", str(file)])
    assert end.value.code == 2
    assert "these are no outputs of a stack" in capsys.readouterr().err
