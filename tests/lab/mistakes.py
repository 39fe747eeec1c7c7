"""
Mistakes made by hand on the deployed town, each with the rule that has to find it, and where.

A mistake is a function of the site's cloud, read and changed as its operator.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openstack
from lab_helpers import PASSWORD, settled, wait_for


@dataclass(frozen=True)
class Mistake:
    """What is done, which rule finds it, and at what: "Kind/name", as far as the name goes."""

    do: Callable[[Any], object]
    rule: str
    at: str


MISTAKES: list[Mistake] = []


def mistake(*found: tuple[str, str]) -> Callable[[Callable[[Any], object]], Any]:
    """Register a function that makes mistakes; `found` says which rules find them, and where."""

    def register(do: Callable[[Any], object]) -> Any:
        MISTAKES.extend(Mistake(do, rule, at) for rule, at in found)
        return do

    return register


def _only(found: Any) -> Any:
    (one,) = found
    return one


def _project(cloud: Any, name: str) -> Any:
    return _only(cloud.identity.projects(name=name))


def give_role(cloud: Any, name: str, role: str, project: str = "admin") -> None:
    """Make a user who has a role in a project."""
    user = cloud.identity.create_user(name=name, password=PASSWORD, domain_id="default")
    there, given = _project(cloud, project), cloud.identity.find_role(role)
    cloud.identity.assign_project_role_to_user(there, user, given)


def _into(cloud: Any, project: str) -> Any:
    """Connect as the operator's user in an agency's project."""
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        region_name=cloud.config.get_region_name(),
        auth={**cloud.config.auth, "project_name": project},
    )


def _network(cloud: Any, name: str) -> Any:
    return _only(cloud.network.networks(name=name))


def _port(cloud: Any, name: str) -> Any:
    return _only(cloud.network.ports(name=name))


def _server(cloud: Any, name: str) -> Any:
    return _only(one for one in cloud.compute.servers(all_projects=True) if one.name == name)


def _volume(cloud: Any, name: str) -> Any:
    found = cloud.block_storage.volumes(details=True, all_projects=True)
    return _only(one for one in found if one.name == name)


def _rule(cloud: Any, group: str, **more: Any) -> None:
    cloud.network.create_security_group_rule(
        security_group_id=_only(cloud.network.security_groups(name=group)).id,
        **{"direction": "ingress", "ether_type": "IPv4", **more},
    )


def _settle(cloud: Any, name: str) -> None:
    balancer = _only(cloud.load_balancer.load_balancers(name=name))
    get = cloud.load_balancer.get_load_balancer
    wait_for(lambda: get(balancer.id).provisioning_status == "ACTIVE")


# -- rules that somebody added


@mistake(
    ("exposure-any-protocol", "SecGroupRule/"), ("exposure-undeclared-ingress", "SecGroupRule/")
)
def _everything_to_the_web(cloud: Any) -> None:
    _rule(cloud, "shop-web")


@mistake(("exposure-data-port", "SecGroupRule/"))
def _database_for_all(cloud: Any) -> None:
    _rule(cloud, "shop-store", ether_type="IPv6", protocol="tcp", port_range_min=5432,
          port_range_max=5432, remote_ip_prefix="2000::/3")  # fmt: skip


@mistake(("exposure-admin-port", "SecGroupRule/"), ("ipv6-rules-differ", "SecGroupRule/"))
def _ssh_for_all(cloud: Any) -> None:
    _rule(cloud, "baseline", ether_type="IPv6", protocol="tcp", port_range_min=22,
          port_range_max=22, remote_ip_prefix="::/0")  # fmt: skip


@mistake(
    ("exposure-egress-internet", "SecGroupRule/"),
    ("exposure-undeclared-egress", "SecGroupRule/"),
    ("exposure-any-port", "SecGroupRule/"),
)
def _calls_anywhere(cloud: Any) -> None:
    _rule(cloud, "shop-app", direction="egress", protocol="tcp", port_range_min=1,
          port_range_max=65535)  # fmt: skip


@mistake(("encryption-cleartext-port", "SecGroupRule/"))
def _http(cloud: Any) -> None:
    _rule(cloud, "files-app", protocol="tcp", port_range_min=80, port_range_max=80,
          remote_ip_prefix="10.1.0.0/16")  # fmt: skip


@mistake(("exposure-icmp", "SecGroupRule/"), ("ownership-description", "SecGroupRule/"))
def _icmp(cloud: Any) -> None:
    _rule(cloud, "desk-jobs", protocol="icmp")


@mistake(("exposure-default-rules", "SecGroup/desk-app"))
def _default_rules(cloud: Any) -> None:
    for family in ("IPv4", "IPv6"):
        _rule(cloud, "desk-app", direction="egress", ether_type=family)


@mistake(("exposure-undeclared-ingress", "SecGroupRule/"))
def _into_the_default_group(cloud: Any) -> None:
    project = _project(cloud, "police")
    group = _only(cloud.network.security_groups(name="default", project_id=project.id))
    cloud.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", ether_type="IPv4", protocol="tcp",
        port_range_min=4444, port_range_max=4444,
    )  # fmt: skip


@mistake(("isolation-share-narrow", "RbacPolicyV2/"))
def _group_shared(cloud: Any) -> None:
    group = _only(cloud.network.security_groups(name="shop-app"))
    cloud.network.create_rbac_policy(
        object_type="security_group", object_id=group.id, target_project_id="*",
        action="access_as_shared",
    )  # fmt: skip


# -- ports, networks, routers


@mistake(("exposure-port-security", "Port/lab-app-1"))
def _port_security(cloud: Any) -> None:
    port = _port(cloud, "lab-app-1")
    cloud.network.update_port(port, security_groups=[], port_security_enabled=False)


@mistake(("exposure-port-without-group", "Port/desk-jobs-1"))
def _no_group(cloud: Any) -> None:
    cloud.network.update_port(_port(cloud, "desk-jobs-1"), security_groups=[])


@mistake(("exposure-address-pairs", "Port/files-app-1"))
def _address_pairs(cloud: Any) -> None:
    pairs = [{"ip_address": "0.0.0.0/1"}]
    cloud.network.update_port(_port(cloud, "files-app-1"), allowed_address_pairs=pairs)


@mistake(("isolation-component-network", "Port/by-hand"), ("lifecycle-orphan", "Port/by-hand"))
def _port_of_nobody(cloud: Any) -> None:
    network = _network(cloud, "shop-store")
    cloud.network.create_port(network_id=network.id, name="by-hand", security_groups=[])


@mistake(
    ("ipv6-nat66", "Subnet/by-hand-ipv6"),
    ("ipv6-ra-modes", "Subnet/by-hand-ipv6"),
    ("ipv6-outside-plan", "Subnet/by-hand-ipv4"),
    ("isolation-provider-network", "Network/by-hand"),
)
def _network_of_nobody(cloud: Any) -> None:
    network = cloud.network.create_network(
        name="by-hand", project_id=_project(cloud, "trade").id, provider_network_type="vlan",
        provider_physical_network="physnet1", provider_segmentation_id=99,
    )  # fmt: skip
    for version, cidr in ((4, "10.1.99.0/26"), (6, "fd00:9::/64")):
        cloud.network.create_subnet(
            network_id=network.id, name=f"by-hand-ipv{version}", ip_version=version, cidr=cidr
        )


@mistake(("isolation-network-shared", "Network/files-app"))
def _network_shared(cloud: Any) -> None:
    cloud.network.update_network(_network(cloud, "files-app"), is_shared=True)


@mistake(("lifecycle-switched-off", "Network/lab-app"))
def _network_off(cloud: Any) -> None:
    cloud.network.update_network(_network(cloud, "lab-app"), is_admin_state_up=False)


@mistake(("ipv6-name-servers", "Subnet/desk-app-ipv6"))
def _name_servers(cloud: Any) -> None:
    subnet = _only(cloud.network.subnets(name="desk-app-ipv6"))
    cloud.network.update_subnet(subnet, dns_nameservers=["2001:db8::53"])


@mistake(("ownership-mark", "Router/trade"), ("ownership-site", "Router/trade"))
def _no_tags(cloud: Any) -> None:
    cloud.network.set_tags(_only(cloud.network.routers(name="trade")), [])


@mistake(("isolation-gateway", "Router/police"))
def _no_translation(cloud: Any) -> None:
    router = _only(cloud.network.routers(name="police"))
    gateway = {
        "network_id": router.external_gateway_info["network_id"], "enable_snat": False,
    }  # fmt: skip
    cloud.network.update_router(router, external_gateway_info=gateway)


@mistake(("isolation-routes", "RouterRoutesV2/police"))
def _route(cloud: Any) -> None:
    router = _only(cloud.network.routers(name="police"))
    route = {"destination": "203.0.113.0/24", "nexthop": "10.254.0.99"}
    cloud.network.add_extra_routes_to_router(router, {"router": {"routes": [route]}})


@mistake(("isolation-router", "RouterInterface/"))
def _two_agencies_joined(cloud: Any) -> None:
    subnet = _only(cloud.network.subnets(name="shop-app-ipv4"))
    port = cloud.network.create_port(network_id=subnet.network_id, security_groups=[])
    router = _only(cloud.network.routers(name="police"))
    cloud.network.add_interface_to_router(router, port_id=port.id)


@mistake(("exposure-floating-ip", "FloatingIp/"))
def _server_on_the_internet(cloud: Any) -> None:
    cloud.network.create_ip(
        floating_network_id=_network(cloud, "external").id,
        port_id=_port(cloud, "ops-bastion-1").id,
        project_id=_project(cloud, "trade").id,
    )


# -- servers, disks, images


@mistake(
    ("encryption-open-secret", "Instance/by-hand"),
    ("recovery-apart", "Instance/by-hand"),
    ("recovery-disk-kept", "Instance/by-hand"),
    ("lifecycle-config-drive", "Instance/by-hand"),
    ("identity-password-login", "Instance/by-hand"),
    ("encryption-volume", "Volume/"),
)
def _server_of_nobody(cloud: Any) -> None:
    disk = {
        "boot_index": 0, "source_type": "image", "destination_type": "volume", "volume_size": 20,
        "uuid": _only(cloud.image.images(name="debian")).id, "delete_on_termination": True,
    }  # fmt: skip
    with _into(cloud, "trade") as trade:
        server = trade.compute.create_server(
            name="by-hand",
            flavor_id=_only(one for one in cloud.compute.flavors() if one.name == "small").id,
            block_device_mapping_v2=[disk],
            networks=[{"uuid": _network(cloud, "shop-app").id}],
            user_data=base64.b64encode(b"#cloud-config\npassword: hunter2\n").decode(),
        )
        settled(trade.compute.get_server, server, "active")


@mistake(("lifecycle-server-off", "Instance/desk-jobs-1"))
def _switched_off(cloud: Any) -> None:
    server = _server(cloud, "desk-jobs-1")
    cloud.compute.stop_server(server)
    settled(cloud.compute.get_server, server, "shutoff")


@mistake(("encryption-open-secret", "Instance/shop-app-1"))
def _password_in_metadata(cloud: Any) -> None:
    cloud.compute.set_server_metadata(_server(cloud, "shop-app-1"), db_password="hunter2")


@mistake(("ownership-owner", "Instance/files-app-1"), ("isolation-project", "Instance/files-app-1"))
def _another_owner(cloud: Any) -> None:
    cloud.compute.set_server_metadata(_server(cloud, "files-app-1"), agency="trade")


@mistake(("encryption-volume", "Volume/open"), ("ownership-label", "Volume/open"))
def _open_volume(cloud: Any) -> None:
    with _into(cloud, "police") as police:
        volume = police.block_storage.create_volume(name="open", size=1, volume_type="standard")
        settled(police.block_storage.get_volume, volume, "available")


@mistake(("capacity-volume-size", "Volume/shop-app-1-cache"))
def _larger_volume(cloud: Any) -> None:
    volume = _volume(cloud, "shop-app-1-cache")
    server = _server(cloud, "shop-app-1")
    cloud.compute.delete_volume_attachment(server, volume.id)
    settled(cloud.block_storage.get_volume, volume, "available")
    cloud.block_storage.extend_volume(volume, 2)
    settled(cloud.block_storage.get_volume, volume, "available")


@mistake(("ownership-level", "Volume/files-app-1-data"))
def _lower_level(cloud: Any) -> None:
    volume = _volume(cloud, "files-app-1-data")
    cloud.block_storage.set_volume_metadata(volume, security_level="1")


@mistake(("lifecycle-image-known", "Image/by-hand"))
def _image_of_nobody(cloud: Any) -> None:
    cloud.image.create_image(
        name="by-hand",
        disk_format="raw",
        container_format="bare",
        data=b"x",
        validate_checksum=False,
    )


@mistake(("capacity-flavor-size", "Flavor/small"))
def _flavor_specs(cloud: Any) -> None:
    flavor = _only(one for one in cloud.compute.flavors() if one.name == "small")
    cloud.compute.create_flavor_extra_specs(flavor, {"hw:cpu_policy": "dedicated"})


@mistake(("identity-ssh-key", "Keypair/by-hand"))
def _key(cloud: Any) -> None:
    cloud.compute.create_keypair(name="by-hand")


# -- containers, secrets


@mistake(("encryption-container-public", "Container/shop-media"))
def _public(cloud: Any) -> None:
    with _into(cloud, "trade") as trade:
        trade.object_store.set_container_metadata("shop-media", read_ACL=".r:*,.rlistings")


@mistake(("recovery-backup-versions", "Container/desk-backup"))
def _no_versions(cloud: Any) -> None:
    with _into(cloud, "police") as police:
        police.object_store.post("/desk-backup", headers={"X-Versions-Enabled": "false"})


@mistake(("recovery-backup-private", "Container/ops-backup"))
def _read_by_others(cloud: Any) -> None:
    with _into(cloud, "trade") as trade:
        trade.object_store.set_container_metadata("ops-backup", read_ACL="police:*")


@mistake(("encryption-container-write", "Container/lab-backup"))
def _written_by_others(cloud: Any) -> None:
    with _into(cloud, "trade") as trade:
        trade.object_store.set_container_metadata("lab-backup", write_ACL="*:*")


@mistake(
    ("ownership-container-label", "Container/by-hand"),
    ("encryption-container-public", "Container/by-hand"),
)
def _container_of_nobody(cloud: Any) -> None:
    with _into(cloud, "police") as police:
        police.object_store.create_container("by-hand")
        police.object_store.set_container_metadata("by-hand", read_ACL=".r:*")


@mistake(("ownership-stack", "SecretV1/by-hand"))
def _secret(cloud: Any) -> None:
    with _into(cloud, "trade") as trade:
        trade.key_manager.create_secret(
            name="by-hand", payload="hunter2", payload_content_type="text/plain"
        )


# -- who may do what


@mistake(("identity-least-privilege", "RoleAssignment/"))
def _staff_may_change(cloud: Any) -> None:
    group = _only(cloud.identity.groups(name="trade-staff"))
    role = cloud.identity.find_role("member")
    cloud.identity.assign_project_role_to_group(_project(cloud, "trade"), group, role)


@mistake(
    ("identity-admin-role", "RoleAssignment/"), ("identity-people-by-group", "RoleAssignment/")
)
def _admin(cloud: Any) -> None:
    give_role(cloud, "somebody", "admin", project="police")


@mistake(("identity-role-scope", "InheritRoleAssignment/"))
def _reader_of_everything(cloud: Any) -> None:
    user = cloud.identity.create_user(name="everywhere", password=PASSWORD, domain_id="default")
    role = cloud.identity.find_role("reader")
    path = f"/OS-INHERIT/domains/default/users/{user.id}/roles/{role.id}/inherited_to_projects"
    assert cloud.identity.put(path).ok


@mistake(
    ("identity-credential-expiry", "ApplicationCredential/by-hand"),
    ("identity-credential-rules", "ApplicationCredential/by-hand"),
)
def _credential(cloud: Any) -> None:
    cloud.identity.create_application_credential(
        user=cloud.current_user_id, name="by-hand", unrestricted=True
    )


@mistake(("capacity-quota-missing", "Project/trade"))
def _no_quota(cloud: Any) -> None:
    cloud.compute.update_quota_set(_project(cloud, "trade").id, cores=-1)


@mistake(("capacity-quota-short", "QuotaV2/police-network"))
def _short_quota(cloud: Any) -> None:
    quota = {"quota": {"port": 1, "force": True}}
    assert cloud.network.put(f"/quotas/{_project(cloud, 'police').id}", json=quota).ok


# -- load balancers, names


@mistake(
    ("encryption-listener-plain", "Listener/by-hand"),
    ("exposure-listener-port", "Listener/by-hand"),
    ("recovery-listener-pool", "Listener/by-hand"),
)
def _listener(cloud: Any) -> None:
    balancer = _only(cloud.load_balancer.load_balancers(name="shop-web-ipv4"))
    cloud.load_balancer.create_listener(
        name="by-hand", protocol="HTTP", protocol_port=80, load_balancer_id=balancer.id
    )
    _settle(cloud, "shop-web-ipv4")


@mistake(("recovery-pool-watched", "Pool/shop-web-ipv6"))
def _unwatched(cloud: Any) -> None:
    monitor = _only(cloud.load_balancer.health_monitors(name="shop-web-ipv6"))
    cloud.load_balancer.update_health_monitor(monitor, delay=600)
    _settle(cloud, "shop-web-ipv6")


@mistake(("recovery-pool-members", "Pool/shop-web-ipv4"))
def _member(cloud: Any) -> None:
    pool = _only(cloud.load_balancer.pools(name="shop-web-ipv4"))
    member = _only(cloud.load_balancer.members(pool))
    cloud.load_balancer.update_member(member, pool, weight=0)
    _settle(cloud, "shop-web-ipv4")


@mistake(("recovery-name-ttl", "RecordSet/shop-aaaa"))
def _ttl(cloud: Any) -> None:
    zone = _only(cloud.dns.zones())
    records = cloud.dns.recordsets(zone, name=f"shop.{zone.name}")
    record = _only(one for one in records if one.type == "AAAA")
    cloud.dns.update_recordset(record, zone_id=zone.id, ttl=86400)


@mistake(("ipv6-name-single", "RecordSet/"), ("ownership-stack", "RecordSet/"))
def _record(cloud: Any) -> None:
    zone = _only(cloud.dns.zones())
    cloud.dns.create_recordset(
        zone, name=f"by-hand.{zone.name}", type="A", records=["198.51.100.77"]
    )
