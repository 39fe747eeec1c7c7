"""Stacks as rules read them, from what engines give: a checkpoint, live objects, CrossGuard's."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from infra.graph import Graph, Resource
from policies.view import UNKNOWN

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Marks a value of a special kind on the wire and in checkpoints; here always a secret."""
STACK = "pulumi:pulumi:Stack"
PROVIDER = "pulumi:providers:openstack"
CONTAINER = "openstack:objectstorage/container:Container"
"""Its id is its name, which another project's can have too."""
HIDDEN = "[secret]"
UNKNOWN_TEXTS = {
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}
"""What Pulumi writes for a value that is unknown: one for each kind of value."""


def of_checkpoint(deployment: Mapping[str, Any]) -> Graph:
    """
    Return the stack of a checkpoint's deployment (`pulumi stack export`).

    Secrets stay closed: rules see that there is one, never what it is.
    """
    found = [one for one in deployment.get("resources") or () if not one.get("delete")]
    outputs = next((one.get("outputs") for one in found if one["type"] == STACK), None)
    return Graph([_resource(one) for one in found], opened(outputs or {}))


class Live(Protocol):
    """An object of the live cloud."""

    @property
    def type(self) -> str:
        """The type that a program would give it."""

    @property
    def id(self) -> str:
        """The id that a state would have of it."""

    @property
    def name(self) -> str:
        """Its name in the cloud, empty where it has none."""

    @property
    def project(self) -> str:
        """The id of its project, empty where that says nothing."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The inputs that a program would give it."""


def of_live(state: Graph, things: Iterable[Live], operators: str) -> Graph:
    """
    Return what is live, as far as the state knows it under the state's names.

    `operators` is the id of the operator's own project.  What only Pulumi knows (groups of
    resources, providers, protection, which inputs are sealed, outputs) is the state's; what is gone
    is left out; what no state knows is there as `managed=False`, under its name and id.
    """
    projects = {
        str(one.inputs.get("tenantId") or operators): one.urn
        for one in reversed(state.resources)
        if one.type == PROVIDER
    }
    by_urn = {urn: id_ for id_, urn in projects.items()}
    there = {_key(one.type, one.id, one.project): one for one in things}
    found = []
    for one in state.resources:
        if not one.id or one.type.startswith("pulumi:"):
            found.append(one)
            continue
        home = str(one.inputs.get("tenantId") or by_urn.get(one.provider, ""))
        thing = there.pop(_key(one.type, one.id, home), None)
        if thing:
            moved = thing.project not in {"", home}
            provider = projects.get(thing.project, "") if moved else one.provider
            found.append(dataclasses.replace(one, inputs=thing.inputs, provider=provider))
    stack = next((one.urn for one in state.resources if one.type == STACK), "")
    start = "::".join(stack.split("::")[:2])
    found += [_stray(start, one, projects.get(one.project, "")) for one in there.values()]
    return dataclasses.replace(state, resources=found)


def _key(type_: str, id_: str, project: str) -> tuple[str, str, str]:
    return type_, id_, project if type_ == CONTAINER else ""


def _stray(start: str, thing: Live, provider: str) -> Resource:
    """Return what no state knows; Pulumi cannot delete it, so that it need not be protected."""
    at = ":".join(dict.fromkeys(filter(None, (thing.name.replace("::", ":"), thing.id))))
    return Resource(
        urn=f"{start}::{thing.type}::{at}",
        type=thing.type,
        name=thing.name or thing.id,
        inputs=thing.inputs,
        provider=provider,
        protect=True,
        id=thing.id,
        managed=False,
    )


def _resource(data: Mapping[str, Any]) -> Resource:
    inputs = data.get("inputs") or {}
    return Resource(
        urn=data["urn"],
        type=data["type"],
        name=data["urn"].rpartition("::")[2],
        inputs=opened(inputs),
        parent=data.get("parent") or "",
        provider=(data.get("provider") or "").rpartition("::")[0],
        dependencies=tuple(data.get("dependencies") or ()),
        protect=bool(data.get("protect")),
        id=known_id(data.get("id")),
        property_dependencies={
            name: tuple(urns or ())
            for name, urns in (data.get("propertyDependencies") or {}).items()
        },
        secrets=frozenset(name for name, value in inputs.items() if is_secret(value)),
    )


def known_id(id_: object) -> str:
    """Return an id, empty while it is unknown."""
    return "" if not isinstance(id_, str) or id_ in UNKNOWN_TEXTS else id_


def is_secret(value: object) -> bool:
    """Return whether a value of the wire or a checkpoint is a secret."""
    return isinstance(value, Mapping) and SIGNATURE in value


def opened(value: Any) -> Any:
    """Return a value of the wire or a checkpoint as rules see it."""
    if is_secret(value):
        return opened(value["value"]) if "value" in value else HIDDEN
    if isinstance(value, Mapping):
        return {name: opened(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [opened(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return UNKNOWN if isinstance(value, str) and value in UNKNOWN_TEXTS else value
