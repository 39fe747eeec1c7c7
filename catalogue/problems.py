"""What is wrong in a catalogue's files: where, in which field, and what to do about it."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalogue.errors import BadInputError

MANY = 20
"""How many names a message lists."""


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing that a user has to mend.  Lines and columns count from 1."""

    file: Path
    line: int
    column: int
    field: str
    """The field's dotted path in the file, a list's entries by their ids; empty: the file."""
    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        head = f"{place}: {self.field}: {self.what}" if self.field else f"{place}: {self.what}"
        return f"{head}{f' ({self.why})' if self.why else ''} — {self.remedy}"


class UnsoundCatalogueError(BadInputError):
    """The catalogue's files say something that cannot be; `problems` has all of it, by place."""

    def __init__(self, folder: Path, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"the catalogue has {count}",
            why="; ".join(map(str, problems)),
            remedy="mend the files at the places named; nothing was changed",
            place=str(folder),
        )

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.what}", *map(str, self.problems), f"  remedy: {self.remedy}"]
        return "\n".join(lines)


def suggestion(found: object, known: Iterable[str], kind: str) -> str:
    """
    Return the remedy for a name that isn't known: the nearest one, or what there is.

    >>> suggestion("mian", ["main", "backup"], "site")
    'did you mean "main"?'
    """
    names = sorted(set(known))
    if near := difflib.get_close_matches(str(found), names, n=1):
        return f'did you mean "{near[0]}"?'
    if not names:
        return f"there is no {kind} yet: describe one, or leave this out"
    shown = ", ".join(names[:MANY]) + (", ..." if len(names) > MANY else "")
    return f"known: {shown}"
