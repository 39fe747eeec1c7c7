"""
Measure the policy gate: on the whole city, and on a synthetic one of more than 10,000 resources.

    python -m benchmarks.gate

No cloud is needed: the stack is what the program declares, as a state has it after its deploy.
"judge" is what the rules take, "command" is `citydc policy main --state --json` from start to exit;
of both the wall time, and in brackets the CPU's, which other work on the machine leaves alone.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import catalogue
from benchmarks import synthetic
from catalogue import recovery
from catalogue.model import Catalogue, Profile
from citydc.project import CHECKOUT
from infra import offline
from infra.graph import Graph
from infra.settings import Settings
from lab.engine import Engine
from lab.engine.backend import VERSION
from policies import gate, sources, waivers
from policies.view import View

CITYDC = Path(sys.executable).with_name("citydc")
SERVICES = 176
"""How many synthetic services come to more than 10,000 resources."""
NOWHERE = "http://127.0.0.1:1/v3"
PASSPHRASE = "benchmark"  # noqa: S105 - of a state that is thrown away


def main() -> None:
    """Measure, and print a Markdown table."""
    _row("stack", "resources", "rules", "judge, s", "command, s")
    _row(*["---"] * 5)
    for profile in Profile:
        _measure(f"the whole city, main, {profile}", None, profile)
    with tempfile.TemporaryDirectory(prefix="citydc-bench-") as folder:
        synthetic.write(Path(folder, "catalogue"), SERVICES, "http://127.0.0.1:1/debian-12.raw")
        place = Path(folder, "catalogue")
        _measure(f"synthetic, {SERVICES} services", place, Profile.PRODUCTION)


def _measure(name: str, folder: Path | None, profile: Profile) -> None:
    known = catalogue.load(folder)
    graph = offline.run(Settings(known, known.sites["main"], profile))
    view, accepted = _view(known, graph, profile), waivers.read()
    began, used = time.perf_counter(), time.process_time()
    report = gate.judge(view, accepted)
    judged = _seconds(time.perf_counter() - began, time.process_time() - used)
    _row(name, len(graph.resources), report.rules, judged, _command(graph, folder))


def _seconds(wall: float, cpu: float) -> str:
    return f"{wall:.1f} ({cpu:.1f})"


def _view(known: Catalogue, graph: Graph, profile: Profile) -> View:
    site = known.sites["main"]
    peers = {
        one.id: offline.run(Settings(known, one, profile)) for one in recovery.peers(known, site)
    }
    return View(graph, known, site, profile, peers)


def _command(graph: Graph, folder: Path | None) -> str:
    """Run the command on the stack's state; return its seconds."""
    with tempfile.TemporaryDirectory(prefix="citydc-bench-") as place:
        project = Path(place)
        variables = _project(project, graph, folder)
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own command
            [CITYDC, "policy", "main", "--state", "--json", "--engine", "embedded"],
            cwd=project,
            env={**os.environ, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        if os.waitstatus_to_exitcode(status) not in {0, 1}:  # the password is not sealed here
            sys.exit("the command failed")
        return _seconds(wall, used.ru_utime + used.ru_stime)


def _project(project: Path, graph: Graph, folder: Path | None) -> Mapping[str, str]:
    """Write a project whose state has the stack; return the variables to work on it with."""
    about = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))
    _write(project / "Pulumi.yaml", {**about, "main": str(CHECKOUT / "infra")})
    place = {"citydc:catalogue": str(folder)} if folder else {}
    _write(project / "Pulumi.main.yaml", {"config": place})
    auth = {"auth_url": NOWHERE, "username": "u", "password": "p", "project_name": "p"}
    _write(project / "clouds.yaml", {"clouds": {"main": {"auth": auth}}})
    (project / "state").mkdir(mode=0o700)
    backend = (project / "state").as_uri()
    Engine(project, "main", backend, PASSPHRASE).import_state(
        {"version": VERSION, "deployment": {"resources": _checkpoint(graph)}}
    )
    return {
        "OS_CLIENT_CONFIG_FILE": str(project / "clouds.yaml"),
        "PULUMI_BACKEND_URL": backend,
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
    }


def _checkpoint(graph: Graph) -> list[Mapping[str, Any]]:
    ids = {one.urn: one.id for one in graph.resources}
    return [
        {
            "urn": one.urn,
            "custom": bool(one.id),
            "id": one.id,
            "type": one.type,
            "inputs": dict(one.inputs),
            "outputs": graph.outputs if one.type == sources.STACK else {},
            "parent": one.parent,
            "provider": f"{one.provider}::{ids[one.provider]}" if one.provider else "",
            "protect": one.protect,
            "propertyDependencies": {
                name: list(urns) for name, urns in one.property_dependencies.items()
            },
        }
        for one in graph.resources
    ]


def _write(path: Path, data: Any) -> None:
    path.write_text(yaml.safe_dump(data), encoding="utf-8")


def _row(*cells: object) -> None:
    texts = [f"{one:.1f}" if isinstance(one, float) else str(one) for one in cells]
    print("|", " | ".join(texts), "|", flush=True)  # noqa: T201 - this is its output


if __name__ == "__main__":
    main()
