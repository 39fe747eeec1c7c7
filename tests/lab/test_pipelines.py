"""The pipelines' own commands, in their order, on a lab: previewed, judged, deployed as planned."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import city as cities
import pytest
import yaml
from city import CITYDC, City

from citydc.project import CHECKOUT

PIPELINES = CHECKOUT / "pipelines"
REFUSED = 2
OF_HOSTS = ("configure", "verify")
"""Verbs for hosts that boot; test_hosts_hardened.py runs them on such."""


@pytest.fixture(scope="module")
def city(own_lab: Any, tmp_path_factory: pytest.TempPathFactory) -> City:
    """Give the city's project, with nothing deployed, on a lab of its own."""
    own_lab.up()
    return cities.make(tmp_path_factory.mktemp("pipelines") / "project", own_lab.clouds_file)


def _gitlab(*stages: str) -> Iterator[tuple[str, str]]:
    """Give site and command of each step of these stages, for the default branch, in order."""
    data = yaml.safe_load((PIPELINES / "gitlab-ci.yml").read_text())
    jobs = [job for name, job in data.items() if isinstance(job, dict) and name[0] != "."]
    for stage in stages:
        for job in jobs:
            above = job.get("extends", [])
            names = above if isinstance(above, list) else [above]
            whole = {
                key: value for part in (*map(data.get, names), job) for key, value in part.items()
            }
            if whole.get("stage") == stage:
                for command in whole["script"]:
                    yield whole.get("variables", {}).get("SITE", ""), command


def _github(file: str) -> Iterator[tuple[str, str]]:
    """Give site and command of each step of a workflow's jobs, in order."""
    data = yaml.safe_load((PIPELINES / "github" / file).read_text())
    for job in data["jobs"].values():
        sites = job.get("strategy", {}).get("matrix", {}).get("site")
        for site in sites or [job.get("env", {}).get("SITE", "")]:
            for step in job["steps"]:
                if step.get("run", "").startswith("citydc"):
                    yield site, step["run"]


def _do(city: City, site: str, command: str) -> subprocess.CompletedProcess[str]:
    environment = city.environment
    path = f"{CITYDC.parent}:{environment['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=city.folder,
        env={**environment, "PATH": path, "SITE": site},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _all(city: City, steps: Iterator[tuple[str, str]]) -> list[str]:
    """Run steps that must succeed; return what they were."""
    ran = []
    for site, command in steps:
        done = _do(city, site, command)
        assert done.returncode == 0, f"{site}: {command}\n{done.stdout[-2000:]}{done.stderr}"
        ran.append(f"{command.split()[1]} {site}".strip())
    return ran


def test_gitlabs_pipeline_deploys_the_city_as_planned(city: City) -> None:
    """From nothing; each command is the file's own. Nothing is left to do, and what was kept is."""
    ran = _all(city, _gitlab("check", "preview", "policy", "deploy-main", "deploy-backup"))
    assert ran == [
        "check",
        "preview main",
        "preview backup",
        "policy main",
        "policy backup",
        "deploy main",
        "policy main",
        "deploy backup",
        "policy backup",
    ]
    for site in cities.SITES:
        assert city.result("preview", site)["resources"] == []
        for name in ("plan.json", "preview.md", "policy.sarif", "policy.xml"):
            assert (city.folder / f"{site}.{name}").stat().st_size
        assert cities.PASSPHRASE not in (city.folder / f"{site}.plan.json").read_text()
    assert _all(city, _gitlab("drift")) == ["drift main", "drift backup"]


def _by_hand(lab: Any, city: City) -> None:
    with lab.cloud("main") as cloud:
        network = cloud.network.get_network(city.outputs("main").networks[0].id)
        cloud.network.set_tags(network, network.tags[1:])


def test_githubs_pipeline_repairs_what_was_changed_by_hand(own_lab: Any, city: City) -> None:
    """The nightly drift finds it, the plan has it, the deploy does it."""
    _by_hand(own_lab, city)
    codes = [_do(city, *step).returncode for step in _github("drift.yml")]
    assert codes == [1, 0]
    steps = _github("deploy.yml")
    ran = _all(city, (one for one in steps if one[1].split()[1] not in OF_HOSTS))
    assert ran[-4:] == ["deploy main", "policy main", "deploy backup", "policy backup"]
    assert "1 to update" in (city.folder / "main.preview.md").read_text()
    assert _all(city, _github("drift.yml")) == ["drift main", "drift backup"]


def test_plan_is_refused_when_the_state_has_moved_on(own_lab: Any, city: City) -> None:
    """Somebody deploys between preview and deploy: the pipeline's deploy changes nothing."""
    _by_hand(own_lab, city)
    _all(city, (step for step in _gitlab("preview") if step[0] == "main"))
    assert city.result("deploy", "main", "--yes")["changes"]["update"] == 1
    state = city.state / ".pulumi" / "stacks" / "citydc" / "main.json"
    before = state.read_bytes()
    (step,) = (one for one in _gitlab("deploy-main") if "--plan" in one[1])
    done = _do(city, *step)
    assert done.returncode == REFUSED, done.stdout + done.stderr
    assert "another run has changed the stack" in done.stderr
    assert state.read_bytes() == before


def test_secrets_are_in_no_file_that_a_pipeline_keeps(own_lab: Any, city: City) -> None:
    """Neither the clouds' passwords nor the stack's passphrase."""
    clouds = yaml.safe_load(Path(own_lab.clouds_file).read_text())["clouds"]
    secrets = [cities.PASSPHRASE, *(one["auth"]["password"] for one in clouds.values())]
    kept = [one for one in city.folder.iterdir() if one.name.startswith(("main.", "backup."))]
    assert len(kept) >= 8
    for file in kept:
        assert not [one for one in secrets if one in file.read_text()], file
