"""Stacks as rules read them, from what engines give: a checkpoint, or CrossGuard's resources."""

from collections.abc import Mapping
from typing import Any

from infra.graph import Graph, Resource
from policies.view import UNKNOWN

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Marks a value of a special kind on the wire and in checkpoints; here always a secret."""
STACK = "pulumi:pulumi:Stack"
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
