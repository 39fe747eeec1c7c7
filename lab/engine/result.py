"""What a run reports: progress while it goes on, all of it at the end, and how to show it."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from catalogue.errors import CityDCError
from lab.engine.resource import Resource
from lab.engine.values import UNKNOWN, Difference, Secret, has_secret, masked

Op = Literal["create", "update", "replace", "delete", "same"]
OPS: tuple[Op, ...] = get_args(Op)


class Listener(Protocol):
    """Who is told of a run's progress.  Calls come from many threads, one at a time."""

    def step_started(self, op: Op, urn: str) -> None:
        """Hear that a step on a resource begins."""

    def step_done(self, op: Op, urn: str, seconds: float) -> None:
        """Hear that it has succeeded."""

    def error(self, error: CityDCError) -> None:
        """Hear of an error as soon as it happens."""

    def log(self, message: str) -> None:
        """Hear what the program or the engine has to say."""


class Quiet:
    """A listener that does nothing."""

    def step_started(self, op: Op, urn: str) -> None:
        """Hear that a step on a resource begins."""

    def step_done(self, op: Op, urn: str, seconds: float) -> None:
        """Hear that it has succeeded."""

    def error(self, error: CityDCError) -> None:
        """Hear of an error as soon as it happens."""

    def log(self, message: str) -> None:
        """Hear what the program or the engine has to say."""


@dataclass(frozen=True)
class Change:
    """One resource that is not the same, and its properties that differ."""

    urn: str
    op: Op
    diff: tuple[Difference, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON, secrets and unknown values only named."""
        diff = [
            {"path": one.path, "old": masked(one.old), "new": masked(one.new)} for one in self.diff
        ]
        return {"urn": self.urn, "op": self.op, "diff": diff}


@dataclass(frozen=True)
class Result:
    """
    How a run ended, complete whichever way it did.

    `changes` counts resources by what happened to them (in a drift: update = differs, delete = is
    gone); `resources` has those that are not the same; `outputs` are the stack's, with `Secret`s;
    `skipped` counts what was not tried because of `errors`; `resources_after` is the state that
    the run left, or, in a preview, would leave.
    """

    changes: Mapping[Op, int]
    resources: Sequence[Change]
    seconds: float
    outputs: Mapping[str, Any]
    errors: Sequence[CityDCError] = ()
    skipped: int = 0
    resources_after: Sequence[Resource] = field(default=(), repr=False)

    @property
    def changed(self) -> bool:
        """Whether anything is not the same."""
        return bool(self.resources)


class Recorder:
    """Gathers what a run does; tells the listener.  Safe for many threads."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._ops: dict[str, Op] = {}
        self._diffs: dict[str, list[Difference]] = {}
        self._errors: dict[Any, CityDCError] = {}
        self.skipped: set[str] = set()

    def plan(self, op: Op, urn: str, diff: Sequence[Difference] = ()) -> None:
        """Note what happens to a resource; a second note of a resource adds to the first."""
        with self._lock:
            if self._ops.get(urn, "same") == "same":
                self._ops[urn] = op
            if diff:
                self._diffs.setdefault(urn, []).extend(diff)

    def started(self, op: Op, urn: str) -> float:
        """Tell that a step begins; return the time for done()."""
        with self._lock:
            self._listener.step_started(op, urn)
        return time.monotonic()

    def done(self, op: Op, urn: str, began: float) -> None:
        """Tell that a step has succeeded."""
        with self._lock:
            self._listener.step_done(op, urn, time.monotonic() - began)

    def undone(self, urn: str) -> None:
        """Take back what was noted of a resource: it failed."""
        with self._lock:
            self._ops.pop(urn, None)
            self._diffs.pop(urn, None)

    def error(self, error: CityDCError, group: Any = None) -> None:
        """Note an error, one for each group (default: each message)."""
        with self._lock:
            group = group if group is not None else str(error)
            if group not in self._errors:
                self._errors[group] = error
                self._listener.error(error)

    def log(self, message: str) -> None:
        """Pass a message on."""
        with self._lock:
            self._listener.log(message)

    @property
    def errors(self) -> list[CityDCError]:
        """The errors so far, one for each group."""
        with self._lock:
            return list(self._errors.values())

    def result(self, outputs: Mapping[str, Any], after: Sequence[Resource]) -> Result:
        """Return all of it."""
        errors = self.errors
        with self._lock:
            count = Counter(self._ops.values())
            changes = [
                Change(urn, op, tuple(self._diffs.get(urn, ())))
                for urn, op in self._ops.items()
                if op != "same"
            ]
            return Result(
                {op: count[op] for op in OPS},
                changes,
                time.monotonic() - self._began,
                dict(outputs),
                errors,
                len(self.skipped),
                list(after),
            )


def lines(change: Change) -> list[str]:
    """Return a change's properties as lines for people: "+ path: new", "- ...", "~ old => new"."""
    return [_line(one) for one in change.diff]


def _line(one: Difference) -> str:
    if one.old is None:
        return f"+ {one.path}: {_shown(one.new)}"
    if one.new is None:
        return f"- {one.path}: {_shown(one.old)}"
    return f"~ {one.path}: {_shown(one.old)} => {_shown(one.new)}"


def _shown(value: Any) -> str:
    if isinstance(value, Secret) or has_secret(value):
        return "[secret]"
    if value is UNKNOWN:
        return "[unknown]"
    return repr(value) if isinstance(value, str) else str(value)
