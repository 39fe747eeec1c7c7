"""The pipelines that a city copies: sound by their schemas, and made of citydc's verbs alone."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from citydc import main
from citydc.project import CHECKOUT

FOLDER = CHECKOUT / "pipelines"
GITLAB = FOLDER / "gitlab-ci.yml"
GITHUB = sorted((FOLDER / "github").glob("*.yml"))
AROUND = {
    "make production",
    'export PATH="$PWD/.venv/bin:$PATH"',
    'echo "$PWD/.venv/bin" >> "$GITHUB_PATH"',
    'cat "$SITE.preview.md" >> "$GITHUB_STEP_SUMMARY"',
}
"""What a step may do besides calling a verb: make it callable, show what it wrote."""
SECRET = re.compile(r"\$\{\{ secrets\.")


def _read(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def _commands(file: Path) -> list[str]:
    """Return every command line of a file."""
    data = _read(file)
    if file == GITLAB:
        jobs = [data["default"], *(one for one in data.values() if isinstance(one, dict))]
        return [
            line for job in jobs for key in ("before_script", "script") for line in job.get(key, ())
        ]
    return [step["run"] for job in data["jobs"].values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize(
    ("schema", "file"),
    [("gitlab-ci", GITLAB), *(("github-workflows", one) for one in GITHUB)],
    ids=lambda one: getattr(one, "name", one),
)
def test_file_is_sound_by_its_schema(schema: str, file: Path) -> None:
    """The schemas that check-jsonschema brings along: no network is needed."""
    transform = ["--data-transform", "gitlab-ci"] if schema == "gitlab-ci" else []
    asked = ["--builtin-schema", f"vendor.{schema}", *transform, str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *asked],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", [GITLAB, *GITHUB], ids=lambda one: one.name)
def test_each_step_calls_one_verb_with_options_that_it_has(file: Path) -> None:
    """The command line itself parses every command; there is no other logic."""
    verbs = [command for command in _commands(file) if command not in AROUND]
    assert verbs
    for command in verbs:
        name, *arguments = shlex.split(command.partition(">")[0].replace("$SITE", "main"))
        assert name == "citydc", command
        group = typer.main.get_command(main.app)
        with group.make_context("citydc", [arguments[0]], resilient_parsing=True) as context:
            verb = group.get_command(context, arguments[0])  # type: ignore[attr-defined]  # a group
            assert verb is not None, command
            verb.make_context(arguments[0], arguments[1:], parent=context)


@pytest.mark.parametrize("file", GITHUB, ids=lambda one: one.name)
def test_actions_are_pinned_and_rights_are_few(file: Path) -> None:
    """By commit, with the version beside it; a token reads, and a job names what more it needs."""
    for use in re.findall(r"uses: (.*)", file.read_text(encoding="utf-8")):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", use), use
    data = _read(file)
    assert data["permissions"] == {"contents": "read"}
    writes = {
        right
        for job in data["jobs"].values()
        for right, level in job.get("permissions", {}).items()
        if level != "read"
    }
    assert writes <= {"security-events", "pull-requests"}


@pytest.mark.parametrize("file", GITHUB, ids=lambda one: one.name)
def test_jobs_with_secrets_name_the_environment_that_guards_them(file: Path) -> None:
    """And a fork's pull request reaches none of them: it runs nothing."""
    data = _read(file)
    triggers = data["on"]
    assert "pull_request_target" not in triggers
    for name, job in data["jobs"].items():
        if SECRET.search(str(job)):
            assert job["environment"], name
    if "pull_request" in triggers:
        first = [job for job in data["jobs"].values() if "needs" not in job]
        assert [job["if"] for job in first] == [
            "github.event.pull_request.head.repo.full_name == github.repository"
        ]


def test_deploys_wait_for_approval_and_for_each_other() -> None:
    """One at a time for each stack, never cancelled half way, by a protected environment."""
    gitlab = _read(GITLAB)
    assert gitlab[".deploy"]["resource_group"] == "$SITE"
    assert gitlab[".deploy"]["environment"] == {"name": "$SITE"}
    manual = [rule for rule in gitlab[".deploy"]["rules"] if rule.get("when") == "manual"]
    assert [rule["allow_failure"] for rule in manual] == [False]
    jobs = _read(FOLDER / "github" / "deploy.yml")["jobs"]
    for site in ("main", "backup"):
        job = jobs[f"deploy-{site}"]
        assert job["environment"] == site
        assert job["concurrency"] == {"group": f"citydc-{site}", "cancel-in-progress": False}
