"""
Measure preview and deploy against the number of services, on a lab of its own.

    python -m benchmarks                    preview and deploy at 1x and 10x, preview at 100x
    python -m benchmarks --deploy-100       deploy at 100x too (half an hour)

Where the official CLI is on PATH, each preview is measured with it too, in the same run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import synthetic
from citydc.project import CHECKOUT
from lab.control import Lab

PORT = 25000
SERVICES = {"1x": 2, "10x": 25, "100x": 265}
CITYDC = Path(sys.executable).with_name("citydc")


@dataclass(frozen=True)
class Run:
    """One command: what it printed, seconds of wall time, MiB at most in memory."""

    output: str
    seconds: float
    memory_mib: float


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--deploy-100", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="citydc-bench-") as folder:
        _row("services", "resources", "engine", "verb", "seconds", "MiB at most")
        _row(*["---"] * 6)
        for size, services in SERVICES.items():
            project = _project(Path(folder, size), services)
            lab = Lab(Path(folder, f"lab-{size}"), PORT)
            lab.up()
            try:
                _measure(project, lab, services, deploy=size != "100x" or asked.deploy_100)
            finally:
                lab.reset()


def _measure(project: Path, lab: Lab, services: int, *, deploy: bool) -> None:
    for engine in ("embedded", *(["pulumi"] if shutil.which("pulumi") else [])):
        for verb in ("preview", *(["deploy", "preview"] if deploy else [])):
            run = _run(project, lab, verb, engine)
            changes = yaml.safe_load(run.output)["changes"]
            _row(services, sum(changes.values()), engine, verb, run.seconds, run.memory_mib)


def _row(*cells: object) -> None:
    texts = [f"{one:.1f}" if isinstance(one, float) else str(one) for one in cells]
    print("|", " | ".join(texts), "|", flush=True)  # noqa: T201  this is its output


def _project(folder: Path, services: int) -> Path:
    """Make a project folder around a synthetic catalogue."""
    folder.mkdir()
    synthetic.write(folder / "catalogue", services, f"http://127.0.0.1:{PORT + 90}/debian-12.raw")
    about = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))
    about["main"] = str(CHECKOUT / "infra")
    about["runtime"]["options"]["virtualenv"] = str(CHECKOUT / ".venv")
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    config = {"citydc:profile": "production", "citydc:catalogue": "catalogue"}
    (folder / "Pulumi.main.yaml").write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    return folder


def _run(project: Path, lab: Lab, verb: str, engine: str) -> Run:
    yes = ["--yes"] if verb == "deploy" else []
    environment = {
        **os.environ,
        "OS_CLIENT_CONFIG_FILE": str(lab.clouds_file),
        "PULUMI_CONFIG_PASSPHRASE": "benchmark",
        "PULUMI_BACKEND_URL": (project / f"state-{engine}").as_uri(),
    }
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(  # noqa: S603  our own command
            [CITYDC, verb, "main", "--json", "--engine", engine, *yes],
            cwd=project,
            env=environment,
            stdout=out,
            stderr=err,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        if status:
            sys.exit(f"{verb} failed:\n{err.read()}")
        return Run(out.read(), seconds, used.ru_maxrss / 1024)


main()
