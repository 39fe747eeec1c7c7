"""
Which changes of the real city no rule notices: docs/policies-mutations.md.

Every property of every kind of resource is changed, one at a time, in the ways that its value
allows; the same change of the same property of the same kind is tried on one resource of each
shape.  `python -m policies.mutations` tries all on the city's main site and writes the page.
"""

import copy
import dataclasses
import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

import catalogue
from catalogue.model import Profile
from infra import offline
from infra.graph import Graph, Resource
from infra.settings import Settings
from policies import gate
from policies.view import View, kind_of

PAGE = Path(__file__).parents[1] / "docs" / "policies-mutations.md"
REASONS = Path(__file__).parent / "unnoticed.yaml"
LEFT_OUT = ("citydc:", "pulumi:pulumi:")
"""Types of what only groups others: no cloud has them."""


@dataclass(frozen=True, order=True)
class Mutation:
    """A change: `path` in the inputs of a resource, "" for the resource itself."""

    kind: str
    path: str
    how: str
    urn: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.path or '-'}: {self.how}"


class Reason(BaseModel):
    """Why no rule notices some mutations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mutations: list[str] = Field(min_length=1)
    """Patterns of "Kind.path: how"."""
    topic: str
    why: str = Field(min_length=20)


def reasons(path: Path = REASONS) -> list[Reason]:
    """Return what is known not to be noticed."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Reason.model_validate(one) for one in data]


def reason(mutation: Mutation, known: Sequence[Reason]) -> Reason | None:
    """Return why nobody notices the mutation, None if nobody knows."""
    return next(
        (one for one in known for pattern in one.mutations if fnmatchcase(str(mutation), pattern)),
        None,
    )


def mutations(graph: Graph) -> list[Mutation]:
    """Return what to try: of each kind, path and way one, on the first resource that has it."""
    found: dict[tuple[str, str, str], Mutation] = {}
    for one in graph.resources:
        if one.type.startswith(LEFT_OUT):
            continue
        for path, how in _ways(one):
            shape = (_shape(one), path, how)
            found.setdefault(shape, Mutation(kind_of(one), path, how, one.urn))
    return sorted(found.values())


def mutated(graph: Graph, mutation: Mutation) -> Graph:
    """Return the stack with the one change."""
    resources = []
    for one in graph.resources:
        if one.urn != mutation.urn:
            resources.append(one)
        elif mutation.how != "removed" or mutation.path:
            resources.append(_changed(one, mutation))
    return dataclasses.replace(graph, resources=resources)


def unnoticed(view: View, some: Sequence[Mutation]) -> Iterator[Mutation]:
    """Yield the mutations after which the gate says what it said before."""
    before = gate.find(view)
    for mutation in some:
        after = dataclasses.replace(view, graph=mutated(view.graph, mutation))
        if gate.find(after) == before:
            yield mutation


def _shape(one: Resource) -> str:
    """Return what makes resources alike: the kind, and what it is for."""
    groups = {"Network": "link", "Subnet": "link", "Port": "link", "SecGroup": "baseline"}
    kind = kind_of(one)
    special = groups.get(kind, "-") in one.name
    family = one.inputs.get("ethertype") or one.inputs.get("ipVersion") or ""
    way = one.inputs.get("direction") or one.inputs.get("type") or ""
    use = (one.inputs.get("metadata") or {}).get("volume", "") == "system"
    return f"{kind} {special} {family} {way} {use}"


def _ways(one: Resource) -> Iterator[tuple[str, str]]:
    yield "", "removed"
    if one.protect:
        yield "", "unprotected"
    if "tenantId" not in one.inputs and one.provider:
        yield "", "in another project"
    for path, value in _leaves(one.inputs, ""):
        for how in ("removed", *(_others(value))):
            yield path, how


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield path, value
        for each in value[:1]:
            if isinstance(each, dict):
                yield from _leaves(each, f"{path}.0")
    else:
        yield path, value


def _others(value: Any) -> dict[str, Any]:
    """Return other values, by how they came about."""
    if isinstance(value, bool):
        return {"flipped": not value}
    if isinstance(value, int | float):
        return {"more": value * 2 + 1, "zero": 0} if value else {"more": 1}
    if isinstance(value, list):
        return {"empty": [], "one fewer": value[1:]} if len(value) > 1 else {"empty": []}
    return _other_texts(value) if isinstance(value, str) else {}


def _other_texts(value: str) -> dict[str, Any]:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        return {"another": f"{value}-x"}
    if "/" in value:
        anyone = "0.0.0.0/0" if network.version == 4 else "::/0"  # noqa: PLR2004 - IPv4
        return {"anyone": anyone, "wider": str(network.supernet())}
    return {"another": str(network.network_address + 1)}


def _changed(one: Resource, mutation: Mutation) -> Resource:
    if mutation.how == "unprotected":
        return dataclasses.replace(one, protect=False)
    if mutation.how == "in another project":
        head, _, name = one.provider.rpartition("::")
        other = "admin" if name != "admin" else "nobody"
        return dataclasses.replace(one, provider=f"{head}::{other}")
    inputs = copy.deepcopy(dict(one.inputs))
    *steps, last = _steps(mutation.path)
    at: Any = inputs
    for step in steps:
        at = at[step]
    if mutation.how == "removed":
        del at[last]
    else:
        at[last] = _others(at[last])[mutation.how]
    return dataclasses.replace(one, inputs=inputs)


def _steps(path: str) -> list[Any]:
    return [int(step) if step.isdigit() else step for step in path.split(".")]


# -- the page

HEAD = """\
# What no rule notices

Every property of the city's main site in production, changed one at a time: removed, emptied,
flipped, doubled, zeroed, widened, replaced, made in another project, unprotected, or the whole
resource removed. Of each kind of resource, property and way one is tried. Written by
`python -m policies.mutations` (some minutes); a test tries some of them on a small city and fails
for one that is neither noticed nor told here with its reason.
"""


def page(tried: int, some: Sequence[Mutation], known: Sequence[Reason]) -> str:
    """Return the page in Markdown."""
    by_topic: dict[str, list[str]] = defaultdict(list)
    for one in known:
        mine = sorted({str(each) for each in some if reason(each, known) == one})
        if mine:
            names = ", ".join(f"`{each}`" for each in mine)
            by_topic[one.topic].append(f"- {one.why.strip()} {names}\n")
    untold = sorted({str(one) for one in some if reason(one, known) is None})
    told = "".join(f"\n## {topic}\n\n{''.join(lines)}" for topic, lines in sorted(by_topic.items()))
    if untold:
        told += "\n## Without a reason yet\n\n" + "".join(f"- `{one}`\n" for one in untold)
    noticed = tried - len(some)
    return (
        f"{HEAD}\n{tried} mutations were tried; {noticed} are noticed, {len(some)} are not.\n{told}"
    )


def main() -> None:
    """Try all on the real city and write the page."""
    known = catalogue.load()
    sites = {
        one.id: offline.run(Settings(known, one, Profile.PRODUCTION))
        for one in known.sites.values()
    }
    primary = next(one for one in known.sites.values() if one.role == "primary")
    peers = {name: graph for name, graph in sites.items() if name != primary.id}
    view = View(sites[primary.id], known, primary, Profile.PRODUCTION, peers)
    some = mutations(view.graph)
    PAGE.write_text(page(len(some), list(unnoticed(view, some)), reasons()), encoding="utf-8")


if __name__ == "__main__":
    main()
