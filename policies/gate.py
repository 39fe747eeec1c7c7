"""All rules over one stack: what they find, what is waived, and whether the gate is open."""

import contextlib
import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from infra.graph import Resource
from policies import waivers
from policies.model import Finding, Rule, Source
from policies.rules import RULES
from policies.view import UnknownValueError, View
from policies.waivers import Waiver

FAILED = "the rule failed"


@dataclass(frozen=True)
class Found:
    """What rules say of a stack, before waivers."""

    violations: list[Finding] = field(default_factory=list)
    unknown: list[Finding] = field(default_factory=list)
    """What cannot be decided before the deployment."""
    errors: list[Finding] = field(default_factory=list)
    """Rules that failed: they decide nothing, so they close the gate."""


@dataclass(frozen=True)
class Report:
    """The gate's decision, with all of its reasons."""

    site: str
    profile: str
    on: Source
    """What was judged."""
    rules: int
    found: Found
    waived: list[tuple[Finding, Waiver]]
    waivers: list[Waiver]
    waiver_faults: list[Finding]
    state_follows: bool = False
    """Whether what is unknown is judged again on the state after the deployment."""
    others: Mapping[Source, Sequence[Finding]] = field(default_factory=dict)
    """What rules say, waived or not, of the other sources that were compared."""

    def also_on(self, finding: Finding) -> list[Source]:
        """Return the other sources in which the rule says something of the resource too."""
        return [on for on in Source if (finding.rule, finding.urn) in self._said.get(on, ())]

    @cached_property
    def _said(self) -> Mapping[Source, set[tuple[str, str]]]:
        return {on: {(one.rule, one.urn) for one in some} for on, some in self.others.items()}

    @property
    def elsewhere(self) -> list[tuple[Finding, list[Source]]]:
        """What is found in other sources and not in what was judged, and where."""
        here = {
            (one.rule, one.urn)
            for one in (*self.found.violations, *(finding for finding, _ in self.waived))
        }
        found = {
            (one.rule, one.urn): one
            for some in self.others.values()
            for one in some
            if (one.rule, one.urn) not in here
        }
        return [(one, self.also_on(one)) for one in sorted(found.values())]

    @property
    def passed(self) -> bool:
        """Whether the gate is open."""
        undecided = self.found.unknown and not self.state_follows
        return not (self.found.violations or self.found.errors or self.waiver_faults or undecided)

    @property
    def closing(self) -> list[Finding]:
        """Everything that keeps the gate closed, the worst first."""
        undecided = [] if self.state_follows else self.found.unknown
        order = ("critical", "high", "medium", "low")
        return sorted(
            [*self.found.errors, *self.waiver_faults, *self.found.violations, *undecided],
            key=lambda one: (order.index(one.severity), one),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "passed": self.passed,
            "site": self.site,
            "profile": self.profile,
            "on": self.on.value,
            "rules": self.rules,
            "violations": [self._as_json(one) for one in self.found.violations],
            "unknown": [one.as_json() for one in self.found.unknown],
            "errors": [one.as_json() for one in [*self.found.errors, *self.waiver_faults]],
            "waived": [
                {**self._as_json(finding), "waiver": waiver.as_json()}
                for finding, waiver in self.waived
            ],
            "waivers": [one.as_json() for one in self.waivers],
            "elsewhere": [
                {**finding.as_json(), "on": [one.value for one in where]}
                for finding, where in self.elsewhere
            ],
        }

    def _as_json(self, finding: Finding) -> dict[str, Any]:
        also = {"also_on": [one.value for one in self.also_on(finding)]} if self.others else {}
        return {**finding.as_json(), **also}


def judge(  # noqa: PLR0913 - all but the stack have a name
    view: View,
    accepted: Sequence[Waiver] = (),
    *,
    on: Source = Source.PREVIEW,
    rules: Sequence[Rule] = RULES,
    state_follows: bool = False,
    others: Mapping[Source, View] | None = None,
) -> Report:
    """Return the gate's decision on a stack, compared with the `others` of what it is."""
    found = find(view, rules)
    holding = waivers.in_force(accepted, view, on)
    waived: list[tuple[Finding, Waiver]] = []
    left = []
    for one in found.violations:
        waiver = next((each for each in holding if each.covers(one)), None)
        if waiver:
            waived.append((one, waiver))
        else:
            left.append(one)
    return Report(
        view.site.id,
        view.profile.value,
        on,
        len(rules),
        Found(left, found.unknown, found.errors),
        waived,
        list(accepted),
        waivers.faults(accepted, view, on, found.violations, {one.id for one in rules}),
        state_follows,
        {source: _said_of(other, rules) for source, other in (others or {}).items()},
    )


def _said_of(view: View, rules: Sequence[Rule]) -> list[Finding]:
    found = find(view, rules)
    return [*found.violations, *found.errors]


def find(view: View, rules: Sequence[Rule] = RULES) -> Found:
    """Return what the rules find, each finding once, in order."""
    found = Found()
    with _uncollected():
        for rule in rules:
            for one in view.of(*dict.fromkeys(rule.kinds)) if rule.kinds else [None]:
                _apply(rule, view, one, found)
    return Found(*(sorted(set(some)) for some in (found.violations, found.unknown, found.errors)))


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Spare what costs half of the time: looking for garbage where there is none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _apply(rule: Rule, view: View, one: Resource | None, found: Found) -> None:
    at = one or view.stack
    try:
        for resource, message in _said(rule, view, one):
            found.violations.append(_finding(rule, resource, message))
    except UnknownValueError as error:
        found.unknown.append(_finding(rule, error.resource, str(error)))
    except Exception as error:  # noqa: BLE001 - a rule that fails closes the gate, whatever it met
        said = f"{FAILED}: {type(error).__name__}: {error}"
        found.errors.append(_finding(rule, at, said))


def _said(rule: Rule, view: View, one: Resource | None) -> Iterator[tuple[Resource, str]]:
    if one is None:
        yield from rule.check(view)
    else:
        for message in rule.check(view, one):
            yield one, message


def _finding(rule: Rule, resource: Resource, message: str) -> Finding:
    return Finding(rule.id, rule.about.severity.value, resource.urn, message)
