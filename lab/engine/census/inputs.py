"""A live object as a program would declare it: all that the cloud tells, given or not."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from lab.engine.census import types
from lab.engine.census.choosing import Chosen, came_with_group
from lab.engine.cloud import Body, Cloud
from lab.engine.kinds import KINDS
from lab.engine.kinds.base import Kind, Property
from lab.engine.values import Values

META = "x-container-meta-"
CONTAINERS = ("containerRead", "containerWrite", "containerSyncTo", "storagePolicy")
CHECKSUM = "source_sha512"


def of(type_: str, body: Body, given: Values, chosen: Chosen, cloud: Cloud) -> Values:
    """
    Return an object's inputs.

    `given` are the state's, of what the cloud never tells; all else is the cloud's, also what no
    program asked for.  A field that is null is left out, so that it is not taken for a zero.
    """
    kind = KINDS[type_]
    told = kind.decode(body, _hints(type_, given), cloud)
    tells = {name for name, one in kind.inputs.items() if name in told or _is_told(one, body)}
    found = {
        name: _number(told[name]) if "#" in one.marks else told[name]
        for name, one in kind.inputs.items()
        if name in told and name != "region" and "-" not in one.marks and _has_value(one, body)
    }
    kept = {name: value for name, value in given.items() if _is_kept(kind, name, tells)}
    more = MORE[type_](body, found, given, chosen) if type_ in MORE else {}
    return {**kept, **found, **more}


def _number(value: Any) -> Any:
    """Return a number that the API tells as text as a number."""
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value


def _is_told(one: Property, body: Body) -> bool:
    return one.field in body and "-" not in one.marks


def _has_value(one: Property, body: Body) -> bool:
    return one.field not in body or body[one.field] is not None


def _is_kept(kind: Kind, name: str, tells: set[str]) -> bool:
    one = kind.inputs.get(name)
    return name != "__defaults" and (one is None or "-" in one.marks or name not in tells)


def _hints(type_: str, given: Values) -> Values:
    """Return what the type's code must be asked for, or it tells nothing of it."""
    if type_ == types.CONTAINER:
        return dict.fromkeys(CONTAINERS, "")
    if type_ == types.IMAGE:
        return {"properties": dict.fromkeys({CHECKSUM, *(given.get("properties") or {})}, "")}
    if type_ == types.POOL and not given:
        return {"listenerId": "any"}
    names = HINTS.get(type_, ())
    return {name: given[name] for name in names if name in given}


HINTS: Mapping[str, tuple[str, ...]] = {
    types.PORT: ("noFixedIp", "noSecurityGroups", "binding", "extraDhcpOptions"),
    types.POOL: ("listenerId", "loadbalancerId"),
    types.INTERFACE: ("subnetId",),
    **dict.fromkeys(types.QUOTAS, ("projectId", "volumeTypeQuota")),
}


def _network(body: Body, found: Values, given: Values, chosen: Chosen) -> Values:
    """Say on which physical networks it lies, if on any."""
    del found, given, chosen
    return {
        "segments": [
            {
                "networkType": one["provider:network_type"],
                "physicalNetwork": one["provider:physical_network"],
                "segmentationId": one.get("provider:segmentation_id"),
            }
            for one in body.get("segments") or [body]
            if one.get("provider:physical_network")
        ]
    }


def _interface(body: Body, found: Values, given: Values, chosen: Chosen) -> Values:
    """Say by port or by subnet, as the state does; one that no state knows is on a subnet."""
    del body, chosen
    return {"portId": found["portId"] if given.get("portId") else "",
            "subnetId": "" if given.get("portId") else found["subnetId"]}  # fmt: skip


def _routes(body: Body, found: Values, given: Values, chosen: Chosen) -> Values:
    del found, given, chosen
    return {
        "routes": [
            {"destinationCidr": one["destination"], "nextHop": one["nexthop"]}
            for one in body["routes"]
        ]
    }


def _group(body: Body, found: Values, given: Values, chosen: Chosen) -> Values:
    """Say whether it is free of what neutron gives a new group."""
    del found, given
    return {
        "deleteDefaultRules": not any(
            came_with_group(one) for one in chosen.rules if one["security_group_id"] == body["id"]
        )
    }


def _floating_ip(body: Body, found: Values, given: Values, chosen: Chosen) -> Values:
    del found, given
    names = {one["id"]: one["name"] for one in chosen.listed[types.NETWORK]}
    return {"pool": names.get(body["floating_network_id"], body["floating_network_id"])}


def _server(body: Body, found: Values, given: Values, chosen: Chosen) -> Values:
    """Say what a program gives as hints, by what has become of it."""
    del given, chosen
    boots = body["boot_volume"]
    attached = body.get("os-extended-volumes:volumes_attached") or []
    more: Values = {
        "availabilityZoneHints": found.get("availabilityZone") or "",
        "schedulerHints": [{"group": body["server_group"]}] if body["server_group"] else [],
        "blockDevices": [
            {
                "uuid": boots,
                "bootIndex": 0,
                "sourceType": "volume",
                "destinationType": "volume",
                "deleteOnTermination": one.get("delete_on_termination"),
            }
            for one in attached
            if one["id"] == boots
        ],
        "configDrive": str(body.get("config_drive")).lower() == "true",
        "imageId": (body.get("image") or {}).get("id") or "",
    }
    if "OS-EXT-SRV-ATTR:user_data" in body:
        more["userData"] = _text(body["OS-EXT-SRV-ATTR:user_data"])
    return more


def _text(encoded: str | None) -> str:
    try:
        return base64.b64decode(encoded or "").decode(errors="replace")
    except binascii.Error:
        return str(encoded)


def _volume(body: Body, found: Values, given: Values, chosen: Chosen) -> Values:
    del found, given, chosen
    return {"imageId": (body.get("volume_image_metadata") or {}).get("image_id") or ""}


def _container(body: Body, found: Values, given: Values, chosen: Chosen) -> Values:
    del found, given, chosen
    return {
        "metadata": {
            name.removeprefix(META): value for name, value in body.items() if name.startswith(META)
        }
    }


MORE: Mapping[str, Callable[[Body, Values, Values, Chosen], Values]] = {
    types.NETWORK: _network,
    types.INTERFACE: _interface,
    types.ROUTES: _routes,
    types.GROUP: _group,
    types.FLOATING_IP: _floating_ip,
    types.SERVER: _server,
    types.VOLUME: _volume,
    types.CONTAINER: _container,
}
"""What a type's own code leaves to the program."""


def of_inherited(assignment: Body) -> Values:
    """Return the inputs of a role that projects inherit."""
    where = assignment["scope"]
    parts: dict[str, Any] = {
        "projectId": where.get("project"),
        "domainId": where.get("domain"),
        "groupId": assignment.get("group"),
        "userId": assignment.get("user"),
        "roleId": assignment["role"],
    }
    return {name: one["id"] for name, one in parts.items() if one}


def of_credential(body: Body) -> Values:
    """Return the inputs of an application credential; nobody is told its secret."""
    return {
        "name": body["name"],
        "description": body.get("description") or "",
        "expiresAt": body.get("expires_at") or "",
        "unrestricted": bool(body.get("unrestricted")),
        "roles": [one["name"] for one in body.get("roles") or ()],
        "accessRules": body.get("access_rules") or [],
    }
