"""The city of the tests: a project folder of its own, worked on by the command line."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import catalogue
from citydc.project import CHECKOUT
from infra.outputs import Outputs
from lab.engine import Engine

CITYDC = Path(sys.executable).with_name("citydc")
PASSPHRASE = "of the tests"
SITES = ("main", "backup")


@dataclass
class City:
    """A project folder whose catalogue is the real one, deployed to the lab at `port`."""

    folder: Path
    clouds_file: Path
    memory_mib: int = 0
    """The lab's, once the city was deployed to it."""

    @property
    def environment(self) -> dict[str, str]:
        """What the command runs with."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OS_", "PULUMI_", "CITYDC_"))
        }
        return {
            **kept,
            "OS_CLIENT_CONFIG_FILE": str(self.clouds_file),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "CITYDC_LAB_HOME": str(self.clouds_file.parent),
            "CITYDC_LAB_PORT": str(self.port),
        }

    @property
    def port(self) -> int:
        """The lab's first port."""
        clouds = yaml.safe_load(self.clouds_file.read_text())["clouds"]
        return int(clouds["main"]["auth"]["auth_url"].split(":")[2].split("/")[0])

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command as a user does."""
        return subprocess.run(
            [CITYDC, *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def result(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run the command with --json, expecting its exit code; return what it printed."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, f"{arguments}: {done.stdout[-3000:]}\n{done.stderr}"
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def engine(self, site: str) -> Engine:
        """Return the engine over a site's stack, to look at its state."""
        return Engine(self.folder, site, self.state.as_uri(), PASSPHRASE)

    def outputs(self, site: str) -> Outputs:
        """Return a site's outputs."""
        return Outputs.model_validate(self.engine(site).outputs())

    def resources(self, site: str) -> list[dict[str, Any]]:
        """Return the resources of a site's state, as Pulumi keeps them."""
        found: list[dict[str, Any]] = self.engine(site).export_state()["deployment"]["resources"]
        return found

    @property
    def state(self) -> Path:
        """The state's folder."""
        return self.folder / ".state"


def make(folder: Path, clouds_file: Path) -> City:
    """Make the project folder; its images come from the lab's own mirror."""
    folder.mkdir()
    city = City(folder, clouds_file)
    write_project(folder, "lab")
    ours = Path(catalogue.__file__).parent
    without = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(ours, folder / "catalogue", ignore=without)
    for place, site in enumerate(SITES):
        file = folder / "catalogue" / "sites" / f"{site}.yaml"
        mirror = city.port + 100 * place + 90
        file.write_text(file.read_text().replace(f":23{place}90/", f":{mirror}/"))
    return city


def write_project(folder: Path, profile: str) -> None:
    """Write the project's and its stacks' files; the catalogue is beside them."""
    about = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
    about["main"] = str(CHECKOUT / "infra")
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(about))
    config = {"citydc:profile": profile, "citydc:catalogue": "catalogue"}
    for site in SITES:
        (folder / f"Pulumi.{site}.yaml").write_text(yaml.safe_dump({"config": config}))
