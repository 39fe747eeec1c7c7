"""The module that writes files: what it changes, and how it puts back."""

import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "playbooks" / "plugins" / "modules" / "tree.py"
ME = {"owner": "root", "group": "root"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the module with its own folders in a temporary one, its timers noted, not set."""
    spec = importlib.util.spec_from_file_location("tree", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROLLBACK", tmp_path / "rollback")
    monkeypatch.setattr(module, "LIVE", tmp_path / "live")
    monkeypatch.setattr(module, "_timer", lambda *_: None)
    real = module.run
    monkeypatch.setattr(
        module, "run", lambda words: b"" if words.startswith("systemd-run") else real(words)
    )
    monkeypatch.setattr(module.pwd, "getpwnam", lambda _: _Account())
    monkeypatch.setattr(module.grp, "getgrnam", lambda _: _Account())
    return module


class _Account:
    pw_uid = os.getuid()
    gr_gid = os.getgid()


def _parameters(**more: Any) -> dict[str, Any]:
    return {
        "files": [], "folders": [], "links": {}, "absent": [], "check": "", "apply": "", "live": "",
        "name": "test", "guard": "", "seconds": 60, **more,
    }  # fmt: skip


def _file(path: Path, content: str, mode: str = "0640") -> dict[str, str]:
    return {"path": str(path), "content": content, "mode": mode, **ME}


def test_files_links_folders_are_written_once(tree: ModuleType, tmp_path: Path) -> None:
    """The first run makes all and removes what must not be there; the second changes nothing."""
    (tmp_path / "old").write_text("old")
    parameters = _parameters(
        files=[_file(tmp_path / "etc/a", "new")],
        folders=[{"path": str(tmp_path / "own"), "mode": "0750", **ME}],
        links={str(tmp_path / "link"): "/dev/null"},
        absent=[str(tmp_path / "old")],
    )
    assert len(tree.change(parameters, check_mode=True)) == 4
    assert not (tmp_path / "etc").exists()
    assert len(tree.change(parameters, check_mode=False)) == 4
    assert (tmp_path / "etc/a").read_text() == "new"
    assert (tmp_path / "etc/a").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link").readlink() == Path("/dev/null")
    assert not (tmp_path / "old").exists()
    assert tree.change(parameters, check_mode=False) == []


@pytest.mark.parametrize("failing", ["check", "apply"])
def test_what_does_not_pass_is_put_back(tree: ModuleType, tmp_path: Path, failing: str) -> None:
    """Changed files have their old content, new ones are gone, nothing waits."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("old")
    files = [_file(old, "changed"), _file(new, "made")]
    parameters = _parameters(files=files, guard="ssh", **{failing: "echo wrong >&2; false"})
    with pytest.raises(RuntimeError, match="wrong"):
        tree.change(parameters, check_mode=False)
    assert (old.read_text(), new.exists()) == ("old", False)
    assert not (tmp_path / "rollback/ssh").exists()


def test_rollback_restores_what_was_there(tree: ModuleType, tmp_path: Path) -> None:
    """The script that the timer runs puts back content, mode and absence, then applies."""
    old, new, gone = tmp_path / "old", tmp_path / "new", tmp_path / "gone"
    old.write_text("old")
    old.chmod(0o600)
    gone.write_text("gone")
    parameters = _parameters(
        files=[_file(old, "changed"), _file(new, "made")],
        absent=[str(gone)],
        apply=f"echo x >> {tmp_path}/applied",
        guard="ssh",
    )
    tree.change(parameters, check_mode=False)
    assert (old.read_text(), new.exists(), gone.exists()) == ("changed", True, False)
    subprocess.run(["sh", tmp_path / "rollback/ssh/rollback"], check=True)
    assert (old.read_text(), new.exists(), gone.read_text()) == ("old", False, "gone")
    assert old.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "applied").read_text() == "x\nx\n"
    assert not tree.disarm("ssh")


def _unconfirmed(tree: ModuleType, tmp_path: Path) -> Path:
    """Change a file under guard; return the script that takes the change back."""
    file = tmp_path / "a"
    file.write_text("before")
    apply = f"cat {file} >> {tmp_path}/applied"
    files = [_file(file, "after")]
    tree.change(_parameters(files=files, guard="ssh", apply=apply), check_mode=False)
    return tmp_path / "rollback/ssh/rollback"


def test_rollback_at_boot_starts_nothing(tree: ModuleType, tmp_path: Path) -> None:
    """Before the units that read the files have begun, none can be waited for."""
    script = _unconfirmed(tree, tmp_path)
    subprocess.run(["sh", script, "boot"], check=True)
    assert (tmp_path / "a").read_text() == "before"
    assert (tmp_path / "applied").read_text() == "after"
    assert not script.exists()


def test_change_that_is_being_taken_back_can_t_be_confirmed(
    tree: ModuleType, tmp_path: Path
) -> None:
    """Whoever comes while the script runs is told so; a script that was cut off ends later."""
    script = _unconfirmed(tree, tmp_path)
    text = script.read_text()
    script.write_text(text.replace("rm -f", "exit 1; rm -f", 1))
    assert subprocess.run(["sh", script], check=False).returncode == 1
    assert not tree.disarm("ssh")
    assert (tmp_path / "a").read_text() == "after"
    script.write_text(text)
    tree.change(_parameters(guard="ssh"), check_mode=False)
    assert (tmp_path / "a").read_text() == "before"


def test_confirmed_change_stays(tree: ModuleType, tmp_path: Path) -> None:
    """Once confirmed there is nothing to take back."""
    file = tmp_path / "a"
    tree.change(_parameters(files=[_file(file, "new")], guard="ssh"), check_mode=False)
    assert tree.disarm("ssh")
    assert not (tmp_path / "rollback/ssh").exists()
    assert file.read_text() == "new"


def test_unconfirmed_change_is_taken_back_before_the_next(tree: ModuleType, tmp_path: Path) -> None:
    """A run that was cut off leaves no half: the next one starts from what was before."""
    file = tmp_path / "a"
    file.write_text("first")
    tree.change(_parameters(files=[_file(file, "second")], guard="ssh"), check_mode=False)
    changes = tree.change(_parameters(files=[_file(file, "third")], guard="ssh"), check_mode=False)
    assert [one.before.content for one in changes] == [b"first"]
    assert file.read_text() == "third"


def test_running_state_changed_by_hand_is_repaired(tree: ModuleType, tmp_path: Path) -> None:
    """When the state is not what it was after the last change, it is applied again."""
    state, file = tmp_path / "state", tmp_path / "a"
    parameters = _parameters(
        files=[_file(file, "x")], live=f"cat {state}", apply=f"echo good > {state}"
    )
    assert tree.change(parameters, check_mode=False)
    assert tree.change(parameters, check_mode=False) == []
    state.write_text("by hand\n")
    assert tree.change(parameters, check_mode=True)
    assert state.read_text() == "by hand\n"
    assert tree.change(parameters, check_mode=False)
    assert state.read_text() == "good\n"
    assert tree.change(parameters, check_mode=False) == []


def test_what_is_taken_back_is_no_change_by_hand(tree: ModuleType, tmp_path: Path) -> None:
    """The note of the running state goes back with the files."""
    state, file = tmp_path / "state", tmp_path / "a"
    apply, live = f"cp {file} {state}", f"cat {state}"
    first = _parameters(files=[_file(file, "1")], live=live, apply=apply, guard="ssh")
    tree.change(first, check_mode=False)
    tree.disarm("ssh")
    tree.change({**first, "files": [_file(file, "2")]}, check_mode=False)
    subprocess.run(["sh", tmp_path / "rollback/ssh/rollback"], check=True)
    assert state.read_text() == "1"
    assert tree.change(first, check_mode=False) == []
