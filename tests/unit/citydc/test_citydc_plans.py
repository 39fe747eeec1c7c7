"""Plan files: saved, read, shown, and refused when they are not what they should be."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from catalogue.errors import BadInputError, OutsideError
from citydc import engines, main, plans
from citydc.outcome import Outcome, Progress
from citydc.project import Project
from lab.engine import Plan, Step, crypter

NET = "urn:pulumi:main::citydc::openstack:networking/network:Network::net"
SALT = "v1:c2FsdHNhbHQ=:"


class Engine:
    """Stands for an engine: gives a plan, and remembers by which one it was to deploy."""

    name, site, passphrase = "stand-in", "main", "open sesame"

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        step = Step("update", ["~ mtu: 1400 => 1500"])
        salt = crypter.Crypter(self.passphrase).salt
        goals: dict[str, Any] = {NET: {"urn": NET, "type": "t"}, "x": {}}
        self.made: Plan | None = Plan("s", "c", {NET: step}, goals, salt)
        self.deployed: list[Plan | None] = []
        self.outcome = Outcome("main", self.name, {"update": 1, "same": 1}, [], 1.0)

    def plan(self, progress: Progress) -> tuple[Outcome, Plan | None]:
        """Give it."""
        del progress
        return self.outcome, self.made

    def deploy(self, progress: Progress, plan: Plan | None = None) -> Outcome:
        """Remember it."""
        del progress
        self.deployed.append(plan)
        return self.outcome


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return the engine that every site gets; keys are cheap."""
    monkeypatch.setattr(crypter, "_ITERATIONS", 10)
    made = Engine(tmp_path)
    site = SimpleNamespace(engine=made, headline="engine: x")
    monkeypatch.setattr(engines, "target", lambda _site, _engine: site)
    return made


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    return int(ended.value.code or 0)


def test_what_is_saved_is_what_is_deployed(engine: Engine, tmp_path: Path) -> None:
    """The file is for nobody else to read, and the engine gets the plan that it gave."""
    file = tmp_path / "main.plan.json"
    assert _run("preview", "main", "--save-plan", str(file)) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert _run("deploy", "main", "--plan", str(file), "--yes") == 0
    assert engine.deployed == [engine.made]


def test_plan_is_shown_before_it_is_confirmed(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it was made of, and what it would do; nobody is there to say yes."""
    file = tmp_path / "main.plan.json"
    _run("preview", "main", "--save-plan", str(file))
    capsys.readouterr()
    assert _run("deploy", "main", "--plan", str(file)) == 2
    told = capsys.readouterr()
    assert f"plan: {file}, made 20" in told.err
    assert "~ mtu: 1400 => 1500" in told.out
    assert "main: 1 to update, 1 unchanged" in told.out
    assert engine.deployed == []


def test_preview_that_fails_saves_no_plan(engine: Engine, tmp_path: Path) -> None:
    """There is nothing to approve."""
    engine.made = None
    engine.outcome = Outcome("main", "x", {}, [], 1.0, [OutsideError("no")])
    file = tmp_path / "main.plan.json"
    assert _run("preview", "main", "--save-plan", str(file)) == 3
    assert not file.exists()


def test_plan_that_cannot_be_saved_is_told(engine: Engine, tmp_path: Path) -> None:
    """A file stands where its folder would be."""
    (tmp_path / "file").touch()
    assert _run("preview", "main", "--save-plan", str(tmp_path / "file" / "plan.json")) == 3
    assert engine.deployed == []


def _edited(**changes: Any) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | changes)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda _: "", "cannot be read"),
        (lambda text: text[: len(text) // 2], "cannot be read"),
        (lambda _: "[]", "cannot be used"),
        (lambda _: "{}", "cannot be used"),
        (_edited(version=2), "version 2"),
        (_edited(site="backup"), "the site backup"),
        (_edited(engine="pulumi"), "the engine pulumi"),
        (_edited(made="2020-01-01T00:00:00Z"), "changed after it was saved"),
        (lambda text: text.replace("1500", "1501"), "changed after it was saved"),
        (lambda text: text.replace('"update"', '"create"'), "changed after it was saved"),
    ],
    ids=[
        "empty", "cut short", "a list", "nothing in it", "version", "site", "engine", "time",
        "property", "operation",
    ],
)  # fmt: skip
def test_plan_that_is_not_right_is_bad_input(
    engine: Engine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[str], str],
    says: str,
) -> None:
    """One error with file, cause and remedy; nothing is deployed, nothing judged."""
    file = tmp_path / "main.plan.json"
    plans.write(file, engine, engine.made)  # type: ignore[arg-type]  # it has what is asked
    file.write_text(damage(file.read_text()))
    for verb in (("deploy", "--yes"), ("policy",)):
        capsys.readouterr()
        assert _run(verb[0], "main", "--plan", str(file), *verb[1:]) == 2
        told = capsys.readouterr().err
        assert says in told
        assert str(file) in told
        assert "remedy:" in told
    assert engine.deployed == []


def test_plan_of_another_passphrase_is_bad_input(engine: Engine, tmp_path: Path) -> None:
    """Nobody without the stack's passphrase can make a plan for it."""
    file = tmp_path / "main.plan.json"
    plans.write(file, engine, engine.made)  # type: ignore[arg-type]  # it has what is asked
    engine.passphrase = "another"
    with pytest.raises(BadInputError, match="passphrase"):
        plans.read(file, engine)  # type: ignore[arg-type]


def test_missing_plan_is_bad_input(engine: Engine, tmp_path: Path) -> None:
    """The file is named."""
    assert _run("deploy", "main", "--plan", str(tmp_path / "none.json"), "--yes") == 2
    assert engine.deployed == []


def test_plan_names_the_commit_and_whether_it_was_changed_since(tmp_path: Path) -> None:
    """Outside of a repository there is none."""
    assert plans.commit(tmp_path) == ""

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        asked = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "one")
    head = git("rev-parse", "HEAD")
    assert plans.commit(tmp_path) == head
    (tmp_path / "file").write_text("2")
    assert plans.commit(tmp_path) == f"{head}-dirty"
