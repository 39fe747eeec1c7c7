"""
What was seen of a service, second by second, and how several views become one.

Three values are enough for what is seen: good, bad and unknown, ordered bad < unknown < good, so
that "any" and "all" are Kleene's strong three-valued logic (maximum and minimum).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, TypeVar

WITNESSES = 2
"""How many observers suffice where none is proved healthy."""

K = TypeVar("K")


class Seen(IntEnum):
    """What a probe, or several, say of a moment."""

    BAD = 0
    UNKNOWN = 1
    GOOD = 2


class State(StrEnum):
    """What a second of a service counts as."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    MAINTENANCE = "maintenance"


class Span(NamedTuple):
    """What was seen from `start` to before `end`, whole seconds since 1970 UTC."""

    start: int
    end: int
    seen: Seen


@dataclass(frozen=True, slots=True)
class View:
    """What one observer sees of a target."""

    seen: Seen
    healthy: bool
    """Whether its self-checks prove that it would see the target if it were good."""


def any_of(seen: Iterable[Seen]) -> Seen:
    """Return what alternatives are together: good if one is, bad only if all are."""
    return max(seen, default=Seen.UNKNOWN)


def all_of(seen: Iterable[Seen]) -> Seen:
    """Return what is good only if all are, and bad if one is."""
    return min(seen, default=Seen.UNKNOWN)


def witnessed(views: Iterable[View]) -> Seen:
    """
    Return what the observers' views of a target amount to.

    It is bad where an observer that is proved healthy sees it bad, or where two see it bad and
    none good; else good where one sees it good; else unknown.
    """
    views = list(views)
    if any(view.seen is Seen.BAD and view.healthy for view in views):
        return Seen.BAD
    if any(view.seen is Seen.GOOD for view in views):
        return Seen.GOOD
    if sum(view.seen is Seen.BAD for view in views) >= WITNESSES:
        return Seen.BAD
    return Seen.UNKNOWN


def counted(seen: Seen, *, maintenance: bool) -> State:
    """Return what a second counts as: maintenance excuses what is not good, it hides nothing."""
    if seen is Seen.GOOD:
        return State.GOOD
    if maintenance:
        return State.MAINTENANCE
    return State.BAD if seen is Seen.BAD else State.UNKNOWN


def pieces(
    spans: Mapping[K, Iterable[Span]], start: int, end: int
) -> Iterator[tuple[int, int, dict[K, Seen]]]:
    """
    Yield `start` to `end` in pieces over which nothing changes: from, to, what is seen of each key.

    Where no span of a key lies it is unknown; where several do, the one that began last counts.
    """
    clipped = {
        key: [
            Span(max(one.start, start), min(one.end, end), one.seen)
            for one in sorted(own)
            if one.start < end and one.end > start
        ]
        for key, own in spans.items()
    }
    edges = {start, end} | {
        edge for own in clipped.values() for one in own for edge in (one.start, one.end)
    }
    cuts = sorted(edges)
    for first, last in itertools.pairwise(cuts):
        yield (
            first,
            last,
            {
                key: next((s.seen for s in reversed(own) if s.start <= first < s.end), Seen.UNKNOWN)
                for key, own in clipped.items()
            },
        )
