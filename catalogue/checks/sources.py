"""Where figures come from: a document that the entry names, or an assumption with its reason."""

import re
from collections.abc import Iterator
from typing import Any

from catalogue.documents import Document, Steps
from catalogue.loading import Draft
from catalogue.problems import Problem

_NO_FIGURES = {"number", "port", "vlan", "year"}
"""Numbers that name something."""
_NAMED_FIGURES = {"flavor", "tier", "servers"}
"""Texts that stand for figures: a size, a recovery tier."""


def figures_have_a_source(draft: Draft) -> Iterator[Problem]:
    """
    Every figure that the Plan doesn't give is covered by an assumption with a reason.

    Where an entry names its source, as targets, factors and tariffs do, that is enough.  A group of
    figures is told of once, at the outermost part that no assumption mentions.
    """
    for kind in ("city", "sites", "services"):
        for key, document in draft.of_kind(kind):
            if key in draft.models:
                covered = _Patterns(document)
                yield from _uncovered(document, covered)


def assumptions_cover_something(draft: Draft) -> Iterator[Problem]:
    """Every path in an assumption leads to something."""
    for key, document in draft.documents.items():
        if key not in draft.models:
            continue
        patterns = _Patterns(document)
        paths = {tuple(document.labels(steps)) for steps in document.values}
        for steps, pattern, expression in patterns.entries:
            if not any(expression.fullmatch(".".join(path)) for path in paths):
                remedy = "correct the path, or remove it"
                yield draft.problem(key, steps, f'"{pattern}" leads to nothing here', remedy)


def doubts_are_told(draft: Draft) -> Iterator[Problem]:
    """Ensure that a source that is no official document says in a note what is known of it."""
    for key, document in draft.documents.items():
        for pattern in ("plan", "targets.*.source", "factors.*.source", "tariff.source"):
            for steps, source in document.find(pattern):
                if (
                    isinstance(source, dict)
                    and str(source.get("confidence")) in {"news", "draft"}
                    and not source.get("note")
                ):
                    what = f"is missing for a source of confidence {source['confidence']}"
                    remedy = "say in a note where the figure was found and what is to be confirmed"
                    yield draft.problem(key, (*steps, "note"), what, remedy)


class _Patterns:
    """The paths that a file's assumptions mean."""

    def __init__(self, document: Document) -> None:
        self.entries = [
            (steps, text, _expression(text))
            for steps, text in document.find("assumptions.*.fields.*")
        ]
        joined = "|".join(f"({expression.pattern})" for _, _, expression in self.entries)
        self._any = re.compile(rf"({joined or '(?!)'})(\..*)?")

    def cover(self, labels: list[str]) -> bool:
        """Return whether an assumption means that path or a part around it."""
        return bool(self._any.fullmatch(".".join(labels)))


def _expression(pattern: str) -> re.Pattern[str]:
    """Return the paths that a pattern means: `*` is any one step, `**` any number of steps."""
    steps = [
        r"[^.]+(\.[^.]+)*" if step == "**" else r"[^.]+" if step == "*" else re.escape(step)
        for step in pattern.split(".")
    ]
    return re.compile(r"\.".join(steps))


def _uncovered(document: Document, covered: _Patterns) -> Iterator[Problem]:
    told: set[Steps] = set()
    for steps in document.values:
        if not _is_figure(document, steps) or covered.cover(document.labels(steps)):
            continue
        group = steps[:-1] if steps[-1] in {"production", "lab"} else steps
        if group not in told:
            told.add(group)
            remedy = f'add an assumption with the field "{document.dotted(group)}" and its reason'
            yield document.problem(group, "has no source and no assumption", remedy)


def _is_figure(document: Document, steps: Steps) -> bool:
    """Return whether a figure stands there that has no source beside it or around it."""
    value: Any = document.data
    for step in steps:
        if isinstance(value, dict) and "source" in value and step != "source" and "id" not in value:
            return False
        value = value[step]
    if isinstance(value, bool) or not steps or steps[0] == "plan":
        return False
    if isinstance(value, int | float):
        return steps[-1] not in _NO_FIGURES
    return isinstance(value, str) and steps[-1] in _NAMED_FIGURES and _is_chosen(steps)


def _is_chosen(steps: Steps) -> bool:
    """Return whether the text is a size or a recovery tier, not the kind of a component."""
    return steps[-1] == "flavor" or steps == ("recovery", "tier")
