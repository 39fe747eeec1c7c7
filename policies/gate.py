"""All rules over one stack: what they find, what is waived, and whether the gate is open."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.graph import Resource
from policies import waivers
from policies.model import Finding, Rule
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
    on: str
    """What was judged: "preview", "state"..."""
    rules: int
    found: Found
    waived: list[tuple[Finding, Waiver]]
    waivers: list[Waiver]
    waiver_faults: list[Finding]
    state_follows: bool = False
    """Whether what is unknown is judged again on the state after the deployment."""

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
            "on": self.on,
            "rules": self.rules,
            "violations": [one.as_json() for one in self.found.violations],
            "unknown": [one.as_json() for one in self.found.unknown],
            "errors": [one.as_json() for one in [*self.found.errors, *self.waiver_faults]],
            "waived": [
                {**finding.as_json(), "waiver": waiver.as_json()} for finding, waiver in self.waived
            ],
            "waivers": [one.as_json() for one in self.waivers],
        }


def judge(
    view: View,
    accepted: Sequence[Waiver] = (),
    *,
    on: str = "preview",
    rules: Sequence[Rule] = RULES,
    state_follows: bool = False,
) -> Report:
    """Return the gate's decision on a stack."""
    found = find(view, rules)
    holding = waivers.in_force(accepted, view)
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
        waivers.faults(accepted, view, found.violations, {one.id for one in rules}),
        state_follows,
    )


def find(view: View, rules: Sequence[Rule] = RULES) -> Found:
    """Return what the rules find, each finding once, in order."""
    found = Found()
    for rule in rules:
        for one in view.of(*dict.fromkeys(rule.kinds)) if rule.kinds else [None]:
            _apply(rule, view, one, found)
    return Found(*(sorted(set(some)) for some in (found.violations, found.unknown, found.errors)))


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
