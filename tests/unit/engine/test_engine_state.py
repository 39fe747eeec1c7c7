"""The state: its format, its place, its locks, and what is wrong with it."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine_stack import NET, SUB, Stack, ops

from catalogue.errors import BadInputError, OutsideError
from lab import files
from lab.engine import Engine
from lab.engine.backend import Backend
from lab.engine.crypter import Crypter


def _mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_the_state_is_in_the_layout_of_pulumis_file_backend(stack: Stack) -> None:
    """Stack file, layout version and backup are where the official CLI looks for them."""
    stack.deploy(NET)
    stack.deploy(NET, SUB)
    root = stack.backend / ".pulumi"
    assert yaml.safe_load((root / "meta.yaml").read_text()) == {"version": 1}
    whole = json.loads(stack.state_file.read_text())
    assert whole["version"] == 3
    assert whole["checkpoint"]["stack"] == "organization/t/dev"
    latest = whole["checkpoint"]["latest"]
    assert latest["secrets_providers"]["type"] == "passphrase"
    assert "pending_operations" not in latest
    before = json.loads(stack.state_file.with_suffix(".json.bak").read_text())
    assert len(before["checkpoint"]["latest"]["resources"]) == len(latest["resources"]) - 1
    assert list(root.rglob("locks/**/*.json")) == []


def test_stacks_may_begin_at_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one that makes the new backend's files meanwhile is in nobody's way."""
    theirs = [Backend(stack.backend.as_uri())]

    def meanwhile(_: int) -> None:
        if theirs:
            theirs.pop().prepare("t")

    monkeypatch.setattr("os.fsync", meanwhile)
    Backend(stack.backend.as_uri()).prepare("t")
    assert (stack.backend / ".pulumi" / "meta.yaml").read_text() == "version: 1\n"
    assert {one.name for one in (stack.backend / ".pulumi").iterdir()} == {"meta.yaml", "stacks"}


def test_nobody_else_may_read_the_state(stack: Stack) -> None:
    """Files are 0600, folders 0700."""
    stack.deploy(NET)
    for path in [stack.backend, *stack.backend.rglob("*")]:
        assert _mode(path) == ("0o700" if path.is_dir() else "0o600"), path


def test_each_resource_stands_after_what_it_needs(stack: Stack) -> None:
    """No reference in the state points forward or to nothing, in whatever run it was made."""
    stack.deploy(NET, SUB)
    stack.deploy(NET.replace("mtu=1400", 'availability_zone_hints=["a"]'), SUB)
    seen: set[str] = set()
    for one in stack.engine().export_state()["deployment"]["resources"]:
        needed = {*one.get("dependencies", ()), one.get("parent")} - {None}
        needed |= {one["provider"].rpartition("::")[0]} if one.get("provider") else set()
        assert needed <= seen
        seen.add(one["urn"])


def test_an_export_can_be_imported(stack: Stack, tmp_path: Path) -> None:
    """An export is a deployment of version 3; imported elsewhere, nothing is to be done."""
    stack.deploy(NET, SUB)
    exported = json.loads(json.dumps(stack.engine().export_state()))
    assert exported["version"] == 3
    (tmp_path / "other").mkdir()
    other = Stack(tmp_path / "other", cloud=stack.cloud)
    other.write(NET, SUB).engine().import_state(exported)
    assert ops(other.preview(NET, SUB)) == []
    assert (
        other.engine().export_state()["deployment"]["resources"]
        == (exported["deployment"]["resources"])
    )


def test_what_only_the_official_cli_knows_is_kept(stack: Stack) -> None:
    """Fields that this engine does not use survive its deployments."""
    stack.deploy(NET)
    exported = stack.engine().export_state()
    exported["deployment"]["resources"][2]["sourcePosition"] = "project:///__main__.py#1"
    exported["deployment"]["metadata"] = {"x": 1}
    stack.engine().import_state(exported)
    stack.deploy(NET.replace("1400", "1500"))
    after = stack.engine().export_state()["deployment"]
    assert after["resources"][2]["sourcePosition"] == "project:///__main__.py#1"
    assert after["metadata"] == {"x": 1}


def test_another_stacks_export_is_refused(stack: Stack) -> None:
    """URNs of another stack are no state of this one."""
    stack.deploy(NET)
    exported = stack.engine().export_state()
    other = Stack(stack.folder, "other", stack.cloud)
    with pytest.raises(BadInputError, match="another stack"):
        other.engine().import_state(exported)
    assert not other.state_file.exists()


def _without(urn: str) -> Callable[[str], str]:
    """Return what takes a resource out of a state's text."""

    def damage(text: str) -> str:
        whole = json.loads(text)
        resources = whole["checkpoint"]["latest"]["resources"]
        resources[:] = [one for one in resources if one["urn"] != urn]
        return json.dumps(whole)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text[:0],
        lambda text: text.replace('"version": 3', '"version": 2', 1),
        lambda text: text.replace('"checkpoint"', '"chequepoint"'),
        lambda text: text.replace('"urn"', '"nru"'),
        lambda text: text.replace('"ciphertext": "v1:', '"ciphertext": "v1:AAAA'),
        _without("urn:pulumi:dev::t::openstack:networking/network:Network::net"),
        lambda text: text.replace('"urn": "', '"urn": "x', 1),
        lambda text: text.replace('"provider": "', '"provider": "x', 1),
        lambda text: text.replace('"type": "pulumi:pulumi:Stack"', '"type": ["x"]', 1),
        lambda text: text.replace('"parent": "', '"parent": {}, "was": "', 1),
        lambda text: text.replace('"id": "', '"id": 5, "was": "'),
        lambda text: text.replace('"inputs": {', '"inputs": "x", "were": {'),
        lambda text: text.replace('"dependencies": [', '"dependencies": [[5], '),
        lambda text: text.replace('"networkId": [', '"networkId": [{}, '),
        lambda text: text.replace('"state": {"salt": "', '"state": {"salt": 5, "was": "'),
    ],
    ids=[
        "truncated", "empty", "wrong version", "no checkpoint", "no URN", "bad ciphertext",
        "hole", "odd URN", "odd provider", "odd type", "odd parent", "odd id", "odd inputs",
        "odd dependency", "odd property dependency", "odd salt",
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["preview", "deploy", "drift", "destroy", "export_state"])
def test_a_damaged_state_is_named_and_left_alone(stack: Stack, damage: Any, verb: str) -> None:
    """The error has the file and the backup; nothing is overwritten, nothing done."""
    stack.deploy(NET)
    stack.deploy(NET, SUB)
    broken = damage(whole := stack.state_file.read_text())
    assert broken != whole
    stack.state_file.write_text(broken)
    stack.cloud.log.clear()
    with pytest.raises(BadInputError) as raised:
        getattr(stack.engine(), verb)()
    assert raised.value.place == str(stack.state_file)
    assert f"{stack.state_file}.bak" in raised.value.remedy
    assert stack.state_file.read_text() == broken
    assert stack.cloud.log == []


@pytest.mark.parametrize("passphrase", ["", "wrong"])
@pytest.mark.parametrize("verb", ["preview", "deploy", "drift", "destroy", "export_state"])
def test_without_the_passphrase_nothing_happens(stack: Stack, passphrase: str, verb: str) -> None:
    """A passphrase that is missing or wrong is said, and nothing is changed."""
    stack.deploy(NET)
    before = stack.state_file.read_bytes()
    stack.cloud.log.clear()
    with pytest.raises(BadInputError, match="passphrase"):
        getattr(stack.engine(passphrase=passphrase), verb)()
    assert stack.state_file.read_bytes() == before
    assert stack.cloud.log == []


def test_the_salt_of_the_stack_file_is_used_for_a_new_state(stack: Stack) -> None:
    """Configuration secrets and state share the salt that the stack file has."""
    crypter = Crypter("pass")
    config = {
        "encryptionsalt": crypter.salt,
        "config": {"t:word": {"secure": crypter.encrypt("xyzzy")}},
    }
    file = stack.folder / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump(config))
    before = file.read_text()
    result = stack.deploy('pulumi.export("word", pulumi.Config().require_secret("word"))\n')
    assert result.outputs["word"].value == "xyzzy"
    exported = stack.engine().export_state()["deployment"]
    assert exported["secrets_providers"]["state"]["salt"] == crypter.salt
    assert file.read_text() == before


def test_secrets_of_another_provider_are_refused(stack: Stack) -> None:
    """Only passphrases can be opened here."""
    (stack.folder / "Pulumi.dev.yaml").write_text("secretsprovider: awskms://alias/x\n")
    with pytest.raises(BadInputError, match="awskms"):
        stack.write(NET).engine()


@pytest.mark.parametrize("url", ["s3://bucket", "https://api.pulumi.com", "postgres://x/y"])
def test_other_backends_are_refused_with_a_remedy(stack: Stack, url: str) -> None:
    """The official CLI knows them."""
    stack.write(NET)
    with pytest.raises(BadInputError) as raised:
        Engine(stack.folder, "dev", url, "pass")
    assert "official CLI" in raised.value.remedy


def _lock(stack: Stack, **changes: Any) -> Path:
    path = stack.backend / ".pulumi" / "locks" / "organization" / "t" / "dev" / "x.json"
    path.parent.mkdir(parents=True)
    content = {
        "pid": os.getpid(),
        "username": "someone",
        "hostname": socket.gethostname(),
        "timestamp": "2026-01-01T00:00:00Z",
    }
    path.write_text(json.dumps(content | changes))
    return path


def test_a_lock_that_someone_holds_is_respected(stack: Stack) -> None:
    """The error names who holds it since when; nothing is done."""
    lock = _lock(stack)
    with pytest.raises(OutsideError) as raised:
        stack.write(NET).engine().deploy()
    for word in (str(os.getpid()), "someone", socket.gethostname(), "2026-01-01"):
        assert word in raised.value.why
    assert lock.exists()
    assert stack.cloud.log == []


def test_a_lock_of_another_host_is_respected(stack: Stack) -> None:
    """Whether its process lives cannot be seen from here."""
    _lock(stack, hostname="elsewhere", pid=1)
    with pytest.raises(OutsideError, match="locked"):
        stack.write(NET).engine().destroy()


@pytest.mark.parametrize("dead", [{"pid": 2**22 + 1}, {"started": "1"}], ids=["gone", "reused"])
def test_a_dead_process_lock_is_taken_over(stack: Stack, dead: dict[str, Any]) -> None:
    """A lock whose process is gone, or whose number another has now, is said and removed."""
    lock = _lock(stack, **dead)
    stack.deploy(NET)
    assert not lock.exists()
    assert any("taking over the lock" in one for one in stack.heard.logs)


def test_a_layout_of_the_past_is_refused(stack: Stack) -> None:
    """Stacks without projects are for the official CLI to upgrade."""
    folder = stack.backend / ".pulumi" / "stacks"
    folder.mkdir(parents=True)
    (folder / "dev.json").write_text("{}")
    with pytest.raises(BadInputError, match="layout"):
        stack.write(NET).engine().deploy()


def test_a_compressed_state_is_not_taken_for_none(stack: Stack) -> None:
    """Else all would be created again."""
    stack.deploy(NET)
    stack.state_file.rename(stack.state_file.with_suffix(".json.gz"))
    with pytest.raises(BadInputError, match="compressed"):
        stack.engine().preview()


def test_a_full_disk_keeps_the_old_state_and_is_said(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No operation starts that cannot be noted, and the file stays whole."""
    stack.deploy(NET)
    before = stack.state_file.read_bytes()
    write = files.write

    def full(path: Path, text: str, **more: Any) -> None:
        if path == stack.state_file:
            raise OSError(28, "No space left on device")
        write(path, text, **more)

    monkeypatch.setattr(files, "write", full)
    stack.cloud.log.clear()
    (error,) = stack.write(NET, SUB).engine().deploy().errors
    assert "No space left" in error.why
    assert error.exit_code == 3
    assert stack.cloud.changes == []
    assert stack.state_file.read_bytes() == before


def test_a_disk_that_fills_up_after_an_operation_loses_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made but could not be noted is taken over by the next run."""
    write = files.write

    def full(path: Path, text: str, **more: Any) -> None:
        if path == stack.state_file and stack.cloud.made:
            raise OSError(28, "No space left on device")
        write(path, text, **more)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", full)
        result = stack.write(NET, SUB).engine().deploy()
    assert len(result.errors) == 1
    assert len(stack.cloud.all("networks")) == 1
    stack.deploy(NET, SUB)
    assert len(stack.cloud.all("networks")) == 1
    assert not stack.deploy(NET, SUB).changed


def test_concurrent_operations_share_writes(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many resources at once take far fewer writes than operations have beginnings and ends."""
    writes: list[str] = []
    write = files.write

    def counted(path: Path, text: str, **more: Any) -> None:
        if path == stack.state_file:
            writes.append(text)
        write(path, text, **more)

    monkeypatch.setattr(files, "write", counted)
    stack.deploy("".join(NET.replace('"net"', f'"net{index}"') for index in range(60)))
    assert len(stack.cloud.all("networks")) == 60
    assert len(writes) < 120
    assert all(json.loads(text)["version"] == 3 for text in writes)
