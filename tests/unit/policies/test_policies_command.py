"""`citydc policy`: the gate on a command line."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_town import stack, town

import catalogue
from catalogue.errors import OutsideError
from catalogue.model import Profile
from citydc import engines, live, main, plans
from citydc.embedded import Embedded
from citydc.engines import Target
from citydc.project import Project
from infra import offline
from infra.graph import Graph
from infra.settings import Settings
from lab.engine import UNKNOWN as ENGINES_UNKNOWN
from lab.engine import Plan, Result, Secret, crypter
from lab.engine import Resource as EngineResource
from policies import gate, sources, waivers
from policies.rules import RULES
from policies.view import UNKNOWN, View, kind_of

TOWN = Path(__file__).parents[1] / "catalogue" / "base"


class Silent:
    """Progress that nobody looks at."""

    def step(self, op: str, urn: str) -> None:
        """Do nothing."""

    def log(self, message: str) -> None:
        """Do nothing."""


def checkpoint(graph: Graph) -> dict[str, Any]:
    """Return a stack as a checkpoint has it."""
    return {
        "resources": [
            {
                "urn": one.urn,
                "type": one.type,
                "id": one.id,
                "parent": one.parent,
                "provider": f"{one.provider}::1" if one.provider else "",
                "protect": one.protect,
                "inputs": {
                    name: {sources.SIGNATURE: "1", "ciphertext": "v1:x"}
                    if name in (one.secrets or ())
                    else value
                    for name, value in one.inputs.items()
                },
                "outputs": graph.outputs if one.type == sources.STACK else {},
                "propertyDependencies": {
                    name: list(urns) for name, urns in one.property_dependencies.items()
                },
            }
            for one in graph.resources
        ]
    }


class Engine:
    """Stands for an engine: has a stack's checkpoint, or the error that it ends with."""

    name = described = "stand-in"
    site, passphrase, project = "main", "open sesame", Project(TOWN)

    def __init__(self, answer: Mapping[str, Any] | Exception) -> None:
        self.answer = answer
        self.asked: list[bool] = []

    def checkpoint(self, progress: Any, *, deployed: bool) -> Mapping[str, Any]:
        """Give the answer."""
        del progress
        self.asked.append(deployed)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small catalogue whose sites have a key manager too."""
    copy = tmp_path_factory.mktemp("town") / "catalogue"
    shutil.copytree(TOWN, copy)
    for path in (copy / "sites").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("encrypted-volumes", "encrypted-volumes, key-manager"))
    return copy


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """Return what runs `citydc policy` on an answer: its exit code, output and errors."""
    (tmp_path / "Pulumi.yaml").write_text("name: citydc\n", encoding="utf-8")
    for site in ("main", "backup"):
        text = f"config: {{citydc:profile: lab, citydc:catalogue: {folder}}}\n"
        (tmp_path / f"Pulumi.{site}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(waivers, "FILE", tmp_path / "waivers.yaml")
    monkeypatch.setattr(waivers.read, "__defaults__", (tmp_path / "waivers.yaml",))
    (tmp_path / "waivers.yaml").write_text("waivers: []\n", encoding="utf-8")

    def go(answer: Any, *arguments: str) -> tuple[int, str, str]:
        engine = Engine(answer)

        def target(site: str, wanted: Any) -> Target:
            del wanted
            return Target(catalogue.load(folder).sites[site], engine, "a stand-in")  # type: ignore[arg-type]  # it has only what is asked

        monkeypatch.setattr(engines, "target", target)
        with pytest.raises(SystemExit) as ended:
            main.main(["policy", *arguments])
        out, err = capsys.readouterr()
        return int(str(ended.value.code)), out, err

    return go


@pytest.fixture(scope="module")
def sound(folder: Path) -> dict[str, Any]:
    """Return the checkpoint of a sound stack."""
    known = catalogue.load(folder)
    return checkpoint(offline.run(Settings(known, known.sites["main"], Profile.LAB)))


def test_a_sound_stack_opens_the_gate(run: Any, sound: dict[str, Any], tmp_path: Path) -> None:
    """Exit code 0, the promised JSON, and the reports of pipelines beside it."""
    files = (tmp_path / "x.sarif", tmp_path / "x.xml")
    code, out, _ = run(sound, "main", "--json", "--sarif", str(files[0]), "--junit", str(files[1]))
    told = json.loads(out)
    assert (code, told["passed"], told["violations"], told["waived"]) == (0, True, [], [])
    assert told["on"] == "preview"
    assert json.loads(files[0].read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert files[1].read_text(encoding="utf-8").startswith("<?xml")


def test_a_broken_stack_closes_the_gate(run: Any, sound: dict[str, Any]) -> None:
    """Exit code 1, and each finding whole on its line."""
    broken = json.loads(json.dumps(sound))
    router = next(one for one in broken["resources"] if kind_is(one, "Router"))
    router["inputs"]["adminStateUp"] = False
    code, out, _ = run(broken, "main", "--state")
    assert code == 1
    assert "lifecycle-switched-off" in out
    assert "is switched off" in out
    assert "the gate is closed" in out


def kind_is(resource: Mapping[str, Any], kind: str) -> bool:
    """Return whether a checkpoint's resource is of the kind."""
    return str(resource["type"]).endswith(f":{kind}")


def test_a_saved_plan_is_judged_as_it_stands(
    run: Any, sound: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound or not: the engine is not asked again what it would do."""
    monkeypatch.setattr(crypter, "_ITERATIONS", 10)
    asked = OutsideError("the engine was asked")
    file = tmp_path / "main.plan.json"
    salt = crypter.Crypter(Engine.passphrase).salt
    goals = {one["urn"]: one for one in json.loads(json.dumps(sound["resources"]))}
    plans.write(file, Engine(asked), Plan("", "", {}, goals, salt))  # type: ignore[arg-type]  # it has what is asked
    assert run(asked, "main", "--plan", str(file))[0] == 0
    router = next(one for one in goals.values() if kind_is(one, "Router"))
    router["inputs"]["adminStateUp"] = False
    plans.write(file, Engine(asked), Plan("", "", {}, goals, salt))  # type: ignore[arg-type]
    code, out, _ = run(asked, "main", "--plan", str(file))
    assert code == 1
    assert "lifecycle-switched-off" in out
    assert run(asked, "main", "--plan", str(file), "--state")[0] == 2


def test_unknown_values_pass_only_where_the_state_is_judged_after(
    run: Any, sound: dict[str, Any]
) -> None:
    """They are shown both times."""
    unknown = json.loads(json.dumps(sound))
    router = next(one for one in unknown["resources"] if kind_is(one, "Router"))
    router["inputs"]["adminStateUp"] = min(sources.UNKNOWN_TEXTS)
    code, out, _ = run(unknown, "main")
    followed, out_followed, _ = run(unknown, "main", "--state-follows")
    assert (code, followed) == (1, 0)
    for text in (out, out_followed):
        assert "adminStateUp of" in text
    assert "After the deploy: citydc policy main --state" in out_followed


@pytest.mark.parametrize(
    ("answer", "arguments", "code", "said"),
    [
        ({"resources": []}, ["main", "--state"], 2, "is not deployed"),
        (OutsideError("the cloud does not answer"), ["main"], 3, "the cloud does not answer"),
    ],
)
def test_what_cannot_be_judged_is_no_pass(
    run: Any, answer: Any, arguments: list[str], code: int, said: str
) -> None:
    """An error with its cause, and its exit code."""
    ended, _, err = run(answer, *arguments)
    assert ended == code
    assert said in err


def test_waivers_are_listed_whatever_they_waive(
    run: Any, sound: dict[str, Any], tmp_path: Path
) -> None:
    """One that is meant for another profile too."""
    waiver = {
        "rule": "lifecycle-image-moving",
        "resource": "*",
        "owner": "science-technology",
        "reason": "The build is chosen in spring.",
        "expiry": "2026-12-31",
        "profiles": ["production"],
    }
    text = yaml.safe_dump({"waivers": [waiver]})
    (tmp_path / "waivers.yaml").write_text(text, encoding="utf-8")
    _, out, _ = run(sound, "main")
    assert "lifecycle-image-moving  0 waived here  science-technology" in out


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the live cloud has instead of what the state says: a graph, or an error."""
    said: dict[str, Any] = {"is": None}

    def graph(site: Any, state: Graph) -> Graph:
        del site
        if isinstance(said["is"], Exception):
            raise said["is"]
        return said["is"] or state

    monkeypatch.setattr(live, "graph", graph)
    return said


SOURCES = [(), ("--state",), ("--live",)]


@pytest.mark.parametrize("source", SOURCES)
def test_a_malformed_waiver_file_is_an_error(
    run: Any, cloud: Any, sound: dict[str, Any], tmp_path: Path, source: tuple[str, ...]
) -> None:
    """Before anything is judged, whatever is."""
    del cloud
    (tmp_path / "waivers.yaml").write_text("waivers: [{rule: x}]\n", encoding="utf-8")
    code, out, err = run(sound, "main", *source)
    assert (code, out) == (2, "")
    assert "the waivers cannot be read" in err


@pytest.mark.parametrize("source", SOURCES)
def test_a_rule_that_fails_closes_the_gate(
    run: Any,
    cloud: Any,
    sound: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    source: tuple[str, ...],
) -> None:
    """It is told as what it is, and nothing is open that it did not decide."""
    del cloud
    first = RULES[0]

    def check(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(first.__dict__, "check", check)
    code, out, _ = run(sound, "main", *source, "--json")
    told = json.loads(out)
    assert (code, told["passed"]) == (1, False)
    assert {one["rule"] for one in told["errors"]} == {first.id}


@pytest.mark.parametrize("source", SOURCES)
def test_a_cloud_that_does_not_answer_closes_the_gate(
    run: Any, cloud: Any, sound: dict[str, Any], source: tuple[str, ...]
) -> None:
    """Whoever asked it: an error, exit code 3, and no decision."""
    silent = OutsideError("the cloud does not answer")
    cloud["is"] = silent
    code, out, err = run(sound if source == ("--live",) else silent, "main", *source)
    assert (code, out) == (3, "")
    assert "the cloud does not answer" in err


def test_the_live_cloud_is_compared_with_preview_and_state(
    run: Any, cloud: Any, sound: dict[str, Any]
) -> None:
    """Its findings say where else they are; what only the others have is listed."""
    broken = json.loads(json.dumps(sound))
    router = next(one for one in broken["resources"] if kind_is(one, "Router"))
    router["inputs"]["adminStateUp"] = False
    cloud["is"] = sources.of_checkpoint(broken)
    code, out, _ = run(sound, "main", "--live")
    assert code == 1
    assert "live only  lifecycle-switched-off" in out
    cloud["is"] = sources.of_checkpoint(sound)
    code, out, _ = run(broken, "main", "--live")
    assert code == 0
    assert "not live, but elsewhere: 1" in out
    assert "preview, state  lifecycle-switched-off" in out


def test_state_and_live_exclude_each_other(run: Any, sound: dict[str, Any]) -> None:
    """One decision is on one thing."""
    code, _, err = run(sound, "main", "--state", "--live")
    assert code == 2
    assert "give one of them" in err


def test_rules_are_listed(run: Any) -> None:
    """In words, and with all their data as JSON."""
    _, text, _ = run({}, "rules")
    assert "encryption-volume" in text
    _, data, _ = run({}, "rules", "--json")
    assert {"id", "title", "severity", "frameworks"} <= json.loads(data)["rules"][0].keys()


def test_the_embedded_engines_preview_is_judged_as_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unknown ids and sealed passwords change nothing of what is found."""
    graph = stack()
    ids = {one.id for one in graph.resources if one.id}

    def hidden(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: hidden(one) for name, one in value.items()}
        if isinstance(value, list):
            return [hidden(one) for one in value]
        return ENGINES_UNKNOWN if value in ids else value

    after = [
        EngineResource(
            urn=one.urn,
            type=one.type,
            custom=bool(one.id),
            inputs={
                name: Secret(value) if name in (one.secrets or ()) else hidden(value)
                for name, value in one.inputs.items()
            },
            parent=one.parent,
            provider=f"{one.provider}::1" if one.provider else "",
            propertyDependencies={
                name: list(urns) for name, urns in one.property_dependencies.items()
            },
            protect=one.protect,
        )
        for one in graph.resources
    ]

    class Preview:
        """Stands for the engine itself."""

        def preview(self) -> Result:
            """Return what a deploy would leave."""
            return Result({}, [], 0.0, dict(graph.outputs), resources_after=after)

    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open")
    monkeypatch.setattr(Embedded, "_engine", lambda *_: Preview())
    found = Embedded(Project(Path()), "main").checkpoint(Silent(), deployed=False)
    assert "hunter2" not in json.dumps(found)
    seen = sources.of_checkpoint(found)
    assert any(UNKNOWN in one.inputs.values() for one in seen.resources if kind_of(one) == "Port")
    known = town()
    peers = {"backup": stack("backup")}
    report = gate.judge(View(seen, known, known.sites["main"], Profile.PRODUCTION, peers))
    assert report.closing == []
