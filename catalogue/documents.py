"""
YAML files as plain data, with the place of every value.

Scalars are read as YAML 1.2's JSON schema reads them, as editors do: `no` is text, `22:00` is text
and `010` is text too, so that nothing turns into something else behind the author's back.
"""

import contextlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from catalogue.problems import Problem

Steps = tuple[str | int, ...]
"""A path into the data: names of fields, indexes of lists."""

MAX_DEPTH = 40
MAX_BYTES = 4 * 1024 * 1024

_AGAIN = -1
"""The step to a value whose field was given before: it is read, and left out."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d+)?([eE][-+]?\d{1,2})?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Document:
    """A file's data and where each part of it stands."""

    file: Path
    data: dict[str, Any]
    """Mappings, lists, texts, numbers, truth values and None."""
    values: dict[Steps, tuple[int, int]]
    """Line and column of each value, from 1."""
    keys: dict[Steps, tuple[int, int]]
    """Line and column of each field's name."""
    refused: set[Steps]
    """Paths of values that were told of already, and are None here."""

    def problem(
        self, steps: Steps, what: str, remedy: str, *, why: str = "", at_key: bool = False
    ) -> Problem:
        """Return a problem at the value with that path, or at the nearest part that is there."""
        places = self.keys if at_key else self.values
        there = steps
        while there not in places and there:
            there, places = there[:-1], self.values
        line, column = places.get(there, (1, 1))
        return Problem(self.file, line, column, self.dotted(steps), what, why, remedy)

    def dotted(self, steps: Steps) -> str:
        """Return the path as people read it: a list's entries by their ids where they have one."""
        return ".".join(self.labels(steps))

    def labels(self, steps: Steps) -> list[str]:
        """Return the path's steps as texts, a list's entry by its id where it has one."""
        labels, value = [], self.data
        for step in steps:
            with contextlib.suppress(KeyError, IndexError, TypeError):
                value = value[step]  # type: ignore[index] # data has any shape until it is checked
            name = value.get("id") if isinstance(step, int) and isinstance(value, dict) else None
            labels.append(name if isinstance(name, str) and name else str(step))
        return labels

    def find(self, pattern: str) -> Iterator[tuple[Steps, Any]]:
        """
        Yield every part whose path is `pattern`, such as "components.*.flavor", with that path.

        `*` stands for every entry of a list.  Parts of another shape are passed over.
        """
        yield from _find(self.data, (), pattern.split("."))


def _find(value: Any, steps: Steps, pattern: list[str]) -> Iterator[tuple[Steps, Any]]:
    if not pattern:
        yield steps, value
    elif pattern[0] == "*" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _find(item, (*steps, index), pattern[1:])
    elif isinstance(value, dict) and pattern[0] in value:
        yield from _find(value[pattern[0]], (*steps, pattern[0]), pattern[1:])


def read(file: Path) -> tuple[Document | None, list[Problem]]:
    """
    Read a file.

    Return its document and what is wrong with it as YAML; no document if it can't be told what
    the file says.
    """
    try:
        text = _text(file)
        document = _Reading(file).document(text)
    except _UnreadableError as error:
        return None, error.problems
    except yaml.YAMLError as error:
        return None, _syntax_problems(file, text, error)
    return document


class _UnreadableError(Exception):
    """The file says nothing that can be used; `problems` say why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = list(problems)


def _text(file: Path) -> str:
    def refuse(what: str, remedy: str, line: int = 1, column: int = 1) -> _UnreadableError:
        return _UnreadableError(Problem(file, line, column, "", what, "", remedy))

    try:
        if file.is_symlink() and not file.exists():
            raise refuse("is a link that leads nowhere", "remove the link or its fault")
        if not file.is_file():
            raise refuse("is not a file", "put a YAML file here")
        if file.stat().st_size > MAX_BYTES:
            raise refuse("is larger than 4 MiB", "a file describes one thing; split it")
        raw = file.read_bytes()
    except OSError as error:
        raise refuse(f"can't be read: {error.strerror}", "let this user read it") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise refuse("is not UTF-8 text", "save it as UTF-8", line, column) from error
    if bad := _UNPRINTABLE.search(text):
        before_bad = text[: bad.start()]
        line, column = before_bad.count("\n") + 1, bad.start() - before_bad.rfind("\n")
        what = f"has the control character U+{ord(bad[0]):04X}"
        raise refuse(what, "remove it", line, column)
    return text


def _syntax_problems(file: Path, text: str, error: yaml.YAMLError) -> list[Problem]:
    """Return what the parser says, or every tab before a line's text, which is the usual cause."""
    tabs = [
        Problem(
            file,
            number,
            line.index("\t") + 1,
            "",
            "is indented with a tab",
            "YAML doesn't allow it",
            "use two spaces",
        )
        for number, line in enumerate(text.splitlines(), 1)
        if "\t" in line[: len(line) - len(line.lstrip())] and line.strip()
    ]
    if tabs:
        return tabs
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    said = getattr(error, "problem", None) or str(error)
    return [
        Problem(
            file,
            line,
            column,
            "",
            "is not YAML from here on",
            str(said),
            "look here and above for a missing space, quote or bracket",
        )
    ]


@dataclass(slots=True)
class _Level:
    """A mapping or list that is being read."""

    steps: Steps
    into: dict[str, Any] | list[Any]
    key: str | None = None
    """Of a mapping: the field whose value comes next."""
    first: dict[str, int] = field(default_factory=dict)
    """Of a mapping: the line that each field was first given at."""
    skip: bool = False
    """Whether the value that comes next belongs to a field given twice."""


class _Reading:
    """Reads one file's events into a document."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.values: dict[Steps, tuple[int, int]] = {}
        self.keys: dict[Steps, tuple[int, int]] = {}
        self.refused: set[Steps] = set()
        self.levels: list[_Level] = []
        self.root: Any = None

    def document(self, text: str) -> tuple[Document | None, list[Problem]]:
        """Return the document; raise YAMLError at a fault of syntax."""
        documents = 0
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._note(event, "has a second document", "keep one document in a file")
                    raise _UnreadableError(self.problems[-1])
            else:
                self._take(event)
        if not isinstance(self.root, dict):
            what = "is empty" if self.root is None else "is not a list of fields"
            remedy = "write fields, such as `id: ...`"
            problem = Problem(self.file, 1, 1, "", what, "", remedy)
            return None, self.problems or [problem]
        document = Document(self.file, self.root, self.values, self.keys, self.refused)
        return document, self.problems

    def _take(self, event: yaml.Event) -> None:
        """Take in one event of a node."""
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self.levels.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._note(event, "uses an alias", "write the value out")
            self.refused.add(self._add(event, None))
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._refuse_tag(event)
            into: dict[str, Any] | list[Any] = (
                {} if isinstance(event, yaml.MappingStartEvent) else []
            )
            steps = self._add(event, into)
            self.levels.append(_Level(steps, into))
            if len(self.levels) > MAX_DEPTH:
                what = f"is nested more than {MAX_DEPTH} levels deep"
                self._note(event, what, "write it flatter")
                raise _UnreadableError(*self.problems)
        elif isinstance(event, yaml.ScalarEvent):
            level = self.levels[-1] if self.levels else None
            if level and isinstance(level.into, dict) and level.key is None:
                self._open_field(level, event)
            else:
                self._refuse_tag(event)
                self._add(event, _scalar(event))

    def _open_field(self, level: _Level, event: yaml.ScalarEvent) -> None:
        """Take in a field's name."""
        name = level.key = event.value
        place = _place(event)
        level.skip = name in level.first
        if level.skip:
            first = level.first[name]
            problem = Problem(
                self.file,
                *place,
                ".".join(map(str, (*level.steps, name))),
                f"is given twice, first in line {first}",
                "",
                "keep one of them",
            )
            self.problems.append(problem)
        else:
            level.first[name] = place[0]
            self.keys[*level.steps, name] = place

    def _add(self, event: yaml.Event, value: Any) -> Steps:
        """Put a value where it belongs and return its path."""
        if not self.levels:
            self.root = value
            steps: Steps = ()
        else:
            level = self.levels[-1]
            if isinstance(level.into, list):
                steps = (*level.steps, len(level.into))
                level.into.append(value)
            elif level.key is None:
                self._note(event, "has a field without a plain name", "name fields by one word")
                raise _UnreadableError(*self.problems)
            else:
                steps = (*level.steps, level.key)
                level.key = None
                if level.skip:
                    return (*steps, _AGAIN)
                level.into[str(steps[-1])] = value
        if _AGAIN not in steps:
            self.values[steps] = _place(event)
        return steps

    def _refuse_tag(self, event: yaml.Event) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._note(event, f"uses the tag {tag}", "remove the tag")

    def _note(self, event: yaml.Event, what: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, *_place(event), "", what, "", remedy))


def _place(event: yaml.Event) -> tuple[int, int]:
    """Return the line and column that the event starts at, from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _scalar(event: yaml.ScalarEvent) -> Any:
    text = str(event.value)
    if event.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text)
    if not match:
        return text
    if match[2] or match[3]:
        number = float(text)
        return number if math.isfinite(number) else text
    return int(text)
