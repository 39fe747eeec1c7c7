"""A saved plan: what a deployment is to do, approved before another run does exactly that."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalogue.errors import BadInputError, OutsideError
from lab.engine.crypter import Crypter
from lab.engine.failures import label
from lab.engine.resource import STACK, Resource, to_json
from lab.engine.values import SECRET, SIGNATURE, UNKNOWN, UNKNOWN_TEXT, Values, convert

MAY: Mapping[str, set[str]] = {
    "create": {"create", "update", "replace", "same"},
    "replace": {"create", "update", "replace", "same"},
    "update": {"update", "same"},
    "delete": {"delete"},
    "same": {"same"},
}
"""What a run that goes on with a plan may do to a resource, by what the plan does to it."""
TOLD = 5  # differences in one error


@dataclass(frozen=True)
class Step:
    """What happens to a resource that is not the same; `lines` has its changes for people."""

    op: str
    lines: Sequence[str] = ()


SAME = Step("same")


@dataclass(frozen=True)
class Plan:
    """
    All that a deployment is to do.

    `state` and `cloud` are digests of what it starts from; `steps` has what is not the same, by
    URN; `goals` each resource as it is to be, in the checkpoint's form: secrets are digests by a
    key of `salt` and the passphrase, what only the deployment can tell is unknown.  `native` is
    what the official CLI keeps of it.
    """

    state: str
    cloud: str
    steps: Mapping[str, Step]
    goals: Mapping[str, Values]
    salt: str
    native: Values = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def refusal(self, now: "Plan", *, resumed: bool) -> BadInputError | None:
        """
        Return the error if `now`, what a deployment would do, is not what this plan says.

        With `resumed`, a run of this plan was interrupted, and `now` may be what is left of it.
        """
        differ = list(self._beyond(now) if resumed else self._differences(now))
        cause = "the program, its catalogue or its configuration is another"
        if not resumed and now.state != self.state:
            cause = "another run has changed the stack since"
            differ = differ or ["what it started from is not there any more"]
        elif not resumed and now.cloud != self.cloud:
            cause = "the cloud was changed by hand since"
            differ = differ or ["what was repaired would be another"]
        return outdated(cause, differ) if differ else None

    def _differences(self, now: "Plan") -> Iterator[str]:
        for urn in self._all(now):
            was, new = self.steps.get(urn, SAME), now.steps.get(urn, SAME)
            if was != new and _told(was) != _told(new):
                yield f"{label(urn)}: planned {_told(was)}, now {_told(new)}"
            elif was != new:
                yield f"{label(urn)}: not as planned in its inputs"
            elif other := self._other(now, urn, lambda planned, found: bool(planned == found)):
                yield other

    def _beyond(self, now: "Plan") -> Iterator[str]:
        for urn in self._all(now):
            step, planned = now.steps.get(urn), self.planned(urn)
            if step and step.op not in MAY[planned]:
                yield f"{label(urn)}: planned {planned}, now {_told(step)}"
            elif other := self._other(now, urn, fits):
                yield other

    def _all(self, now: "Plan") -> Iterable[str]:
        return dict.fromkeys((*self.steps, *now.steps, *self.goals, *now.goals))

    def _other(self, now: "Plan", urn: str, alike: Callable[[Any, Any], bool]) -> str:
        """Return in which way a resource is to be another than planned, empty if in none."""
        was, new = self.goals.get(urn, {}), now.goals.get(urn, {})
        names = sorted((was.keys() | new.keys()) - {"id"})
        other = [name for name in names if not alike(was.get(name), new.get(name))]
        return f"{label(urn)}: not as planned in its {', '.join(other)}" if other else ""

    def planned(self, urn: str) -> str:
        """Return the op that the plan has for a resource."""
        return self.steps.get(urn, SAME).op


class Approved:
    """The plan that a run is held to, and the key by which it compares secrets."""

    def __init__(self, plan: Plan, crypter: Crypter) -> None:
        self.plan, self._keyed = plan, Keyed(crypter)

    def name(self, urn: str) -> str:
        """Return the name that the plan has chosen for a resource, if any."""
        inputs = self.plan.goals.get(urn, {}).get("inputs") or {}
        return str(inputs.get("name", "")) if "name" in inputs.get("__defaults", ()) else ""

    def allow(self, op: str, urn: str, goal: Resource | None = None) -> None:
        """Raise OutsideError for a step, or the goal of one, that the plan does not have."""
        planned = self.plan.planned(urn)
        if goal and urn not in self.plan.goals:
            raise _strays_from_plan(urn, f"to {op} it, and the plan does not have it")
        if op not in MAY[planned]:
            raise _strays_from_plan(urn, f"to {op} it, and the plan has {planned}")
        if goal and not fits(self.plan.goals[urn].get("inputs"), self._inputs(goal)):
            raise _strays_from_plan(urn, f"to {op} it with other properties than planned")

    def allow_stray(self, urn: str, ident: str) -> None:
        """Raise OutsideError for something made by hand that the plan does not remove."""
        step = self.plan.steps.get(urn, SAME)
        if not any(f"[{ident}]" in line for line in step.lines):
            raise _strays_from_plan(urn, f"to remove {ident} from it, which the plan has not")

    def _inputs(self, goal: Resource) -> Any:
        return goal_of(goal, self._keyed).get("inputs")


class Keyed:
    """Seals secrets as digests that only who has the passphrase can compare (values.Sealer)."""

    def __init__(self, crypter: Crypter) -> None:
        self._crypter = crypter

    def encrypt_value(self, value: Any) -> str:
        """Return the digest of a JSON value, or the mark of one that is not known."""
        unknown: list[Any] = []
        convert(value, lambda leaf: unknown.append(leaf) if leaf is UNKNOWN else leaf)
        return UNKNOWN_TEXT if unknown else self._crypter.digest(json.dumps(value, sort_keys=True))

    def decrypt_value(self, text: str) -> Any:
        """Return nothing: a digest cannot be opened."""


def goal_of(one: Resource, keyed: Keyed) -> Values:
    """Return what a resource is to be, in the checkpoint's form."""
    provider = f"{one.provider_urn}::" if one.provider else ""
    outputs = one.outputs if one.type == STACK else {}
    goal = one.but(provider=provider, outputs=outputs, created="", modified="", rest={})
    return to_json(goal, keyed)


def fits(planned: Any, found: Any) -> bool:
    """Return whether a value is the planned one, which may be unknown (JSON of a checkpoint)."""
    if planned in (UNKNOWN_TEXT, found):
        return True
    if isinstance(planned, Mapping):
        if planned.get(SIGNATURE) == SECRET and planned.get("ciphertext") == UNKNOWN_TEXT:
            return True
        return (
            isinstance(found, Mapping)
            and not found.keys() - planned.keys()
            and all(fits(value, found.get(name)) for name, value in planned.items())
        )
    if isinstance(planned, list):
        return (
            isinstance(found, list)
            and len(planned) == len(found)
            and all(map(fits, planned, found))
        )
    return False


def digest(parts: Any) -> str:
    """Return a digest of JSON values, the same in whichever order they come."""
    texts = sorted(json.dumps(one, sort_keys=True) for one in parts)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def outdated(cause: str, differ: Sequence[str]) -> BadInputError:
    """Return the error for a plan that is not what a deployment would do now."""
    more = f"; and {len(differ) - TOLD} more" if len(differ) > TOLD else ""
    return BadInputError(
        "the plan no longer holds; nothing was changed",
        why=f"{cause}: {'; '.join(differ[:TOLD])}{more}",
        remedy="save a new plan with citydc preview, and have that approved",
    )


def _strays_from_plan(urn: str, what: str) -> OutsideError:
    return OutsideError(
        f"{label(urn)} was left alone: it is not as planned",
        why=f"the deployment would have {what}; the program or the cloud changed while it ran",
        remedy="what was done is in the state; preview again, and have that approved",
        place=urn,
    )


def used(when: str) -> BadInputError:
    """Return the error for a plan that was carried out before."""
    return BadInputError(
        "the plan was carried out already; nothing was changed",
        why=f"a deployment finished it at {when}",
        remedy="save a new plan with citydc preview",
    )


def _told(step: Step) -> str:
    known = step.op != "create" and step.lines  # a new resource has too many to tell
    return f"{step.op} ({', '.join(step.lines)})" if known else step.op
