"""Networks, subnets, routers, ports, security groups, floating IPs, their quotas and sharing."""

import contextlib
import datetime as dt
import ipaddress
from collections.abc import Collection
from typing import Any, ClassVar

from catalogue.errors import BadInputError

from .base import (
    Body,
    Cloud,
    Kind,
    Stray,
    Values,
    agrees,
    camel,
    gone_is_fine,
    renamed,
    snake,
)
from .quota import Quota as BaseQuota


class Neutron(Kind):
    """A type of the network service."""

    service, owner, whole = "network", "project_id", True


class Tagged(Neutron):
    """
    A type with neutron's tags.

    As the provider does, only the tags that the program gives are watched; `allTags` has them all.
    """

    outputs = "allTags@=tags"

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields; tags have a call of their own."""
        body = super().encode(inputs)
        body.pop("tags", None)
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        there = sorted(body.get("tags") or ())
        found = super().decode(body, inputs, cloud) | {"allTags": there}
        if inputs.get("tags") is not None:
            found["tags"] = [tag for tag in inputs["tags"] if tag in there]
        return found

    def finish(self, cloud: Cloud, ident: str, inputs: Values) -> None:
        """Set the tags that the object lacks."""
        super().finish(cloud, ident, inputs)
        wanted = set(inputs.get("tags") or ())
        body = cloud.take(self.token, ident) or self.fetch(cloud, ident)
        if not wanted <= set(body["tags"]):
            body = body | self._tag(cloud, ident, wanted | set(body["tags"]))
        cloud.keep(self.token, ident, body)

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties; tags that no program gave stay."""
        super().update(cloud, ident, inputs, old, set(changed) - {"tags"})
        if "tags" in changed:
            there = cloud.take(self.token, ident) or self.fetch(cloud, ident)
            kept = set(there["tags"]) - set(old.get("tags") or ())
            wanted = kept | set(inputs.get("tags") or ())
            cloud.keep(self.token, ident, there | self._tag(cloud, ident, wanted))

    def _tag(self, cloud: Cloud, ident: str, tags: Collection[str]) -> Body:
        answer: Body = self.call(cloud, "put", f"{self.url(ident)}/tags", {"tags": sorted(tags)})
        return answer


class Network(Tagged):
    """A network."""

    path, key = "/networks", "network"
    properties = """name? description adminStateUp? availabilityZoneHints?!@ dnsDomain mtu?#
        external?=router:external portSecurityEnabled? qosPolicyId? region?!- segments!@+ shared?
        tags@ tenantId?! transparentVlan?!~=vlan_transparent valueSpecs!-"""

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields, segments as provider attributes."""
        body = super().encode(inputs)
        if inputs.get("segments"):
            body["segments"] = [
                {f"provider:{field}": value for field, value in renamed(one, snake).items()}
                for one in inputs["segments"]
            ]
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode({**body, "segments": None}, inputs, cloud)
        found.pop("segments")
        if given := inputs.get("segments"):
            told = [
                {camel(field.removeprefix("provider:")): value for field, value in one.items()}
                for one in body.get("segments") or [body]
                if "provider:network_type" in one
            ]
            told = [
                {
                    name: one[name]
                    for name in ("networkType", "physicalNetwork", "segmentationId")
                    if one.get(name) is not None
                }
                for one in told
            ]
            kept = not told or agrees(given, told, ordered=False)
            found["segments"] = renamed(given, str) if kept else told
        return found


class Subnet(Tagged):
    """A subnet."""

    path, key, identity = "/subnets", "subnet", ("name", "networkId")
    properties = """name? description allocationPools?@ cidr?! dnsNameservers dnsPublishFixedIp
        enableDhcp gatewayIp? ipVersion!# ipv6AddressMode?! ipv6RaMode?! networkId! noGateway+
        prefixLength!#=prefixlen region?!- segmentId? serviceTypes?@ subnetpoolId! tags@ tenantId?!
        valueSpecs!-"""
    defaults: ClassVar[Values] = {"enableDhcp": True, "ipVersion": 4, "noGateway": False}

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields."""
        body = super().encode(inputs)
        return {**body, "gateway_ip": None} if inputs.get("noGateway") else body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        given = inputs.get("cidr")
        if given and ipaddress.ip_network(given, strict=False) == ipaddress.ip_network(
            body["cidr"]
        ):
            found["cidr"] = given
        return found | {"noGateway": not body.get("gateway_ip")}


class SubnetPool(Tagged):
    """A subnet pool."""

    path, key, owner_property = "/subnetpools", "subnetpool", "projectId"
    whole = False  # PUT tells another default quota than GET
    properties = """name? addressScopeId defaultPrefixlen?# defaultQuota# description ipVersion?!#+
        isDefault maxPrefixlen?# minPrefixlen?# prefixes@ projectId?! region?!- shared! tags@
        valueSpecs!-"""
    outputs = "allTags@=tags createdAt revisionNumber# updatedAt"


class AddressScope(Neutron):
    """An address scope."""

    path, key, owner_property = "/address-scopes", "address_scope", "projectId"
    properties = "name? ipVersion!# projectId?! region?!- shared"
    defaults: ClassVar[Values] = {"ipVersion": 4}


class Router(Tagged):
    """A router, with its gateway."""

    path, key = "/routers", "router"
    properties = """name? description adminStateUp? availabilityZoneHints?! distributed?!~
        enableSnat?+ externalFixedIps?@+ externalNetworkId?+ externalQosPolicyId?+
        externalSubnetIds- region?!- tags@ tenantId?! valueSpecs!- vendorOptions-"""
    unsupported = "externalSubnetIds vendorOptions"
    gateway: ClassVar[dict[str, str]] = {
        "externalNetworkId": "network_id",
        "enableSnat": "enable_snat",
        "externalFixedIps": "external_fixed_ips",
        "externalQosPolicyId": "qos_policy_id",
    }

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields."""
        body = super().encode(inputs)
        asked = {
            field: renamed(inputs[name], snake)
            for name, field in self.gateway.items()
            if inputs.get(name) is not None
        }
        if asked:
            body["external_gateway_info"] = asked if asked.get("network_id") else {}
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs; a gateway that is gone leaves empty ones."""
        told = body.get("external_gateway_info") or {}
        fields = {
            "enableSnat": bool(told.get("enable_snat")),
            "externalFixedIps": renamed(told.get("external_fixed_ips") or [], camel),
            "externalNetworkId": told.get("network_id") or "",
            "externalQosPolicyId": told.get("qos_policy_id") or "",
        }
        given = inputs.get("externalFixedIps")
        if given is not None and agrees(given, fields["externalFixedIps"], ordered=False):
            fields["externalFixedIps"] = renamed(given, str)
        return super().decode(body, inputs, cloud) | fields

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties; the gateway is one object and is sent whole."""
        if set(changed) & set(self.gateway):
            changed = {*changed, *(set(self.gateway) & set(inputs)), "externalNetworkId"}
        super().update(cloud, ident, inputs, {"externalNetworkId": "", **old}, changed)

    def strays(self, cloud: Cloud, ident: str, known: Collection[str]) -> list[Stray]:
        """Return the interfaces that no program declares."""
        return [
            Stray(body["id"], f"interface with {_addresses(body)}")
            for body in cloud.pages("network", "/ports", "ports", params={"device_id": ident})
            if body["device_owner"] in RouterInterface.owners and body["id"] not in known
        ]

    def remove_stray(self, cloud: Cloud, stray: str) -> None:
        """Detach an interface."""
        with gone_is_fine():
            router = self.call(cloud, "get", f"/ports/{stray}")["port"]["device_id"]
            path = f"/routers/{router}/remove_router_interface"
            self.call(cloud, "put", path, {"port_id": stray})


def _addresses(port: Body) -> str:
    return ", ".join(one["ip_address"] for one in port["fixed_ips"]) or "no address"


class RouterInterface(Neutron):
    """A router's port on a subnet; its id is the port's."""

    path, key = "/ports", "port"
    properties = """forceDestroy- portId?!=id region?!- routerId!=device_id subnetId?!+"""
    unsupported = "forceDestroy"
    defaults: ClassVar[Values] = {"forceDestroy": False}
    owners: ClassVar[tuple[str, ...]] = (
        "network:router_interface",
        "network:router_interface_distributed",
        "network:ha_router_replicated_interface",
    )
    listed_with: ClassVar[dict[str, Any]] = {"device_owner": list(owners)}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Attach the subnet or the port."""
        names = {"portId": "port_id"} if inputs.get("portId") else {"subnetId": "subnet_id"}
        body = {field: inputs[name] for name, field in names.items()}
        path = f"/routers/{inputs['routerId']}/add_router_interface"
        answer = self.call(cloud, "put", path, body)
        cloud.keep(
            self.token,
            answer["port_id"],
            {
                "id": answer["port_id"],
                "device_id": inputs["routerId"],
                "fixed_ips": [{"subnet_id": answer["subnet_id"]}],
            },
        )
        return str(answer["port_id"])

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the router's port on the wanted subnet, or the wanted port if it is attached."""
        ports = cloud.pages("network", "/ports", "ports", params={"device_id": inputs["routerId"]})
        return [
            body["id"]
            for body in ports
            if body["id"] == inputs.get("portId")
            or any(ip["subnet_id"] == inputs.get("subnetId") for ip in body["fixed_ips"])
        ]

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        subnets = [one["subnet_id"] for one in body["fixed_ips"]]
        given = inputs.get("subnetId")
        found = super().decode(body, inputs, cloud)
        return found | {"subnetId": given if given in subnets else next(iter(subnets), "")}

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Detach the port."""
        path = f"/routers/{outputs['routerId']}/remove_router_interface"
        self.call(cloud, "put", path, {"port_id": ident})


class RouterRoutes(Neutron):
    """All extra routes of a router; its id is the router's."""

    path, key = "/routers", "router"
    properties = "region?!- routerId!=id routes@+"

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Add the routes; those that are there already stay."""
        self._change(cloud, inputs["routerId"], "add_extraroutes", inputs.get("routes") or [])
        return str(inputs["routerId"])

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the router if it has all the routes."""
        told = self.read(cloud, inputs["routerId"], inputs) or {}
        there = agrees(inputs.get("routes") or [], told.get("routes"), ordered=False)
        return [inputs["routerId"]] if there else []

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        told = [
            {"destinationCidr": one["destination"], "nextHop": one["nexthop"]}
            for one in body["routes"]
        ]
        given = inputs.get("routes") or []
        kept = agrees(given, told, ordered=False)
        found = super().decode(body, inputs, cloud)
        return found | {"routes": renamed(given, str) if kept else told}

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Remove the routes that are no longer wanted and add the new ones."""
        del changed
        had, wanted = (renamed(one.get("routes") or [], str) for one in (old, inputs))
        self._change(cloud, ident, "remove_extraroutes", [one for one in had if one not in wanted])
        self._change(cloud, ident, "add_extraroutes", [one for one in wanted if one not in had])

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Remove the routes."""
        self._change(cloud, ident, "remove_extraroutes", outputs.get("routes") or [])

    def _change(self, cloud: Cloud, router: str, how: str, routes: list[Values]) -> None:
        if not routes:
            return
        fields = [
            {"destination": one["destinationCidr"], "nexthop": one["nextHop"]} for one in routes
        ]
        answer = self.call(
            cloud, "put", f"{self.path}/{router}/{how}", {"router": {"routes": fields}}
        )
        cloud.keep(self.token, router, answer["router"])


class RouterRoute(RouterRoutes):
    """One extra route of a router."""

    properties = "destinationCidr! nextHop! region?!- routerId!"

    def url(self, ident: str) -> str:
        """Return the router's path."""
        return f"{self.path}/{ident.partition('-route-')[0]}"

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Add the route."""
        self._change(cloud, inputs["routerId"], "add_extraroutes", [inputs])
        return self._ident(inputs)

    def _ident(self, inputs: Values) -> str:
        return f"{inputs['routerId']}-route-{inputs['destinationCidr']}-{inputs['nextHop']}"

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the route if the router has it."""
        ident = self._ident(inputs)
        return [ident] if self.read(cloud, ident, inputs) else []

    def read(
        self, cloud: Cloud, ident: str, inputs: Values, body: Body | None = None
    ) -> Values | None:
        """Return the outputs, or None where the router has no such route."""
        route = ident.split("-route-", 1)[1]
        with gone_is_fine():
            body = body or self.fetch(cloud, ident)
            if route in {f"{one['destination']}-{one['nexthop']}" for one in body["routes"]}:
                names = ("destinationCidr", "nextHop", "routerId")
                given = {name: inputs[name] for name in names if name in inputs}
                return {"region": cloud.region, **given}
        return None

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """Return every route of every router."""
        return {
            f"{body['id']}-route-{one['destination']}-{one['nexthop']}": body
            for body in self.listed(cloud, project_id=cloud.project_id)
            for one in body["routes"]
        }

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Remove the route."""
        del ident
        self._change(cloud, outputs["routerId"], "remove_extraroutes", [outputs])


class SecGroup(Tagged):
    """A security group."""

    path, key = "/security-groups", "security_group"
    properties = """name? description? deleteDefaultRules!- region?!- stateful? tags@ tenantId?!"""
    listed_with: ClassVar[dict[str, Any]] = {
        "fields": ["id", "name", "description", "stateful", "tags", "project_id", "tenant_id"]
    }

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Create the group, without the rules that neutron gives it if the program says so."""
        ident = super().create(cloud, inputs)
        body = cloud.take(self.token, ident) or {}
        if inputs.get("deleteDefaultRules"):
            for rule in body["security_group_rules"]:
                self.call(cloud, "delete", f"/security-group-rules/{rule['id']}")
        cloud.keep(self.token, ident, body)
        return ident

    def resume(self, cloud: Cloud, ident: str, inputs: Values) -> None:
        """Take over a group of an interrupted run: one that was never used has no other rules."""
        super().resume(cloud, ident, inputs)
        if inputs.get("deleteDefaultRules"):
            for rule in self._rules(cloud, ident):
                self.call(cloud, "delete", f"/security-group-rules/{rule['id']}")

    def strays(self, cloud: Cloud, ident: str, known: Collection[str]) -> list[Stray]:
        """Return the rules that no program declares and that neutron did not give the group."""
        group = self.fetch(cloud, ident)
        return [
            Stray(rule["id"], _rule_in_words(rule))
            for rule in group["security_group_rules"]
            if rule["id"] not in known and not _came_with(group, rule)
        ]

    def remove_stray(self, cloud: Cloud, stray: str) -> None:
        """Delete a rule."""
        with gone_is_fine():
            self.call(cloud, "delete", f"/security-group-rules/{stray}")

    def _rules(self, cloud: Cloud, ident: str) -> list[Body]:
        return cloud.pages(
            "network",
            "/security-group-rules",
            "security_group_rules",
            params={"security_group_id": ident},
        )


def _came_with(group: Body, rule: Body) -> bool:
    """Whether a rule is one of those that neutron made together with its group."""
    born, made = (dt.datetime.fromisoformat(one["created_at"]) for one in (group, rule))
    plain = not any(rule.get(name) for name in ("protocol", "remote_ip_prefix", "port_range_min"))
    return plain and rule["direction"] == "egress" and (made - born).total_seconds() <= 1


def _rule_in_words(rule: Body) -> str:
    ports = [rule[name] for name in ("port_range_min", "port_range_max") if rule[name] is not None]
    where = rule["remote_ip_prefix"] or rule["remote_group_id"] or "anywhere"
    span = "-".join(dict.fromkeys(map(str, ports)))
    words = (rule["direction"], rule["ethertype"], rule["protocol"] or "any protocol", span, where)
    return " ".join(("rule", *filter(None, words)))


class SecGroupRule(Neutron):
    """A rule of a security group."""

    path, key = "/security-group-rules", "security_group_rule"
    properties = """description! direction! ethertype! portRangeMax!# portRangeMin!# protocol!
        region?!- remoteAddressGroupId?! remoteGroupId?! remoteIpPrefix?! securityGroupId!
        tenantId?!"""

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the group's rule that is the same in everything."""
        wanted = {"region": cloud.region, **inputs}
        rules = self.listed(cloud, security_group_id=inputs["securityGroupId"])
        return [
            body["id"]
            for body in rules
            if all(
                agrees(wanted.get(name), told)
                for name, told in self.decode(body, wanted, cloud).items()
                if name != "tenantId"
            )
        ]

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs, the protocol as the program names it."""
        found = super().decode(body, inputs, cloud)
        names = {"icmpv6", "ipv6-icmp", "58"}
        if inputs.get("protocol") in names and str(body["protocol"]) in names:
            found["protocol"] = inputs["protocol"]
        return found


class Port(Tagged):
    """A port."""

    path, key, identity = "/ports", "port", ("name", "networkId")
    properties = """name? description adminStateUp? allowedAddressPairs@ binding?+ deviceId?!
        deviceOwner?! dnsName? extraDhcpOptions@+ fixedIps@ macAddress?! networkId!
        noFixedIp+ noSecurityGroups+ portSecurityEnabled? qosPolicyId? region?!-
        securityGroupIds@=security_groups tags@ tenantId?! valueSpecs!-"""
    outputs = "allTags@=tags allSecurityGroupIds@=security_groups dnsAssignments*=dns_assignment"

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields."""
        body = super().encode(inputs)
        if inputs.get("noSecurityGroups"):
            body["security_groups"] = []
        if inputs.get("noFixedIp"):
            body["fixed_ips"] = []
        for field, value in renamed(inputs.get("binding") or {}, snake).items():
            body[f"binding:{field}"] = value
        if inputs.get("extraDhcpOptions"):
            body["extra_dhcp_opts"] = [
                {
                    "opt_name": one["name"],
                    "opt_value": one.get("value"),
                    "ip_version": int(one.get("ipVersion") or 4),
                }
                for one in inputs["extraDhcpOptions"]
            ]
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        found["allFixedIps"] = [one["ip_address"] for one in body["fixed_ips"]]
        for name, field in (("noFixedIp", "fixed_ips"), ("noSecurityGroups", "security_groups")):
            if inputs.get(name) is not None:
                found[name] = not body[field] if inputs[name] else inputs[name]
        if given := inputs.get("binding"):
            told = {
                name: body.get(f"binding:{snake(name)}") for name in given if name != "__defaults"
            }
            found["binding"] = renamed(given, str) if agrees(given, told) else told
        if given := inputs.get("extraDhcpOptions"):
            options = [
                {"name": one["opt_name"], "value": one["opt_value"], "ipVersion": one["ip_version"]}
                for one in body.get("extra_dhcp_opts") or ()
            ]
            kept = agrees(given, options, ordered=False)
            found["extraDhcpOptions"] = renamed(given, str) if kept else options
        return found

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties; an option that is no longer wanted is sent without a value."""
        names = {one["name"] for one in inputs.get("extraDhcpOptions") or ()}
        dropped = [
            {"name": one["name"], "ipVersion": one.get("ipVersion")}
            for one in old.get("extraDhcpOptions") or ()
            if one["name"] not in names
        ]
        if dropped and "extraDhcpOptions" in changed:
            body = self.encode({"extraDhcpOptions": dropped})
            self.call(cloud, "put", self.url(ident), {self.key: body})
        super().update(cloud, ident, inputs, old, changed)


class FloatingIp(Tagged):
    """A floating IP address."""

    path, key, identity = "/floatingips", "floatingip", ("address", "portId")
    properties = """address?!=floating_ip_address description dnsDomain?! dnsName?!
        fixedIp?=fixed_ip_address pool?!+ portId? region?!- subnetId?!+ subnetIds!- tags@ tenantId?!
        valueSpecs!-"""
    unsupported = "subnetIds"

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields, without the network: its name has to be looked up."""
        body = super().encode(inputs)
        if inputs.get("subnetId"):
            body["subnet_id"] = inputs["subnetId"]
        if "portId" in inputs and not inputs["portId"]:
            body["port_id"] = None
        return body

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Take an address of the external network named by `pool`."""
        specs = {"floating_network_id": _network_named(cloud, inputs["pool"])}
        given = inputs.get("valueSpecs") or {}
        return super().create(cloud, {**inputs, "valueSpecs": {**given, **specs}})

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        pool = inputs.get("pool")
        if pool:
            found["pool"] = body["floating_network_id"]
            with contextlib.suppress(BadInputError):  # the network may have another name now
                if _network_named(cloud, pool) == body["floating_network_id"]:
                    found["pool"] = pool
        return found

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties; an address moves to a port together with the port's address."""
        if {"portId", "fixedIp"} & set(changed):
            changed = {*changed, "portId"}
        super().update(cloud, ident, inputs, {"portId": "", **old}, changed)


def _network_named(cloud: Cloud, name: str) -> str:
    def look() -> str:
        query = {"name": name, "router:external": True}
        found = cloud.pages("network", "/networks", "networks", params=query)
        if len(found) != 1:
            raise BadInputError(
                f"{len(found)} external networks are named {name}",
                why="floating IP addresses are taken from the one of that name",
                remedy="correct the pool in the program, or have the cloud's operators make it",
            )
        return str(found[0]["id"])

    return str(cloud.once(f"external network {name}", look))


class RbacPolicy(Neutron):
    """A sharing of a network object with another project."""

    path, key, many = "/rbac-policies", "rbac_policy", "rbac_policies"
    properties = "action! objectId! objectType! region?!- targetTenant"
    outputs = "projectId"
    identity = ("objectId", "targetTenant")


class Quota(BaseQuota):
    """A project's quotas of the network service."""

    service, path, key = "network", "/quotas", "quota"
    properties = """projectId!+ region?!- floatingip?# network?# port?# rbacPolicy?# router?#
        securityGroup?# securityGroupRule?# subnet?# subnetpool?#"""


KINDS: dict[str, type[Kind]] = {
    "openstack:networking/addressScope:AddressScope": AddressScope,
    "openstack:networking/floatingIp:FloatingIp": FloatingIp,
    "openstack:networking/network:Network": Network,
    "openstack:networking/port:Port": Port,
    "openstack:networking/quotaV2:QuotaV2": Quota,
    "openstack:networking/rbacPolicyV2:RbacPolicyV2": RbacPolicy,
    "openstack:networking/router:Router": Router,
    "openstack:networking/routerInterface:RouterInterface": RouterInterface,
    "openstack:networking/routerRoute:RouterRoute": RouterRoute,
    "openstack:networking/routerRoutesV2:RouterRoutesV2": RouterRoutes,
    "openstack:networking/secGroup:SecGroup": SecGroup,
    "openstack:networking/secGroupRule:SecGroupRule": SecGroupRule,
    "openstack:networking/subnet:Subnet": Subnet,
    "openstack:networking/subnetPool:SubnetPool": SubnetPool,
}
