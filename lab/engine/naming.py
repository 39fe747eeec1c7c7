"""URNs, and the URNs that a resource may have had before."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.engine.resource import STACK


def qualified(parent: str, token: str) -> str:
    """Return a type token with its parent's before it, as a URN has it."""
    above = parent.split("::")[2] if parent else STACK
    return token if above == STACK else f"{above}${token}"


def make_urn(stack: str, project: str, parent: str, token: str, name: str) -> str:
    """Return the URN of a resource under a parent's URN ("" or the stack's: none)."""
    return f"urn:pulumi:{stack}::{project}::{qualified(parent, token)}::{name}"


def name_of(urn: str) -> str:
    """Return the name in a URN."""
    return urn.rsplit("::", 1)[1]


def former_urns(  # noqa: PLR0913 - all that a URN is made of
    request: Any,
    urn: str,
    *,
    stack: str,
    project: str,
    parent: str,
    former_parents: Mapping[str, Sequence[str]],
) -> list[str]:
    """
    Return the URNs that a RegisterResourceRequest's aliases, and its parent's, stand for.

    `former_parents` has, by a resource's URN, those that it may have had.
    """
    found = [*request.aliasURNs]
    for alias in request.aliases:
        if alias.urn:
            found.append(alias.urn)
            continue
        spec = alias.spec
        above = "" if spec.noParent else spec.parentUrn or parent
        parents = [above]
        if not spec.noParent and not spec.parentUrn:
            parents += former_parents.get(parent, ())
        for one in parents:
            name = spec.name or _inherited(request.name, parent, one)
            found.append(
                make_urn(
                    spec.stack or stack,
                    spec.project or project,
                    one,
                    spec.type or request.type,
                    name,
                )
            )
    found += list(_under(former_parents.get(parent, ()), request, parent))
    return [one for one in dict.fromkeys(found) if one != urn]


def _under(parents: Sequence[str], request: Any, parent: str) -> Iterator[str]:
    """Yield the URNs of a resource under its parent's former URNs."""
    for one in parents:
        _, stack, rest = one.split(":", 3)[1:]
        project = rest.removeprefix(":").split("::")[0]
        yield make_urn(stack, project, one, request.type, _inherited(request.name, parent, one))


def _inherited(name: str, parent: str, former: str) -> str:
    """Return a child's former name: it often begins with its parent's."""
    if not parent or not former:
        return name
    now = name_of(parent)
    return name_of(former) + name[len(now) :] if name.startswith(now) else name
