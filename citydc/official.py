"""The official Pulumi CLI, driven through Pulumi's Automation API."""

import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openstack.config
import yaml
from pulumi import automation
from pulumi.automation.events import (
    DiagnosticEvent,
    EngineEvent,
    OpType,
    StepEventMetadata,
    StepEventStateMetadata,
)

from catalogue.errors import BadInputError, CityDCError, OutsideError
from citydc.outcome import Change, Outcome, Progress
from citydc.project import Project
from lab.engine.crypter import Crypter
from lab.engine.plan import Plan, Step, digest
from lab.engine.resource import STACK
from lab.engine.values import Values

# A step of the engine, and the kind of change that it is a part of.
KIND = {
    OpType.SAME: "same",
    OpType.CREATE: "create",
    OpType.IMPORT: "create",
    OpType.UPDATE: "update",
    OpType.REPLACE: "replace",
    OpType.DELETE: "delete",
}

STATE = ("resources", "pending_operations")
"""What of a deployment is the stack's state; the rest says who wrote it when."""
CLOSED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": ""}
"""A secret, as a checkpoint has it."""

BESIDE = re.compile(
    r"(preview|update|refresh|destroy) failed|Program failed with an unhandled exception:"
)
"""What the CLI says beside the errors that it tells of."""

REFUSED = re.compile(r"Authentication failed|got 401 instead|requires authentication")
"""What gophercloud and keystone say of credentials that are not valid."""

RAISED = re.compile(r"(.+?)(?:\n  cause: (.+?))?\n  remedy: (.+)", re.DOTALL)
"""An error of the program's own, as `CityDCError` prints itself."""


class Official:
    """A site's stack, in the hands of the official CLI."""

    name = "pulumi"

    def __init__(self, project: Project, site: str, cloud: str) -> None:
        self.project, self.site, self.cloud = project, site, cloud
        self.passphrase = project.passphrase()
        self.described = "the official CLI"

    def preview(self, progress: Progress) -> Outcome:
        """Compare the program with the state; change nothing."""
        return self._run(progress, lambda stack, heard: stack.preview(on_event=heard))

    def plan(self, progress: Progress) -> tuple[Outcome, Plan | None]:
        """Compare the program with state and cloud: what a deploy would do (None: errors)."""
        began = time.monotonic()
        states: list[Mapping[str, Any]] = []
        with tempfile.TemporaryDirectory(prefix="citydc-") as folder:
            file = Path(folder, "plan.json")

            def work(stack: automation.Stack, heard: Callable[[EngineEvent], None]) -> None:
                states.append(stack.export_stack().deployment or {})
                stack.preview(on_event=heard, refresh=True, plan=str(file))

            events = self._heard(progress, work)
            outcome = self._outcome(events, began)
            if events.errors:
                return outcome, None
            native = json.loads(file.read_text(encoding="utf-8"))
        return outcome, Plan(
            state=digest([_unsealed(one) for name in STATE for one in states[0].get(name) or ()]),
            cloud=digest(events.cloud.items()),
            steps={one.urn: Step(one.op, one.lines) for one in events.changes},
            goals=events.goals,
            salt=Crypter(self.passphrase).salt,
            native=native,
        )

    def deploy(self, progress: Progress, plan: Plan | None = None) -> Outcome:
        """
        Make the cloud what the program says, by what the cloud has now.

        The CLI holds itself to a plan while it works, whatever the plan started from; so what
        there is to do is compared with the plan first, and nothing is changed if it differs.
        """
        if plan is None:
            return self._run(
                progress,
                lambda stack, heard: stack.up(on_event=heard, refresh=True, show_secrets=False),
            )
        outcome, there_is = self.plan(progress)
        if there_is is None:
            return outcome
        if error := plan.refusal(there_is, resumed=False):
            return Outcome(self.site, self.name, {}, (), outcome.seconds, [error])
        with tempfile.TemporaryDirectory(prefix="citydc-") as folder:
            file = Path(folder, "plan.json")
            file.write_text(json.dumps(plan.native), encoding="utf-8")
            return self._run(
                progress,
                lambda stack, heard: stack.up(
                    on_event=heard, refresh=True, show_secrets=False, plan=str(file)
                ),
            )

    def drift(self, progress: Progress) -> Outcome:
        """Compare the cloud with the state; change nothing."""
        return self._run(progress, lambda stack, heard: stack.preview_refresh(on_event=heard))

    def destroy(self, progress: Progress) -> Outcome:
        """Remove all that the state has."""
        return self._run(
            progress, lambda stack, heard: stack.destroy(on_event=heard, show_secrets=False)
        )

    def checkpoint(self, progress: Progress, *, deployed: bool) -> Mapping[str, Any]:
        """
        Return the stack as a checkpoint has it, its secrets closed.

        As it is deployed, or as a deploy would leave it: then without what the values come from,
        which the CLI does not tell.  Raise CityDCError.
        """
        exported: list[Mapping[str, Any]] = []

        def work(stack: automation.Stack, heard: Callable[[EngineEvent], None]) -> None:
            if deployed:
                exported.append(stack.export_stack().deployment or {})
            else:
                stack.preview(on_event=heard)

        events = self._heard(progress, work)
        if events.errors:
            raise events.errors[0]
        return exported[0] if deployed else {"resources": list(events.after.values())}

    def _run(
        self,
        progress: Progress,
        work: Callable[[automation.Stack, Callable[[EngineEvent], None]], Any],
    ) -> Outcome:
        began = time.monotonic()
        return self._outcome(self._heard(progress, work), began)

    def _outcome(self, events: "_Events", began: float) -> Outcome:
        return Outcome(
            self.site,
            self.name,
            events.counts,
            events.changes,
            time.monotonic() - began,
            events.errors,
        )

    def _heard(
        self,
        progress: Progress,
        work: Callable[[automation.Stack, Callable[[EngineEvent], None]], Any],
    ) -> "_Events":
        events = _Events(progress)
        with _environment(self.cloud) as variables:
            try:
                stack = automation.create_or_select_stack(
                    self.site,
                    work_dir=str(self.project.folder),
                    opts=automation.LocalWorkspaceOptions(
                        env_vars={
                            **variables,
                            "PULUMI_BACKEND_URL": self.project.backend_url,
                            "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
                        }
                    ),
                )
                work(stack, events.hear)
            except automation.CommandError as error:
                if not events.errors:
                    events.errors.append(_explained(self.site, error))
        return events


class _Events:
    """What the CLI tells while it runs."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.counts: Counter[str] = Counter()
        self.changes: list[Change] = []
        self.errors: list[CityDCError] = []
        self.after: dict[str, Mapping[str, Any]] = {}
        """Each resource that there will be, by URN, as a checkpoint has it."""
        self.refreshing: Counter[str] = Counter()
        """What is being looked at in the cloud, by URN."""
        self.cloud: dict[str, Any] = {}
        """The inputs that were found of each resource before an update, by URN (None: gone)."""

    @property
    def goals(self) -> dict[str, Values]:
        """Each resource as it is to be, by URN; of outputs, only the stack's."""
        return {
            urn: {**one, "outputs": one["outputs"] if one["type"] == STACK else {}}
            for urn, one in self.after.items()
        }

    def hear(self, event: EngineEvent) -> None:
        if step := event.resource_pre_event:
            self._begun(step.metadata)
        if (done := event.res_outputs_event) and self.refreshing[done.metadata.urn]:
            self.refreshing[done.metadata.urn] -= 1
            self._looked(done.metadata)
        if (said := event.diagnostic_event) and said.severity == "error":
            self._error(said)

    def _error(self, said: DiagnosticEvent) -> None:
        error = _told(said)
        # What the user gave wrong, such as a password, is one error, whichever resources met it.
        if isinstance(error, BadInputError) and error.what in {one.what for one in self.errors}:
            return
        if error:
            self.errors.append(error)

    def _begun(self, step: StepEventMetadata) -> None:
        """
        Count a step, but for refreshing: what came of that is told at its end only.

        Before an update the CLI tells what it found at most, and the update's own steps follow.
        """
        if step.op is OpType.REFRESH:
            self.refreshing[step.urn] += 1
        else:
            self.refreshing.pop(step.urn, None)
            self._step(step)

    def _looked(self, step: StepEventMetadata) -> None:
        if step.op is OpType.REFRESH:
            self.cloud[step.urn] = _unsealed(step.new.inputs) if step.new else None
        else:
            self._step(step)

    def _step(self, step: StepEventMetadata) -> None:
        if step.new and not step.new.delete:
            self.after[step.urn] = _as_checkpoint(step.new)
        kind = KIND.get(step.op)
        if kind is None:
            return  # a part of a replacement, which is counted as a whole, or of refreshing
        self.counts[kind] += 1
        self.progress.step(kind, step.urn)
        if kind != "same":
            paths = {
                path: one.diff_kind.value for path, one in (step.detailed_diff or {}).items()
            } or dict.fromkeys(step.diffs or (), "update")
            self.changes.append(
                Change(
                    step.urn,
                    kind,
                    [{"path": path, "kind": how} for path, how in sorted(paths.items())],
                    [f"{how}: {path}" for path, how in sorted(paths.items())],
                )
            )


def _as_checkpoint(state: StepEventStateMetadata) -> Mapping[str, Any]:
    known = ("urn", "type", "id", "parent", "provider", "protect", "inputs", "outputs")
    return {name: _closed(getattr(state, name)) for name in known}


def _unsealed(value: Any) -> Any:
    """Return a checkpoint's value without its ciphertexts, which differ from run to run."""
    if isinstance(value, Mapping):
        return {name: "" if name == "ciphertext" else _unsealed(one) for name, one in value.items()}
    return [_unsealed(one) for one in value] if isinstance(value, list) else value


def _closed(value: Any) -> Any:
    """Return a value with the CLI's "[secret]" as a checkpoint has secrets."""
    if isinstance(value, Mapping):
        return {name: _closed(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_closed(one) for one in value]
    return CLOSED if value == "[secret]" else value


def _uncoloured(text: str) -> str:
    """Return the CLI's text without its colour marks."""
    return re.sub(r"<\{%.*?%\}>", "", text)


def _told(said: DiagnosticEvent) -> CityDCError | None:
    """Return the error that a diagnostic tells of; None if others tell of it."""
    text = _uncoloured(said.message).strip()
    why = " ".join(text.split())
    if BESIDE.fullmatch(why):
        return None
    if REFUSED.search(why):
        return BadInputError(
            "the cloud refuses the credentials",
            why=why,
            remedy="check the user, password and project in clouds.yaml or the OS_* variables",
        )
    resource = said.urn if said.urn and "::pulumi:pulumi:Stack::" not in said.urn else ""
    if not resource and (raised := RAISED.fullmatch(text)):
        return BadInputError(raised[1], why=raised[2] or "", remedy=raised[3])
    if not resource and "Traceback (most recent call last)" in text:
        return BadInputError(
            "the Pulumi program failed", why=text.splitlines()[-1], remedy="correct the program"
        )
    return OutsideError(
        f"{Change(resource, '').label} failed" if resource else "the stack failed",
        why=why,
        remedy="remove the cause, then run it again",
        place=resource,
    )


def _explained(site: str, error: automation.CommandError) -> CityDCError:
    text = str(error)
    if isinstance(error, automation.ConcurrentUpdateError):
        return OutsideError(
            f'the stack "{site}" is in use',
            why="another run holds its lock",
            remedy=f"wait for it to end; if it is gone: pulumi cancel --stack {site}",
        )
    if "incorrect passphrase" in text:
        return BadInputError(
            f'the passphrase does not open the stack "{site}"',
            remedy="correct PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
        )
    told = [line for line in text.splitlines() if line.strip().startswith("error:")]
    return OutsideError(
        f'the official CLI failed on the stack "{site}"',
        why=" ".join(_uncoloured(told[0] if told else text).split())[:2000],
        remedy=f"run `pulumi preview --stack {site}` to see all that it says",
    )


@contextmanager
def _environment(cloud: str) -> Iterator[Mapping[str, str]]:
    """
    Yield the variables by which program and provider plugin find their credentials.

    The plugin lets OS_* override what the program gives each provider, such as the project; so
    credentials that stand in OS_* go by a clouds.yaml of their own, and OS_* is emptied.
    """
    config = openstack.config.OpenStackConfig()
    emptied = {name: "" for name in os.environ if name.startswith("OS_")}
    emptied.pop("OS_CLIENT_CONFIG_FILE", None)
    if cloud in config.get_cloud_names():
        yield emptied
        return
    found = config.get_one().config
    entry = {name: found[name] for name in ("auth", "region_name", "cacert") if found.get(name)}
    with tempfile.TemporaryDirectory(prefix="citydc-") as folder:
        file = Path(folder, "clouds.yaml")
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump({"clouds": {cloud: entry}}), encoding="utf-8")
        yield {**emptied, "OS_CLIENT_CONFIG_FILE": str(file)}
