"""What a person sees: results on standard output, progress and errors on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from catalogue.errors import CityDCError
from citydc.outcome import Change, Outcome

WIDE = 200  # where no terminal says how wide it is
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, highlight=False, soft_wrap=True)

MARKS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "replace": ("±", "magenta"),
    "delete": ("-", "red"),
}
PAST = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}
FUTURE = {kind: f"to {kind}" for kind in PAST}


def say(text: str = "") -> None:
    """Print a line of the result."""
    out.print(text, markup=False)


def heading(text: str) -> None:
    """Print the title of what follows."""
    out.print(f"\n{text}", markup=False, style="bold")
    out.file.flush()


def note(text: str) -> None:
    """Print a line that is not part of the result."""
    err.print(text, markup=False, style="dim")


def print_json(data: Any) -> None:
    """Print data as JSON, whole on standard output."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def error(problem: CityDCError) -> None:
    """Print what went wrong: object, place, cause, remedy."""
    text = Text("error: ", style="bold red")
    text.append(str(problem), style="default")
    err.print(text)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their heads, each column as wide as it must be."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        grid.add_column(head, no_wrap=True)
    for row in rows:
        grid.add_row(*map(escape, row))
    out.print(grid)


def changes(outcome: Outcome, *, diff: bool) -> None:
    """Print each resource that is not the same; with `diff`, each of its properties."""
    for one in outcome.resources:
        _change(one, diff=diff)


def _change(change: Change, *, diff: bool) -> None:
    mark, style = MARKS.get(change.op, ("?", "default"))
    out.print(Text(f" {mark} {change.label}", style=style))
    if diff or change.op in {"update", "replace"}:
        for line in change.lines:
            say(f"     {line}")


def summary(outcome: Outcome, words: dict[str, str]) -> None:
    """Print the last line: how many of each kind, and how long it took."""
    parts = [
        f"{outcome.changes[kind]} {words[kind]}" for kind in words if outcome.changes.get(kind)
    ]
    parts.append(f"{outcome.changes.get('same', 0)} unchanged")
    if outcome.errors:
        parts.append(f"{len(outcome.errors)} failed")
    if outcome.skipped:
        parts.append(f"{outcome.skipped} not tried because of that")
    say(f"{outcome.site}: {', '.join(parts)} ({outcome.seconds:.1f} s)")


class Steps:
    """Progress of work on many resources: a bar on a terminal, nothing elsewhere."""

    def __init__(self, what: str) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}"),
            TimeElapsedColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task = self._bar.add_task(what, total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, op: str, urn: str) -> None:
        """One resource is done."""
        self._bar.update(self._task, advance=1, description=f"{op} {urn.rsplit('::', 1)[-1]}"[:40])

    def log(self, message: str) -> None:
        """Say something the user should know now."""
        note(message)


class HostSteps:
    """Progress of work on hosts: on a terminal a line for each, nothing elsewhere."""

    def __init__(self) -> None:
        self._bar = Bar(
            TextColumn("{task.fields[host]}"),
            TextColumn("{task.completed} done"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, host: str, task: str) -> None:
        """Note that a host is done with a task."""
        if host not in self._tasks:
            self._tasks[host] = self._bar.add_task("", total=None, host=host)
        self._bar.update(self._tasks[host], advance=1, description=task[:60])
