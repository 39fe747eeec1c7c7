"""The playbooks' run by ansible-runner: what happened on which host, and what it means."""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import yaml

from catalogue.errors import BadInputError, CityDCError, OutsideError
from catalogue.problems import suggestion
from citydc.project import secrets_folder
from playbooks.access import Access

PLAYBOOKS = Path(__file__).resolve().parents[1] / "playbooks"
KEPT = 20
"""Runs whose artefacts are kept."""
ARGUMENTS = "Validating arguments against arg spec"
COUNTS = ("ok", "changed", "failed", "unreachable")


@dataclass(frozen=True)
class Happening:
    """What a task did on a host: what it changed, or why it failed."""

    host: str
    task: str
    said: str = ""


@dataclass
class Run:
    """What a run did."""

    site: str
    check: bool
    artifacts: str = ""
    seconds: float = 0
    tasks: int = 0
    hosts: dict[str, dict[str, int]] = field(default_factory=dict)
    changes: list[Happening] = field(default_factory=list)
    notices: list[Happening] = field(default_factory=list)
    """What a role says though nothing failed."""
    failures: list[Happening] = field(default_factory=list)
    unreachable: list[Happening] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or what kind of failure there was: wrong variables, or hosts."""
        if not self.failures and not self.unreachable:
            return 0
        wrong = [one for one in self.failures if one.task.startswith(ARGUMENTS)]
        only = len(wrong) == len(self.failures) and not self.unreachable
        return BadInputError.exit_code if only else CityDCError.exit_code

    def as_json(self) -> dict[str, Any]:
        """Return the run as `--json` prints it."""
        return {
            "site": self.site,
            "check": self.check,
            "hosts": [{"name": name, **counts} for name, counts in self.hosts.items()],
            "changes": [{"host": one.host, "task": one.task} for one in self.changes],
            "notices": [{"host": one.host, "said": one.said} for one in self.notices],
            "failures": [vars(one) for one in self.failures],
            "unreachable": [{"host": one.host, "said": one.said} for one in self.unreachable],
            "tasks": self.tasks,
            "seconds": round(self.seconds, 1),
            "artifacts": self.artifacts,
        }


@dataclass(frozen=True)
class Wish:
    """What is to be run, where."""

    check: bool = False
    limit: str | None = None
    tags: str | None = None


def run(access: Access, wish: Wish, tell: Callable[[str, str], None]) -> Run:
    """
    Run the playbooks; `tell` is told each host's task as it ends.

    Raise BadInputError for unknown tags, OutsideError if Ansible itself could not run.
    """
    if wish.tags:
        require_tags(wish.tags.split(","))
    secrets = access.folder.parents[1] / "secrets"
    return play(access.outputs.site, access.folder, access.inventory, wish, tell, secrets)


def play(  # noqa: PLR0913, PLR0917  (what a run is)
    site: str,
    folder: Path,
    inventory: Path,
    wish: Wish,
    tell: Callable[[str, str], None],
    secrets: Path,
) -> Run:
    """Run the playbooks on an inventory's hosts, with artefacts in the folder.  Raise as `run`."""
    found = Run(site, wish.check)
    began = time.monotonic()
    words = ["--diff", *(["--check"] if wish.check else [])]
    done = ansible_runner.run(
        private_data_dir=str(folder),
        artifact_dir=str(folder / "artifacts"),
        project_dir=str(PLAYBOOKS),
        playbook="site.yml",
        inventory=str(inventory),
        limit=wish.limit,
        tags=wish.tags,
        cmdline=" ".join(words),
        envvars={
            "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
            "CITYDC_SECRETS": str(secrets_folder(secrets)),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        settings={"suppress_env_files": True},
        rotate_artifacts=KEPT,
        quiet=True,
        event_handler=lambda event: _take(event, found, tell),
    )
    found.seconds = time.monotonic() - began
    found.artifacts = str(done.config.artifact_dir)
    if not found.hosts:
        raise OutsideError(
            "the playbooks could not be run",
            why=_last_lines(Path(done.config.artifact_dir) / "stdout"),
            place=found.artifacts,
        )
    return found


def _last_lines(file: Path) -> str:
    try:
        return " ".join(file.read_text(encoding="utf-8").split())[-500:]
    except OSError as error:
        return str(error)


def _take(event: Mapping[str, Any], found: Run, tell: Callable[[str, str], None]) -> bool:
    kind, data = event["event"], event.get("event_data", {})
    if kind == "playbook_on_stats":
        for name in COUNTS:
            key = "failures" if name == "failed" else "dark" if name == "unreachable" else name
            for host, count in data.get(key, {}).items():
                found.hosts.setdefault(host, dict.fromkeys(COUNTS, 0))[name] = count
        found.hosts = dict(sorted(found.hosts.items()))
    elif kind == "playbook_on_task_start":
        found.tasks += 1
    elif kind in {"runner_on_ok", "runner_on_failed", "runner_on_unreachable"}:
        host, task = data["host"], data["task"]
        result = data.get("res") or {}
        tell(host, task)
        if kind == "runner_on_failed" and not data.get("ignore_errors"):
            found.failures.append(Happening(host, task, _said(result)))
        elif kind == "runner_on_unreachable":
            found.unreachable.append(Happening(host, task, _said(result)))
        elif kind == "runner_on_ok" and (result.get("changed") or _hidden_change(event)):
            found.changes.append(Happening(host, f"{data.get('role') or ''}: {task}".strip(": ")))
        elif kind == "runner_on_ok" and data.get("task_action", "").endswith("debug"):
            found.notices.append(Happening(host, task, _said(result)))
    return True


def _hidden_change(event: Mapping[str, Any]) -> bool:
    """Whether a task with a secret, whose result is hidden, has changed something."""
    return "censored" in event["event_data"].get("res", {}) and "changed: [" in event["stdout"]


def _said(result: Mapping[str, Any]) -> str:
    errors = result.get("argument_errors")
    text = "; ".join(errors) if errors else str(result.get("msg") or result.get("stderr") or "")
    return " ".join(text.split())


def tags() -> set[str]:
    """Return the tags that the playbooks know."""
    found: set[str] = set()
    for name in ("site.yml", "services.yml"):
        found |= _tags(yaml.safe_load((PLAYBOOKS / name).read_text(encoding="utf-8")))
    return found - {"always"}


def _tags(node: Any) -> set[str]:
    if isinstance(node, list):
        return {tag for one in node for tag in _tags(one)}
    if not isinstance(node, dict):
        return set()
    own = node.get("tags", [])
    inner = {tag for key, one in node.items() if key != "tags" for tag in _tags(one)}
    return inner | set([own] if isinstance(own, str) else own)


def require_tags(wanted: Iterable[str]) -> None:
    """Raise BadInputError for a tag that the playbooks don't know."""
    known = tags()
    for one in wanted:
        if one not in known:
            raise BadInputError(
                f'the playbooks have no tag "{one}"',
                place="--tags",
                remedy=suggestion(one, known, "tag"),
            )


def by_host(happenings: Iterable[Happening]) -> dict[str, list[Happening]]:
    """Return what happened, host by host."""
    found: dict[str, list[Happening]] = defaultdict(list)
    for one in happenings:
        found[one.host].append(one)
    return dict(sorted(found.items()))
