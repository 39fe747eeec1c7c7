"""What a rule is, and how rules say what they have found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from infra.graph import Resource
from policies.frameworks import Clause
from policies.view import View


class Severity(StrEnum):
    """How bad it is when a rule does not hold; the gate closes at any."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Topic(StrEnum):
    """What rules are about; each topic has a module."""

    EXPOSURE = "exposure"
    IPV6 = "ipv6"
    IDENTITY = "identity"
    ENCRYPTION = "encryption"
    ISOLATION = "isolation"
    OWNERSHIP = "ownership"
    RECOVERY = "recovery"
    CAPACITY = "capacity"
    LIFECYCLE = "lifecycle"


class Source(StrEnum):
    """What is judged: what a deploy would make, what the last one made, what there is."""

    PREVIEW = "preview"
    STATE = "state"
    LIVE = "live"


@dataclass(frozen=True)
class Title:
    """A rule as a sentence, in both languages."""

    vi: str
    en: str


@dataclass(frozen=True)
class About:
    """What an auditor reads of a rule."""

    id: str
    """The topic, and what must not be: "exposure-admin-port"."""
    severity: Severity
    title: Title
    against: str
    """What it protects against."""
    remedy: str
    frameworks: tuple[Clause, ...] = ()
    by_state: str = ""
    """What of it no cloud tells, so that it is as the state has it on the live cloud too."""

    @property
    def topic(self) -> Topic:
        """The topic, by the id."""
        return Topic(self.id.partition("-")[0])


OnResource = Callable[[View, Resource], Iterator[str]]
"""Says what is wrong with one resource."""
OnStack = Callable[[View], Iterator[tuple[Resource, str]]]
"""Says what is wrong with which resource, seeing all."""


@dataclass(frozen=True)
class Rule:
    """A rule: its data and its function, which looks at each resource of `kinds`, or at all."""

    about: About
    kinds: tuple[str, ...]
    """Last parts of types, such as "Port"; empty: the function sees the whole stack at once."""
    check: Callable[..., Iterator[Any]]

    @property
    def id(self) -> str:
        """The rule's id."""
        return self.about.id


@dataclass(frozen=True)
class Book:
    """A topic's rules."""

    rules: list[Rule]

    def each(self, about: About, *kinds: str) -> Callable[[OnResource], OnResource]:
        """Register a rule that looks at one resource of these kinds at a time."""

        def register(check: OnResource) -> OnResource:
            self.rules.append(Rule(about, kinds, check))
            return check

        return register

    def stack(self, about: About) -> Callable[[OnStack], OnStack]:
        """Register a rule that looks at the whole stack."""

        def register(check: OnStack) -> OnStack:
            self.rules.append(Rule(about, (), check))
            return check

        return register


@dataclass(frozen=True, order=True)
class Finding:
    """Something that closes the gate."""

    rule: str
    severity: str
    urn: str
    message: str

    def as_json(self) -> dict[str, str]:
        """Return it as `--json` prints it."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "urn": self.urn,
            "message": self.message,
        }


def about(  # noqa: PLR0913, PLR0917 - what an auditor reads, in the order of reading
    id_: str,
    severity: str,
    en: str,
    vi: str,
    against: str,
    remedy: str,
    *clauses: Sequence[Clause],
    by_state: str = "",
) -> About:
    """Return a rule's data."""
    frameworks = tuple(one for some in clauses for one in some)
    return About(id_, Severity(severity), Title(vi, en), against, remedy, frameworks, by_state)
