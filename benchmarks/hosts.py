"""
Measure the hosts of the whole city on a lab of its own: booted, configured, verified.

    python -m benchmarks.hosts              (as root; half an hour)

One bare host is configured first, then both sites from the golden image, twice, and verified: a
control's time is that of looking for it on all of its hosts.
"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

import catalogue
from citydc import hosts
from citydc.project import CHECKOUT
from lab import demo
from lab.control import DEFAULT_PORT, Lab
from playbooks.access import Way

PORT = 25000
SITES = ("main", "backup")
BARE = "lgsp-gateway-1"
CITYDC = Path(sys.executable).with_name("citydc")


def main() -> None:
    """Measure, and print a Markdown table."""
    with tempfile.TemporaryDirectory(prefix="citydc-bench-", dir="/var/tmp") as folder:
        lab = Lab(Path(folder, "lab"), PORT, hosts=True)
        _write_project(Path(folder))
        os.chdir(folder)
        os.environ.update(
            {
                "OS_CLIENT_CONFIG_FILE": str(lab.clouds_file),
                "PULUMI_CONFIG_PASSPHRASE": "benchmark",
                "CITYDC_LAB_HOME": str(lab.home),
                "CITYDC_LAB_PORT": str(PORT),
            }
        )
        _row("what", "hosts", "tasks", "controls", "seconds", "s per host", "ms per control")
        _row(*["---"] * 7)
        lab.up()
        try:
            _bare()
            _golden()
            _row(f"memory, MiB: {lab.status()['memory_mib']:.0f}", *[""] * 6)
        finally:
            lab.reset()


def _bare() -> None:
    _citydc("deploy", "main", "--yes")
    _configure("bare host", "main", "--limit", BARE)
    _citydc("destroy", "main", "--yes")


def _golden() -> None:
    _citydc("image", "build", *SITES)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda site: _citydc("deploy", site, "--yes"), SITES))
    reached = [hosts.fleet(site, None, Way()).access for site in SITES]
    for one in reached:
        demo.wait_for_ssh(one.ssh_config, [host.name for host in one.hosts])
    count = sum(len(one.hosts) for one in reached)
    _measured("deploy's start to ssh on all", count, time.monotonic() - began)
    for what in ("golden hosts", "golden hosts, second run"):
        for site in SITES:
            _configure(f"{what}, {site}", site)
    for site in SITES:
        found = _citydc("verify", site)
        _measured(f"verify {site}", found["hosts"], found["seconds"], controls=found["controls"])


def _configure(what: str, *words: str) -> None:
    found = _citydc("configure", *words)
    changed = sum(one["changed"] for one in found["hosts"])
    told = f"{what}: {changed} changed"
    _measured(told, len(found["hosts"]), found["seconds"], tasks=found["tasks"])


def _measured(what: str, count: int, seconds: float, *, tasks: int = 0, controls: int = 0) -> None:
    each = seconds * 1000 / controls if controls else ""
    _row(what, count, tasks or "", controls or "", seconds, seconds / count, each)


def _row(*cells: object) -> None:
    texts = [f"{one:.1f}" if isinstance(one, float) else str(one) for one in cells]
    print("|", " | ".join(texts), "|", flush=True)  # noqa: T201  this is its output


def _citydc(*words: str) -> Any:
    """Run a verb; return what it prints as JSON.  End with its output if it fails."""
    done = subprocess.run(  # noqa: S603  our own command
        [CITYDC, *words, "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def _write_project(folder: Path) -> None:
    """Write a project whose catalogue is the city's, with images from the lab's own mirror."""
    without = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(Path(catalogue.__file__).parent, folder / "catalogue", ignore=without)
    about = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))
    about["main"] = str(CHECKOUT / "infra")
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    config = {"citydc:profile": "lab", "citydc:catalogue": "catalogue"}
    for number, name in enumerate(SITES):
        (folder / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}))
        file = folder / "catalogue" / "sites" / f"{name}.yaml"
        old, new = (f":{port + 100 * number + 90}/" for port in (DEFAULT_PORT, PORT))
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


if __name__ == "__main__":
    main()
