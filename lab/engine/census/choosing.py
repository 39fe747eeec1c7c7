"""Which of a cloud's objects are the city's, and which the cloud has made by itself."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from lab.engine.census import types
from lab.engine.cloud import Body
from lab.engine.kinds import KINDS
from lab.openstack.sites import OBSERVER


@dataclass(frozen=True)
class Chosen:
    """
    What is the city's, of what the cloud lists.

    Left out is what the cloud makes by itself, where it is as the cloud makes it: the external
    network; ports of DHCP, routers, floating addresses, octavia and a lab's observers; the default
    group of a project and its rules, unless a port is in it; neutron's own record of what is
    shared; SOA and NS records of a zone; keys of cinder's volumes; what hangs on flavors, roles
    and other projects.
    """

    listed: Mapping[str, list[Body]]
    known: Collection[tuple[str, str]]
    """What the state has, by type and id."""
    operators: str
    """The id of the operator's own project."""
    external_network: str
    amphorae: list[Body]

    # -- which projects

    @cached_property
    def agencies(self) -> frozenset[str]:
        """The ids of the state's projects."""
        return frozenset(id_ for type_, id_ in self.known if type_ == types.PROJECT)

    @cached_property
    def projects(self) -> frozenset[str]:
        """The ids of the city's projects: the state's and the operator's own."""
        return self.agencies | {self.operators}

    def _ours(self, type_: str) -> list[Body]:
        return [
            one
            for one in self.listed[type_]
            if project(one) in self.projects or self.is_known(type_, one)
        ]

    def is_known(self, type_: str, body: Body) -> bool:
        """Return whether the state has it."""
        return (type_, KINDS[type_].ident(body)) in self.known

    # -- the network

    @cached_property
    def _external(self) -> frozenset[str]:
        return frozenset(
            one["id"]
            for one in self.listed[types.NETWORK]
            if one.get("router:external")
            and one["name"] == self.external_network
            and project(one) not in self.agencies
        )

    @cached_property
    def networks(self) -> list[Body]:
        """The city's networks."""
        return [one for one in self._ours(types.NETWORK) if one["id"] not in self._external]

    @cached_property
    def _network_ids(self) -> frozenset[str]:
        return ids(self.networks)

    @cached_property
    def subnets(self) -> list[Body]:
        """Subnets of the city's projects and networks."""
        return [
            one
            for one in self.listed[types.SUBNET]
            if one["network_id"] in self._network_ids
            or (project(one) in self.projects and one["network_id"] not in self._external)
        ]

    @cached_property
    def routers(self) -> list[Body]:
        """The city's routers."""
        return self._ours(types.ROUTER)

    @cached_property
    def _on_networks(self) -> list[Body]:
        """All ports of the city's projects and networks."""
        return [
            one
            for one in self.listed[types.PORT]
            if project(one) in self.projects or one["network_id"] in self._network_ids
        ]

    @cached_property
    def interfaces(self) -> list[Body]:
        """Ports of routers: the city's routers', and others' on the city's networks."""
        owners = KINDS[types.INTERFACE].owners  # type: ignore[attr-defined]  # of this kind alone
        mine = ids(self.routers)
        return [
            one
            for one in self.listed[types.PORT]
            if one["device_owner"] in owners
            and (one["device_id"] in mine or one["network_id"] in self._network_ids)
        ]

    @cached_property
    def ports(self) -> list[Body]:
        """Ports that are neither routers' nor the cloud's own; those that the state has are in."""
        routers = ids(self.interfaces)
        return [
            one
            for one in self._on_networks
            if self.is_known(types.PORT, one)
            or not (one["id"] in routers or self._is_clouds_own(one))
        ]

    def _is_clouds_own(self, port: Body) -> bool:
        """Return whether a port is one that the cloud made, by its owner and what it names."""
        owner, device = port["device_owner"], port["device_id"]
        if owner in {"network:dhcp", "network:distributed"}:
            return port["network_id"] in device or device == "reserved_dhcp_port"
        if owner in {"network:router_gateway", "network:router_centralized_snat"}:
            return device in ids(self.listed[types.ROUTER])
        if owner == "network:floatingip":
            return device in ids(self.listed[types.FLOATING_IP])
        if owner == OBSERVER:  # what a lab's operator puts onto networks of agencies
            return project(port) == self.operators
        return port["id"] in self._balancers_ports or device in self._amphora_servers

    @cached_property
    def _balancers_ports(self) -> frozenset[str]:
        found = {one["vip_port_id"] for one in self.listed[types.BALANCER]}
        for balancer in self.listed[types.BALANCER]:
            found |= {one["port_id"] for one in balancer.get("additional_vips") or ()}
        for one in self.amphorae:
            found |= {one.get("vrrp_port_id"), one.get("ha_port_id")}
        return frozenset(found - {None})

    @cached_property
    def _amphora_servers(self) -> frozenset[str]:
        return frozenset(one["compute_id"] for one in self.amphorae if one.get("compute_id"))

    # -- security groups

    @cached_property
    def groups(self) -> list[Body]:
        """Groups of the city's projects, and others that its ports are in."""
        used = {group for port in self.ports for group in port["security_groups"]}
        return [
            one
            for one in self.listed[types.GROUP]
            if one["id"] in used
            or self.is_known(types.GROUP, one)
            or (project(one) in self.projects and one["name"] != "default")
        ]

    @cached_property
    def rules(self) -> list[Body]:
        """Rules of those groups, and what was added to the projects' default groups."""
        mine = ids(self.groups)
        defaults = ids(
            one
            for one in self.listed[types.GROUP]
            if one["name"] == "default" and project(one) in self.projects
        )
        return [
            one
            for one in self.listed[types.RULE]
            if one["security_group_id"] in mine
            or (one["security_group_id"] in defaults and not came_with_group(one))
            or self.is_known(types.RULE, one)
        ]

    @cached_property
    def floating_ips(self) -> list[Body]:
        """Floating addresses of the city's projects, and others that lead to its ports."""
        mine = ids(self._on_networks)
        return [
            one
            for one in self.listed[types.FLOATING_IP]
            if project(one) in self.projects or one["port_id"] in mine
        ]

    @cached_property
    def shares(self) -> list[Body]:
        """What is shared of the city's, apart from what the object itself says."""
        objects = {
            "network": self.networks,
            "subnetpool": self._ours(types.SUBNET_POOL),
            "address_scope": self._ours(types.SCOPE),
            "security_group": self.groups,
        }
        mine = {id_ for some in objects.values() for id_ in ids(some)}
        said = {
            ("*", "access_as_shared" if name == "shared" else "access_as_external", one["id"])
            for kind in ("network", "subnetpool", "address_scope")
            for one in objects[kind]
            for name in ("shared", "router:external")
            if one.get(name)
        }
        return [
            one
            for one in self.listed[types.SHARE]
            if (project(one) in self.projects or one["object_id"] in mine)
            and one["object_id"] not in self._external
            and (
                self.is_known(types.SHARE, one)
                or (one["target_tenant"], one["action"], one["object_id"]) not in said
            )
        ]

    # -- load balancers

    @cached_property
    def balancers(self) -> list[Body]:
        """Load balancers of the city's projects, and others on its networks."""
        groups = {one["id"]: one["security_groups"] for one in self.listed[types.PORT]}
        return [
            {**one, "groups": groups.get(one["vip_port_id"], [])}
            for one in self.listed[types.BALANCER]
            if project(one) in self.projects or one["vip_network_id"] in self._network_ids
        ]

    def _of_balancers(self, type_: str) -> list[Body]:
        mine = ids(self.balancers)
        return [
            one
            for one in self.listed[type_]
            if project(one) in self.projects
            or mine & ids(one.get("loadbalancers") or ())
            or self.is_known(type_, one)
        ]

    @cached_property
    def pools(self) -> list[Body]:
        """Pools of the city's load balancers."""
        return self._of_balancers(types.POOL)

    @cached_property
    def monitors(self) -> list[Body]:
        """Monitors of the city's pools."""
        mine = ids(self.pools)
        return [
            one
            for one in self.listed[types.MONITOR]
            if project(one) in self.projects or mine & ids(one.get("pools") or ())
        ]

    # -- servers and disks

    @cached_property
    def servers(self) -> list[Body]:
        """Servers of the city's projects, with their ports and whether a volume boots them."""
        ports: dict[str, list[Body]] = defaultdict(list)
        for one in self.listed[types.PORT]:
            ports[one["device_id"]].append(one)
        groups = {
            member: one["id"]
            for one in self.listed[types.SERVER_GROUP]
            for member in one["members"]
        }
        return [
            {
                **one,
                "ports": ports[one["id"]],
                "server_group": groups.get(one["id"], ""),
                "boot_volume": self._boot_volume(one),
            }
            for one in self._ours(types.SERVER)
        ]

    def _boot_volume(self, server: Body) -> str:
        """Return the id of the volume that a server boots from: the one that is its root disk."""
        if server.get("image"):
            return ""
        root, bootable = server.get("OS-EXT-SRV-ATTR:root_device_name"), self._bootable
        attached = self._attached(server)
        candidates = [one for one in attached if one["device"] == root] or [
            one for one in attached if one["volumeId"] in bootable
        ]
        return str(candidates[0]["volumeId"]) if candidates else ""

    @cached_property
    def _bootable(self) -> frozenset[str]:
        return ids(one for one in self.listed[types.VOLUME] if one.get("bootable") == "true")

    def _attached(self, server: Body) -> list[Body]:
        return self._attachments.get(server["id"], [])

    @cached_property
    def _attachments(self) -> Mapping[str, list[Body]]:
        found: dict[str, list[Body]] = defaultdict(list)
        for volume in self.listed[types.VOLUME]:
            for one in volume["attachments"]:
                found[one["server_id"]].append(
                    {
                        "id": f"{one['server_id']}/{one['volume_id']}",
                        "serverId": one["server_id"],
                        "volumeId": one["volume_id"],
                        "device": one["device"],
                    }
                )
        return found

    @cached_property
    def attachments(self) -> list[Body]:
        """Attachments of volumes to the city's servers, but for those that they boot from."""
        return [
            {**one, "project_id": project(server)}
            for server in self.servers
            for one in self._attached(server)
            if one["volumeId"] != server["boot_volume"]
        ]

    @cached_property
    def volume_keys(self) -> frozenset[str]:
        """Ids of the secrets that cinder made to encrypt volumes."""
        return frozenset(
            one["encryption_key_id"]
            for one in self.listed[types.VOLUME]
            if one.get("encryption_key_id")
        )

    # -- who may what

    @cached_property
    def assignments(self) -> list[Body]:
        """Roles in the state's projects, given there."""
        return [
            one
            for one in self.listed[types.ASSIGNMENT]
            if scope(one) in self.agencies and not inherited(one)
        ]

    @cached_property
    def inherited(self) -> list[Body]:
        """Roles that the state's projects inherit, from a domain or a project above."""
        above = {
            one[name]
            for one in self.listed[types.PROJECT]
            if one["id"] in self.agencies
            for name in ("domain_id", "parent_id")
        }
        return [
            one
            for one in self.listed[types.ASSIGNMENT]
            if inherited(one) and scope(one) in self.agencies | above
        ]

    def holders(self, kind: str) -> set[str]:
        """Return the ids of the users ("user") or groups ("group") that have those roles."""
        return {one[kind]["id"] for one in (*self.assignments, *self.inherited) if one.get(kind)}

    # -- names

    @cached_property
    def zones(self) -> list[Body]:
        """The city's zones."""
        return self._ours(types.ZONE)

    @cached_property
    def records(self) -> list[Body]:
        """Records of the city's zones, but for what a name server puts at a zone's own name."""
        mine = ids(self.zones)
        return [
            one
            for one in self.listed[types.RECORD]
            if (one["zone_id"] in mine or project(one) in self.projects)
            and not (one["type"] in {"SOA", "NS"} and one["name"] == one["zone_name"])
        ]

    # -- all of it

    def all(self) -> Iterator[tuple[str, Body]]:
        """Yield all that was listed and is the city's, with its type."""
        found: dict[str, list[Body]] = {
            types.NETWORK: self.networks,
            types.SUBNET: self.subnets,
            types.SUBNET_POOL: self._ours(types.SUBNET_POOL),
            types.SCOPE: self._ours(types.SCOPE),
            types.ROUTER: self.routers,
            types.PORT: self.ports,
            types.INTERFACE: self.interfaces,
            types.ROUTES: [
                one
                for one in self.routers
                if one["routes"] or (types.ROUTES, one["id"]) in self.known
            ],
            types.GROUP: self.groups,
            types.RULE: self.rules,
            types.FLOATING_IP: self.floating_ips,
            types.SHARE: self.shares,
            types.SERVER: self.servers,
            types.SERVER_GROUP: self._ours(types.SERVER_GROUP),
            types.KEYPAIR: self.listed[types.KEYPAIR],
            types.VOLUME: self._ours(types.VOLUME),
            types.ATTACHMENT: self.attachments,
            types.IMAGE: self._ours(types.IMAGE),
            types.BALANCER: self.balancers,
            types.LISTENER: self._of_balancers(types.LISTENER),
            types.POOL: self.pools,
            types.MONITOR: self.monitors,
            types.ZONE: self.zones,
            types.RECORD: self.records,
        }
        for type_ in (types.FLAVOR, types.PROJECT, types.STAFF):  # others' are beside them
            found[type_] = [one for one in self.listed[type_] if self.is_known(type_, one)]
        for type_, bodies in found.items():
            for body in bodies:
                yield type_, body


def project(body: Body) -> str:
    """Return the id of the project that an object is in, empty if it is in none."""
    for name in ("project_id", "tenant_id", "os-vol-tenant-attr:tenant_id", "owner"):
        if body.get(name):
            return str(body[name])
    return ""


def ids(bodies: "list[Body] | Iterator[Body] | tuple[Body, ...]") -> frozenset[str]:
    """Return the objects' ids."""
    return frozenset(one["id"] for one in bodies)


def scope(assignment: Body) -> str:
    """Return the id of the project or domain that a role is given in, empty for the system."""
    found = assignment["scope"].get("project") or assignment["scope"].get("domain")
    return str(found["id"]) if found else ""


def inherited(assignment: Body) -> bool:
    """Return whether a role holds in the projects below its scope, not in the scope itself."""
    return "OS-INHERIT:inherited_to" in assignment["scope"]


def came_with_group(rule: Body) -> bool:
    """Return whether a rule is like those that neutron gives a new default group."""
    if any(rule.get(name) is not None for name in ("protocol", "port_range_min")):
        return False
    if rule.get("remote_ip_prefix") or rule.get("remote_address_group_id"):
        return False
    own = rule["security_group_id"] if rule["direction"] == "ingress" else None
    return bool(rule["remote_group_id"] == own)
