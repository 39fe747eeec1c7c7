"""What a program's inputs mean beside those of the state and those of the cloud."""

import random
import re
from typing import Any

from lab.engine.kinds.base import Kind, renamed
from lab.engine.resource import Resource
from lab.engine.values import (
    Difference,
    Secret,
    Values,
    differences,
    has_secret,
    has_unknown,
    reveal,
)

DEFAULTS = "__defaults"


def checked(kind: Kind, goal: Resource, old: Resource | None, name: str = "") -> Values:
    """
    Return the program's inputs, with what the provider fills in and what is to be ignored.

    `name` is for a new resource that the program gave none (else one is made up).  What is gone
    and made anew has nothing to keep.
    """
    inputs, given = dict(goal.inputs), old.inputs if old else {}
    filled = [name for name in kind.defaults if name not in inputs]
    inputs |= {name: kind.defaults[name] for name in filled}
    if (
        kind.autonamed
        and "name" not in inputs
        and (not old or "name" in given.get(DEFAULTS, ()) or "name" not in given)
    ):
        filled.append("name")
        suffix = f"{random.randrange(16**7):07x}"  # noqa: S311 - a name, not a secret
        inputs["name"] = given.get("name") or name or f"{goal.name}-{suffix}"
    for path in goal.ignoreChanges if old and not old.pendingReplacement else ():
        _keep(inputs, given, re.findall(r"[^.\[\]\"]+", path))
    return {DEFAULTS: sorted(filled), **inputs}


def _keep(new: Any, old: Any, path: list[str]) -> None:
    """Give new[path] the value that old[path] has."""
    head: Any
    head, *rest = path
    if isinstance(new, list):
        if not isinstance(old, list) or not head.isdigit():
            return
        head = int(head)
        if head >= min(len(new), len(old)):
            return
    elif not isinstance(new, dict) or not isinstance(old, dict):
        return
    elif head not in new or head not in old or not rest:
        new.pop(head, None)
        if head in old:
            new[head] = old[head]
        return
    if rest:
        new[head] = _copied(new[head])
        _keep(new[head], old[head], rest)
    else:
        new[head] = old[head]


def _copied(value: Any) -> Any:
    return (
        dict(value)
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, list)
        else value
    )


def changes(kind: Kind, old: Values, new: Values) -> list[Difference]:
    """Return the changes that matter: where the program leaves a choice, the cloud's stands."""
    if old == new and not has_unknown(new):
        return []
    return [
        one
        for one in differences(cleaned(kind, old), cleaned(kind, new))
        if not (one.new is None and one.path in kind.chosen)
    ]


def cleaned(kind: Kind, inputs: Values) -> Values:
    """Return `inputs` in a form fit for comparing: no book-keeping, sets in order."""

    def tidy(name: str, value: Any) -> Any:
        one = kind.inputs.get(name)
        if one and "@" in one.marks and isinstance(value, list):
            return sorted(value, key=repr)
        return value

    return {
        name: tidy(name, renamed(value, str))
        for name, value in inputs.items()
        if name != DEFAULTS and value is not None
    }


def as_live(kind: Kind, inputs: Values, outputs: Values) -> Values:
    """
    Return `inputs` with what the cloud has now, where the cloud tells it (`outputs`).

    A list or map that the program leaves out is empty; one filled by hand counts.
    """
    found = dict(inputs)
    for name, value in inputs.items():
        one = kind.inputs.get(name)
        if one is None or "-" in one.marks or name not in outputs:
            continue
        live = _like(reveal(value), outputs[name])
        if live != reveal(value):
            found[name] = Secret(live) if has_secret(value) else live
    for name in kind.inputs.keys() - inputs.keys() - kind.chosen - kind.replace:
        if isinstance(outputs.get(name), (list, dict)):
            found[name] = outputs[name]
    return found


def _like(given: Any, got: Any) -> Any:
    """Return `got` without what OpenStack added to the objects that were given."""
    if isinstance(given, dict) and isinstance(got, dict):
        return {
            name: _like(given[name], got[name]) if name in got else given[name] for name in given
        }
    if isinstance(given, list) and isinstance(got, list) and len(given) == len(got):
        return [_like(one, other) for one, other in zip(given, got, strict=True)]
    return got


def hidden(goal: Resource, outputs: Values) -> Values:
    """Return `outputs` with those secret that must be."""
    secret = {name for name, value in goal.inputs.items() if has_secret(value)}
    secret |= set(goal.additionalSecretOutputs)
    return {
        name: Secret(value) if name in secret and not isinstance(value, Secret) else value
        for name, value in outputs.items()
    }
