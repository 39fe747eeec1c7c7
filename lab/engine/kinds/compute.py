"""Servers, their flavors, keys, groups, volumes and quotas."""

import base64
import hashlib
from collections.abc import Collection
from typing import Any, ClassVar

from catalogue.errors import BadInputError

from .base import (
    Body,
    Cloud,
    Kind,
    StateError,
    Values,
    agrees,
    gone_is_fine,
    renamed,
    same,
    snake,
)
from .quota import Quota as BaseQuota


class Keypair(Kind):
    """A user's SSH key; its id is its name."""

    service, path, key, many, microversion = (
        "compute",
        "/os-keypairs",
        "keypair",
        "keypairs",
        "2.10",
    )
    properties = "name?! publicKey?! region?!- userId?! valueSpecs!-"
    outputs = "fingerprint privateKey"
    unsupported = "userId"

    def ident(self, body: Body) -> str:
        """Return the key's name."""
        return str(body["name"])

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Create the key; a private key that nova makes is told only once."""
        body = self.call(cloud, "post", self.path, {self.key: self.encode(inputs)})[self.key]
        cloud.keep(self.token, body["name"], body)
        return str(body["name"])

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        return {"privateKey": ""} | super().decode(body, inputs, cloud)


class Flavor(Kind):
    """A flavor."""

    service, path, key, microversion = "compute", "/flavors", "flavor", "2.61"
    listed_at = "/flavors/detail"
    listed_with: ClassVar[Values] = {"is_public": "None"}
    properties = """name?! description disk!# ephemeral!#=OS-FLV-EXT-DATA:ephemeral
        extraSpecs?*+=extra_specs flavorId?!=id isPublic!=os-flavor-access:is_public ram!#
        region?!- rxTxFactor!#=rxtx_factor swap!# vcpus!#"""
    defaults: ClassVar[Values] = {"rxTxFactor": 1}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Create the flavor: a private one, unless the program says otherwise."""
        return super().create(cloud, {"isPublic": False, **inputs})

    def finish(self, cloud: Cloud, ident: str, inputs: Values) -> None:
        """Set the extra specs."""
        if inputs.get("extraSpecs"):
            body = {"extra_specs": inputs["extraSpecs"]}
            self.call(cloud, "post", f"{self.url(ident)}/os-extra_specs", body)

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode({"extra_specs": {}, **body}, inputs, cloud)
        return found | {"swap": found.get("swap") or 0}

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change the description or the extra specs."""
        if "extraSpecs" in changed:
            wanted = inputs.get("extraSpecs") or {}
            for name in set(old.get("extraSpecs") or {}) - set(wanted) - {"__defaults"}:
                with gone_is_fine():
                    self.call(cloud, "delete", f"{self.url(ident)}/os-extra_specs/{name}")
            self.finish(cloud, ident, inputs)
        super().update(cloud, ident, inputs, old, changed)


class FlavorAccess(Kind):
    """A project's access to a private flavor; its id is "flavor/project"."""

    service, path, key, microversion = "compute", "/flavors", "", "2.1"
    properties = "flavorId!=flavor_id region?!- tenantId!=tenant_id"

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Give access."""
        ident = f"{inputs['flavorId']}/{inputs['tenantId']}"
        body = {"addTenantAccess": {"tenant": inputs["tenantId"]}}
        self.call(cloud, "post", f"/flavors/{inputs['flavorId']}/action", body)
        flavor, tenant = ident.split("/")
        cloud.keep(self.token, ident, {"flavor_id": flavor, "tenant_id": tenant})
        return ident

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the access if it is there."""
        ident = f"{inputs['flavorId']}/{inputs['tenantId']}"
        return [ident] if self.read(cloud, ident, inputs) else []

    def read(
        self, cloud: Cloud, ident: str, inputs: Values, body: Body | None = None
    ) -> Values | None:
        """Return the outputs, or None where the project has no access."""
        flavor, tenant = ident.split("/")
        body = body or cloud.take(self.token, ident)
        with gone_is_fine():
            path = f"/flavors/{flavor}/os-flavor-access"
            there = [body] if body else self.call(cloud, "get", path)["flavor_access"]
            for one in there:
                if one["tenant_id"] == tenant:
                    return self.decode(one, inputs, cloud)
        return None

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """Return None: access is listed by flavor."""
        del cloud
        return None

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Take access away."""
        del outputs
        flavor, tenant = ident.split("/")
        body = {"removeTenantAccess": {"tenant": tenant}}
        self.call(cloud, "post", f"/flavors/{flavor}/action", body)


class ServerGroup(Kind):
    """A server group."""

    service, path, key, many = "compute", "/os-server-groups", "server_group", "server_groups"
    microversion = "2.64"
    properties = "name?! policies!+ region?!- rules?!+ valueSpecs!-"
    outputs = "members"

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields: one policy, with its rules."""
        body = super().encode(inputs) | {"policy": inputs.get("policies")}
        if inputs.get("rules"):
            body["rules"] = renamed(inputs["rules"], snake)
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud) | {"policies": body["policy"]}
        if not body.get("rules"):
            found.pop("rules", None)
        return found


# Of these actions, the one that brings a server from a power state to another.
_TO_ACTIVE = {
    "paused": "unpause",
    "suspended": "resume",
    "shelved": "unshelve",
    "shelved_offloaded": "unshelve",
}
_TO = {"shutoff": "os-stop", "paused": "pause", "shelved_offloaded": "shelve"}
_PAUSE = 0.5  # nova takes a while for a look at a server, and longer for what is waited for
_BOOT_FROM_VOLUME = "Attempt to boot from volume - no image supplied"


class Instance(Kind):
    """A server."""

    service, path, key, microversion = "compute", "/servers", "server", "2.26"
    listed_at = "/servers/detail"
    settled = ("ACTIVE", "SHUTOFF", "PAUSED", "SHELVED_OFFLOADED", "SUSPENDED")
    gone_is_slow = True
    properties = """name? adminPass- availabilityZone?!+=OS-EXT-AZ:availability_zone
        availabilityZoneHints!- blockDevices!- configDrive!+ flavorId?+ flavorName?+ forceDelete-
        hypervisorHostname?!+=OS-EXT-SRV-ATTR:hypervisor_hostname imageId?+ imageName?+
        keyPair!+=key_name metadata*+ networkMode!- networks?!+ personalities- powerState+ region?!-
        schedulerHints!- securityGroups?@+ stopBeforeDestroy- tags@+ userData!- vendorOptions-"""
    outputs = """accessIpV4- accessIpV6- allMetadata*=metadata allTags@=tags created- updated-"""
    unsupported = "personalities vendorOptions"
    defaults: ClassVar[Values] = {
        "forceDelete": False,
        "powerState": "active",
        "stopBeforeDestroy": False,
    }

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Boot the server; where it shall not run, stop it again."""
        networks: Any = [
            {
                field: net[name]
                for name, field in (
                    ("uuid", "uuid"),
                    ("port", "port"),
                    ("fixedIpV6", "fixed_ip"),
                    ("fixedIpV4", "fixed_ip"),
                )
                if net.get(name)
            }
            for net in inputs.get("networks") or ()
        ]
        devices = renamed(inputs.get("blockDevices") or [], snake)
        for device in devices:
            device.setdefault("boot_index", 0)
        user_data = (inputs.get("userData") or "").encode()
        fields = {
            "name": inputs["name"],
            "flavorRef": _flavor_id(cloud, inputs),
            "imageRef": "" if _boots_from_volume(inputs) else _image_id(cloud, inputs),
            "networks": networks or inputs.get("networkMode") or "auto",
            "block_device_mapping_v2": devices,
            "security_groups": [{"name": one} for one in inputs.get("securityGroups") or ()],
            "availability_zone": inputs.get("availabilityZone")
            or inputs.get("availabilityZoneHints"),
            "hypervisor_hostname": inputs.get("hypervisorHostname"),
            "key_name": inputs.get("keyPair"),
            "metadata": inputs.get("metadata"),
            "config_drive": inputs.get("configDrive"),
            "adminPass": inputs.get("adminPass"),
            "user_data": base64.b64encode(user_data).decode(),
            "tags": inputs.get("tags"),
        }
        body = {self.key: {name: value for name, value in fields.items() if value}}
        if inputs.get("schedulerHints"):
            hints = renamed(inputs["schedulerHints"][0], snake)
            more = hints.pop("additional_properties", None) or {}
            body["os:scheduler_hints"] = {k: v for k, v in {**hints, **more}.items() if v}
        version = "2.74" if inputs.get("hypervisorHostname") else "2.67"
        ident = str(cloud.call("compute", "post", self.path, body, version)[self.key]["id"])
        if inputs.get("powerState", "active") != "active":
            self.settle(cloud, ident)
            self._power(cloud, ident, "active", inputs["powerState"])
        return ident

    def settle(self, cloud: Cloud, ident: str) -> None:
        """Wait until the server has booted or stopped.  Raise StateError with nova's reason."""
        body: Body = {}

        def look() -> str:
            nonlocal body
            body = Kind.fetch(self, cloud, ident)
            if body["status"] == "ERROR":
                fault = body.get("fault") or {}
                message = fault.get("message") or "nova tells no reason"
                raise StateError(f"server {body['name']} went to state ERROR", message)
            return str(body["status"])

        cloud.wait(look, self.settled, pause=_PAUSE)
        cloud.keep(self.token, ident, _with_ports(cloud, body))

    def fetch(self, cloud: Cloud, ident: str) -> Body:
        """Return the server with its ports."""
        return _with_ports(cloud, super().fetch(cloud, ident))

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """Return the project's servers, each with its ports."""
        found = {body["id"]: {**body, "ports": []} for body in self.listed(cloud)}
        query = {"project_id": cloud.project_id}
        for port in cloud.pages("network", "/ports", "ports", params=query):
            if port["device_id"] in found:
                found[port["device_id"]]["ports"].append(port)
        return found

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the project's servers that are what the program asks for."""
        return [
            ident
            for ident, body in (self.listing(cloud) or {}).items()
            if self.is_wanted(body, inputs, cloud)
        ]

    def is_wanted(self, body: Body, inputs: Values, cloud: Cloud) -> bool:
        """Whether a server has the name and the unchangeable properties."""
        asked = {k: v for k, v in inputs.items() if k not in ("networks", "userData")}
        return super().is_wanted(body, asked, cloud)

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        legs = _legs(body, inputs)
        access = next((leg for leg in legs if leg["accessNetwork"]), legs[0] if legs else {})
        flavor = body["flavor"]["id"]
        image = (body.get("image") or {}).get("id") or ""
        there = body.get("tags") or []
        found |= {
            "accessIpV4": access.get("fixedIpV4") or body.get("accessIPv4") or "",
            "accessIpV6": access.get("fixedIpV6") or body.get("accessIPv6") or "",
            "allTags": sorted(there),
            "created": _go_time(body["created"]),
            "updated": _go_time(body["updated"]),
            "flavorId": flavor,
            "forceDelete": bool(inputs.get("forceDelete")),
            "stopBeforeDestroy": bool(inputs.get("stopBeforeDestroy")),
            "imageId": _BOOT_FROM_VOLUME if _boots_from_volume(inputs) or not image else image,
            "networks": legs,
            "powerState": body["status"].lower(),
            "securityGroups": sorted({one["name"] for one in body.get("security_groups") or ()}),
        }
        if inputs.get("tags") is not None:
            found["tags"] = [tag for tag in inputs["tags"] if tag in there]
        if inputs.get("configDrive") is not None:
            told = str(body.get("config_drive")).lower() == "true"
            found["configDrive"] = told
        if inputs.get("flavorName"):
            given = _flavor_named(cloud, inputs["flavorName"])
            found["flavorName"] = inputs["flavorName"] if given == flavor else flavor
        if inputs.get("securityGroups") and agrees(
            inputs["securityGroups"], found["securityGroups"], ordered=False
        ):
            found["securityGroups"] = inputs["securityGroups"]
        if inputs.get("userData"):
            digest = hashlib.sha1(inputs["userData"].encode())  # noqa: S324 - as the provider does
            found["userData"] = digest.hexdigest()
        return found

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties, resize, rebuild, start or stop."""
        names = set(changed)
        if "name" in names:
            self.call(cloud, "put", self.url(ident), {self.key: {"name": inputs["name"]}})
        if "metadata" in names:
            gone = set(old.get("metadata") or {}) - set(inputs.get("metadata") or {})
            for key in gone - {"__defaults"}:
                with gone_is_fine():
                    self.call(cloud, "delete", f"{self.url(ident)}/metadata/{key}")
            wanted = {"metadata": inputs.get("metadata") or {}}
            self.call(cloud, "post", f"{self.url(ident)}/metadata", wanted)
        if "tags" in names:
            there = set(self.call(cloud, "get", f"{self.url(ident)}/tags")["tags"])
            kept = there - set(old.get("tags") or ())
            tags = sorted(kept | set(inputs.get("tags") or ()))
            self.call(cloud, "put", f"{self.url(ident)}/tags", {"tags": tags})
        if "securityGroups" in names:
            self._regroup(cloud, ident, set(inputs.get("securityGroups") or ()))
        if "adminPass" in names and inputs.get("adminPass"):
            self._act(cloud, ident, {"changePassword": {"adminPass": inputs["adminPass"]}})
        if names & {"flavorId", "flavorName"}:
            self._resize(cloud, ident, _flavor_id(cloud, inputs))
        if names & {"imageId", "imageName"} and not _boots_from_volume(inputs):
            self._act(cloud, ident, {"rebuild": {"imageRef": _image_id(cloud, inputs)}})
            self.settle(cloud, ident)
        if "powerState" in names:
            now = self._status(cloud, ident)
            self._power(cloud, ident, now, inputs.get("powerState") or "active")
        cloud.take(self.token, ident)

    def _status(self, cloud: Cloud, ident: str) -> str:
        return str(super().fetch(cloud, ident)["status"]).lower()

    def _act(self, cloud: Cloud, ident: str, body: Body) -> None:
        self.call(cloud, "post", f"{self.url(ident)}/action", body)

    def _power(self, cloud: Cloud, ident: str, now: str, wanted: str) -> None:
        """Bring the server from one power state to another."""
        if now == wanted:
            return
        if wanted != "active" and now != "active":
            self._power(cloud, ident, now, "active")
        action = _TO_ACTIVE.get(now, "os-start") if wanted == "active" else _TO[wanted]
        self._act(cloud, ident, {action: None})
        cloud.wait(lambda: self._status(cloud, ident), (wanted,), ("error",))

    def _resize(self, cloud: Cloud, ident: str, flavor: str) -> None:
        self._act(cloud, ident, {"resize": {"flavorRef": flavor}})
        cloud.wait(lambda: self._status(cloud, ident), ("verify_resize",), ("error",))
        self._act(cloud, ident, {"confirmResize": None})
        self.settle(cloud, ident)

    def _regroup(self, cloud: Cloud, ident: str, wanted: set[str]) -> None:
        body = super().fetch(cloud, ident)
        there = {one["name"] for one in body.get("security_groups") or ()}
        for name in sorted(there - wanted):
            with gone_is_fine():
                self._act(cloud, ident, {"removeSecurityGroup": {"name": name}})
        for name in sorted(wanted - there):
            self._act(cloud, ident, {"addSecurityGroup": {"name": name}})

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Delete the server, stopped first if the program wants that."""
        if outputs.get("stopBeforeDestroy"):
            now = self._status(cloud, ident)
            if now == "active":
                self._power(cloud, ident, now, "shutoff")
        if outputs.get("forceDelete"):
            self._act(cloud, ident, {"forceDelete": None})
        else:
            self.call(cloud, "delete", self.url(ident))

    def delete(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Delete the server and wait until it is gone."""
        with gone_is_fine():
            self.remove(cloud, ident, outputs)
            cloud.wait(
                lambda: self._status(cloud, ident),
                (None, "deleted", "soft_deleted"),
                limit=300,
                pause=_PAUSE,
            )


def _with_ports(cloud: Cloud, body: Body) -> Body:
    query = {"device_id": body["id"]}
    return {**body, "ports": cloud.pages("network", "/ports", "ports", params=query)}


def _legs(body: Body, inputs: Values) -> list[Values]:
    """Return the server's networks as the provider shows them: those asked for, in their order."""
    names = {
        ip.get("OS-EXT-IPS-MAC:mac_addr"): net
        for net, ips in (body.get("addresses") or {}).items()
        for ip in ips
    }
    legs = []
    for port in body["ports"]:
        ips = {":" in one["ip_address"]: one["ip_address"] for one in port["fixed_ips"]}
        legs.append(
            {
                "accessNetwork": False,
                "fixedIpV4": ips.get(False, ""),
                "fixedIpV6": f"[{ips[True]}]" if True in ips else "",
                "mac": port["mac_address"],
                "name": names.get(port["mac_address"], ""),
                "port": port["id"],
                "uuid": port["network_id"],
            }
        )
    if not inputs.get("networks"):
        return legs
    found = []
    for asked in inputs["networks"]:
        leg = next((leg for leg in legs if _is_leg(asked, leg)), None)
        if leg:
            legs.remove(leg)
            brackets = {"fixedIpV6": asked["fixedIpV6"]} if asked.get("fixedIpV6") else {}
            found.append({**leg, **brackets, "accessNetwork": bool(asked.get("accessNetwork"))})
    return found


def _is_leg(asked: Values, leg: Values) -> bool:
    return all(
        same(asked[name], leg[name]) or str(asked[name]) == leg[name].strip("[]")
        for name in ("port", "uuid", "name", "fixedIpV4", "fixedIpV6")
        if asked.get(name)
    )


def _boots_from_volume(inputs: Values) -> bool:
    devices = inputs.get("blockDevices") or []
    local = any(
        one.get("sourceType") == "image" and one.get("destinationType") == "local"
        for one in devices
    )
    return bool(devices) and not local


def _flavor_id(cloud: Cloud, inputs: Values) -> str:
    return str(inputs.get("flavorId") or _flavor_named(cloud, inputs["flavorName"]))


def _flavor_named(cloud: Cloud, name: str) -> str:
    def look() -> str:
        query = {"is_public": "None"}
        flavors = cloud.pages("compute", "/flavors", "flavors", params=query)
        return _only(flavors, "flavor", name)

    return str(cloud.once(f"flavor {name}", look))


def _image_id(cloud: Cloud, inputs: Values) -> str:
    if inputs.get("imageId") or not inputs.get("imageName"):
        return str(inputs.get("imageId") or "")
    query = {"name": inputs["imageName"], "limit": 1000}
    return _only(
        cloud.pages("image", "/images", "images", params=query), "image", inputs["imageName"]
    )


def _only(bodies: list[Body], what: str, name: str) -> str:
    found = [one["id"] for one in bodies if one["name"] == name]
    if len(found) != 1:
        raise BadInputError(
            f"{len(found)} {what}s are named {name}",
            why="the name must stand for one",
            remedy=f"name the {what} by its id",
        )
    return str(found[0])


def _go_time(text: str) -> str:
    """Return an ISO time as the provider prints it."""
    return text.replace("T", " ").replace("Z", " +0000 UTC")


class VolumeAttach(Kind):
    """A volume's attachment to a server; its id is "server/volume"."""

    service, path, key = "compute", "/servers", "volumeAttachment"
    properties = """device? instanceId!=serverId multiattach!- region?!- tag!- vendorOptions!-
        volumeId!=volumeId"""
    unsupported = "multiattach tag vendorOptions"

    def url(self, ident: str) -> str:
        """Return the attachment's path."""
        server, volume = ident.split("/")
        return f"/servers/{server}/os-volume_attachments/{volume}"

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Attach the volume."""
        path = f"/servers/{inputs['instanceId']}/os-volume_attachments"
        body = {"volumeId": inputs["volumeId"]}
        if inputs.get("device"):
            body["device"] = inputs["device"]
        answer = self.call(cloud, "post", path, {self.key: body})[self.key]
        self._wait(cloud, inputs["volumeId"], ("in-use",), ("error", "available"))
        ident = f"{inputs['instanceId']}/{inputs['volumeId']}"
        cloud.keep(self.token, ident, answer)
        return ident

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the attachment if it is there."""
        ident = f"{inputs['instanceId']}/{inputs['volumeId']}"
        return [ident] if self.read(cloud, ident, inputs) else []

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """Return the attachments that the project's volumes show."""
        return {
            f"{one['server_id']}/{one['volume_id']}": {
                "serverId": one["server_id"],
                "volumeId": one["volume_id"],
                "device": one["device"],
            }
            for volume in cloud.pages("block_storage", "/volumes/detail", "volumes")
            for one in volume["attachments"]
        }

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Detach the volume and wait until it is free."""
        super().remove(cloud, ident, outputs)
        self._wait(cloud, ident.split("/")[1], ("available", "error", None), ())

    def _wait(
        self, cloud: Cloud, volume: str, done: Collection[str | None], failed: Collection[str]
    ) -> None:
        path = f"/volumes/{volume}"
        cloud.wait(
            lambda: cloud.call("block_storage", "get", path)["volume"]["status"],
            tuple(done),
            tuple(failed),
        )


class Quota(BaseQuota):
    """A project's quotas of the compute service."""

    service, path, key, microversion = "compute", "/os-quota-sets", "quota_set", "2.1"
    properties = """projectId!+ region?!- cores?# fixedIps?# floatingIps?#
        injectedFileContentBytes?# injectedFilePathBytes?# injectedFiles?# instances?# keyPairs?#
        metadataItems?# ram?# securityGroupRules?# securityGroups?# serverGroupMembers?#
        serverGroups?#"""


KINDS: dict[str, type[Kind]] = {
    "openstack:compute/flavor:Flavor": Flavor,
    "openstack:compute/flavorAccess:FlavorAccess": FlavorAccess,
    "openstack:compute/instance:Instance": Instance,
    "openstack:compute/keypair:Keypair": Keypair,
    "openstack:compute/quotaSetV2:QuotaSetV2": Quota,
    "openstack:compute/serverGroup:ServerGroup": ServerGroup,
    "openstack:compute/volumeAttach:VolumeAttach": VolumeAttach,
}
