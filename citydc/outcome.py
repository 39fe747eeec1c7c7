"""What a verb that works on a stack has to report, whichever engine did it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from catalogue.errors import CityDCError
from citydc.project import Project

if TYPE_CHECKING:
    from lab.engine.plan import Plan

KINDS = ("create", "update", "replace", "delete", "same")


@dataclass(frozen=True)
class Change:
    """
    One resource and what happens to it.

    `diff` has a mapping for each property that differs, with its `path` and what the engine knows
    of its values; `lines` says the same to people.
    """

    urn: str
    op: str
    diff: Sequence[Mapping[str, Any]] = ()
    lines: Sequence[str] = ()

    @property
    def label(self) -> str:
        """The resource's type and name, as a person would say them."""
        _, _, types, name = self.urn.removeprefix("urn:pulumi:").split("::", 3)
        return f"{types.rsplit('$', 1)[-1]} {name}"


@dataclass(frozen=True)
class Outcome:
    """
    All of it.

    `changes` counts resources by kind of change; `resources` has those that are not the same;
    `seconds` is what it took; `errors` is empty when it succeeded; `skipped` counts the resources
    that were not tried because of errors.
    """

    site: str
    engine: str
    changes: Mapping[str, int]
    resources: Sequence[Change]
    seconds: float
    errors: Sequence[CityDCError] = ()
    skipped: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything is not the same."""
        return any(self.changes.get(kind) for kind in KINDS if kind != "same")

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as `--json` prints it."""
        return {
            "site": self.site,
            "engine": self.engine,
            "changes": {kind: self.changes.get(kind, 0) for kind in KINDS},
            "resources": [
                {"urn": one.urn, "op": one.op, "diff": list(one.diff)} for one in self.resources
            ],
            "seconds": round(self.seconds, 3),
            "errors": [
                {"what": one.what, "why": one.why, "remedy": one.remedy, "place": one.place}
                for one in self.errors
            ],
            "skipped": self.skipped,
        }


class EngineName(StrEnum):
    """What can run the Pulumi program."""

    PULUMI = "pulumi"
    EMBEDDED = "embedded"


class Progress(Protocol):
    """What is told while work goes on."""

    def step(self, op: str, urn: str) -> None:
        """One resource is done."""

    def log(self, message: str) -> None:
        """Say something the user should know now."""


class Engine(Protocol):
    """What runs the Pulumi program."""

    name: str
    described: str
    """In a few words, for the first line of what is printed."""
    project: Project
    site: str
    passphrase: str

    def preview(self, progress: Progress) -> Outcome:
        """Compare the program with the state; change nothing."""
        ...

    def plan(self, progress: Progress) -> "tuple[Outcome, Plan | None]":
        """Compare the program with state and cloud: what a deploy would do (None: errors)."""
        ...

    def deploy(self, progress: Progress, plan: "Plan | None" = None) -> Outcome:
        """Make the cloud what the program says; with a plan, that and nothing else."""
        ...

    def drift(self, progress: Progress) -> Outcome:
        """Compare the cloud with the state; change nothing."""
        ...

    def destroy(self, progress: Progress) -> Outcome:
        """Remove all that the state has."""
        ...

    def checkpoint(self, progress: Progress, *, deployed: bool) -> Mapping[str, Any]:
        """
        Return the stack as a checkpoint has it, its secrets closed.

        As it is deployed, or as a deploy would leave it; then ids that are not there yet are
        unknown.  Raise CityDCError.
        """
        ...
