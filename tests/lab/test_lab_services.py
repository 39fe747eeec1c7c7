"""Every service of both sites, used as an agency's deployers use it: as members, not admins."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from lab_helpers import (
    LIMIT_S,
    LabOfTests,
    Tenant,
    answers,
    delete_volume,
    settled,
    tenant,
    volume_file,
    wait_for,
)
from openstack.exceptions import ForbiddenException

from lab.openstack import mirror

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJYv0w2y3Vq8kqf9o3y0sQx3mP0H4b2k6r7T8u9V0wX lab"


@pytest.fixture(scope="module", params=["main", "backup"])
def agency(request: pytest.FixtureRequest, lab: LabOfTests) -> Iterator[Tenant]:
    """Give an agency's project on each site in turn."""
    with tenant(lab, request.param) as made:
        yield made


@pytest.fixture(scope="module")
def image(agency: Tenant) -> Iterator[Any]:
    """Give an image that the site downloaded from its mirror."""
    images = agency.cloud.image
    made = images.create_image(
        name="debian", disk_format="raw", container_format="bare", allow_duplicates=True
    )
    images.import_image(made, method="web-download", uri=agency.mirror)
    yield settled(images.get_image, made, "active")
    images.delete_image(made)


@pytest.fixture(scope="module")
def flavor(agency: Tenant) -> Iterator[Any]:
    """Give a flavor for servers that boot from volumes."""
    made = agency.admin.compute.create_flavor(name=agency.name, ram=512, vcpus=1, disk=0)
    yield made
    agency.admin.compute.delete_flavor(made)


@pytest.fixture(scope="module")
def network(agency: Tenant) -> Iterator[Any]:
    """Give a dual-stack network."""
    made = agency.cloud.network.create_network(name="inside")
    for version, cidr, more in (
        (4, "10.7.0.0/22", {"dns_nameservers": ["9.9.9.9"]}),
        (6, "fd00:7::/64", {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}),
    ):
        agency.cloud.network.create_subnet(
            name=f"v{version}", network_id=made.id, ip_version=version, cidr=cidr, **more
        )
    yield made
    agency.cloud.network.delete_network(made)


def test_image_is_downloaded_from_the_mirror_byte_for_byte(agency: Tenant, image: Any) -> None:
    """An image imported by web-download holds what the mirror offers."""
    assert agency.cloud.image.download_image(image).content == mirror.image()


def test_member_is_no_administrator(agency: Tenant) -> None:
    """The member can't make what only operators make."""
    with pytest.raises(ForbiddenException):
        agency.cloud.compute.create_flavor(name="mine", ram=1, vcpus=1, disk=0)


def test_operators_provide_dual_stack_external_network(agency: Tenant) -> None:
    """A router on the network "external" gets an address of the site's IPv4 and IPv6 prefix."""
    external = agency.cloud.network.find_network("external")
    router = agency.cloud.network.create_router(
        name="edge", external_gateway_info={"network_id": external.id}
    )
    addresses = [ip["ip_address"] for ip in router.external_gateway_info["external_fixed_ips"]]
    agency.cloud.network.delete_router(router)
    beginnings = {
        "main": ("198.51.100.", "2001:db8:ff00::"),
        "backup": ("198.51.100.", "2001:db8:ff01::"),
    }[agency.site]
    assert all(
        any(address.startswith(beginning) for address in addresses) for beginning in beginnings
    ), addresses


def test_router_routes_between_subnets_and_takes_static_routes(
    agency: Tenant, network: Any
) -> None:
    """A router's interfaces are up and extra routes are kept."""
    net = agency.cloud.network
    router = net.create_router(name="inner")
    subnets = list(net.subnets(network_id=network.id))
    for subnet in subnets:
        net.add_interface_to_router(router, subnet_id=subnet.id)
    route = {"destination": "10.8.0.0/16", "nexthop": "10.7.0.3"}
    net.update_router(router, routes=[route])
    statuses = {port.status for port in net.ports(device_id=router.id)}
    routes = net.get_router(router.id).routes
    net.update_router(router, routes=[])
    for subnet in subnets:
        net.remove_interface_from_router(router, subnet_id=subnet.id)
    net.delete_router(router)
    assert statuses == {"ACTIVE"}
    assert routes == [route]


def test_subnet_comes_from_a_pool_in_an_address_scope(agency: Tenant) -> None:
    """A subnet with a cidr of its own is taken from a subnet pool."""
    net = agency.cloud.network
    scope = net.create_address_scope(name="scope", ip_version=6)
    pool = net.create_subnet_pool(
        name="pool", prefixes=["fd00:100::/48"], default_prefixlen=64, address_scope_id=scope.id
    )
    made = net.create_network(name="pooled")
    subnet = net.create_subnet(
        network_id=made.id, ip_version=6, subnetpool_id=pool.id, cidr="fd00:100:0:5::/64"
    )
    net.delete_network(made)
    net.delete_subnet_pool(pool)
    net.delete_address_scope(scope)
    assert subnet.subnet_pool_id == pool.id


def test_vlan_network_on_physnet1_joins_the_sites(agency: Tenant) -> None:
    """An administrator makes a VLAN network on the physical network between the sites."""
    made = agency.admin.network.create_network(
        name="link",
        provider_network_type="vlan",
        provider_physical_network="physnet1",
        provider_segmentation_id=2100,
        project_id=agency.cloud.current_project_id,
    )
    agency.admin.network.delete_network(made)
    assert made.provider_segmentation_id == 2100


def test_security_group_holds_paired_rules(agency: Tenant) -> None:
    """Rules for IPv4 and IPv6, by prefix and by group, are kept as they were given."""
    net = agency.cloud.network
    web, database = (net.create_security_group(name=name) for name in ("web", "db"))
    for version, everyone in (("IPv4", "0.0.0.0/0"), ("IPv6", "::/0")):
        common = {"direction": "ingress", "ethertype": version, "protocol": "tcp"}
        net.create_security_group_rule(
            security_group_id=web.id,
            port_range_min=443,
            port_range_max=443,
            remote_ip_prefix=everyone,
            **common,
        )
        net.create_security_group_rule(
            security_group_id=database.id,
            port_range_min=5432,
            port_range_max=5432,
            remote_group_id=web.id,
            **common,
        )
    rules = net.get_security_group(database.id).security_group_rules
    net.delete_security_group(database)
    net.delete_security_group(web)
    assert {rule["ethertype"] for rule in rules if rule["remote_group_id"] == web.id} == {
        "IPv4",
        "IPv6",
    }


def test_luks_volume_reports_that_it_is_encrypted(agency: Tenant) -> None:
    """A volume of type luks is encrypted, with a key that its owner finds in barbican."""
    volumes = agency.cloud.block_storage
    volume = settled(
        volumes.get_volume, volumes.create_volume(size=1, volume_type="luks"), "available"
    )
    key = volumes.get(f"/volumes/{volume.id}/encryption").json()["encryption_key_id"]
    algorithm = agency.cloud.key_manager.get_secret(key).algorithm
    delete_volume(agency.cloud, volume)
    assert volume.is_encrypted
    assert algorithm == "aes"


def test_default_volume_type_is_standard(agency: Tenant) -> None:
    """A volume without a type is of type standard and not encrypted."""
    volumes = agency.cloud.block_storage
    volume = settled(volumes.get_volume, volumes.create_volume(size=1), "available")
    delete_volume(agency.cloud, volume)
    assert (volume.volume_type, volume.is_encrypted) == ("standard", False)


def test_copies_of_a_luks_volume_stay_encrypted(
    lab: LabOfTests, agency: Tenant, image: Any
) -> None:
    """A luks volume from an image, its clone and its snapshot's volume hold the image's bytes."""
    volumes = agency.cloud.block_storage
    root = settled(
        volumes.get_volume,
        volumes.create_volume(
            size=1, volume_type="luks", image_id=image.id, availability_zone="az2"
        ),
        "available",
    )
    snapshot = settled(
        volumes.get_snapshot, volumes.create_snapshot(volume_id=root.id), "available"
    )
    copies = [
        settled(volumes.get_volume, volumes.create_volume(size=1, **source), "available")
        for source in ({"source_volume_id": root.id}, {"snapshot_id": snapshot.id})
    ]
    heads = [_head(lab, agency, one) for one in (root, *copies)]
    volumes.delete_snapshot(snapshot)
    volumes.wait_for_delete(snapshot, wait=LIMIT_S, interval=0.2)
    for one in (root, *copies):
        delete_volume(agency.cloud, one)
    assert all(one.is_encrypted and one.is_bootable for one in (root, *copies))
    assert heads == [mirror.image()] * 3
    assert root.availability_zone == "az2"


def test_server_boots_from_an_encrypted_volume_on_its_port(
    agency: Tenant, image: Any, flavor: Any, network: Any
) -> None:
    """A server has the port, zone, metadata and volumes that it was asked for."""
    cloud = agency.cloud
    root = settled(
        cloud.block_storage.get_volume,
        cloud.block_storage.create_volume(size=1, volume_type="luks", image_id=image.id),
        "available",
    )
    data = settled(
        cloud.block_storage.get_volume, cloud.block_storage.create_volume(size=1), "available"
    )
    port = cloud.network.create_port(network_id=network.id, name="web")
    key = cloud.compute.create_keypair(name="deploy", public_key=KEY)
    server = settled(
        cloud.compute.get_server,
        cloud.compute.create_server(
            name="web",
            flavor_id=flavor.id,
            key_name=key.name,
            networks=[{"port": port.id}],
            availability_zone="az2",
            config_drive=True,
            user_data="I2Nsb3VkLWNvbmZpZwo=",
            metadata={"service": "lgsp"},
            tags=["lab"],
            block_device_mapping=[
                {
                    "boot_index": 0,
                    "uuid": root.id,
                    "source_type": "volume",
                    "destination_type": "volume",
                    "delete_on_termination": True,
                }
            ],
        ),
        "active",
    )
    cloud.compute.create_volume_attachment(server, volume_id=data.id)
    settled(cloud.block_storage.get_volume, data, "in-use")
    addresses = {one["addr"] for one in server.addresses["inside"]}
    fixed = {one["ip_address"] for one in cloud.network.get_port(port.id).fixed_ips}
    host = agency.admin.compute.get_server(server.id).hypervisor_hostname
    cloud.compute.delete_volume_attachment(server, data)
    settled(cloud.block_storage.get_volume, data, "available")
    cloud.compute.delete_server(server)
    cloud.compute.wait_for_delete(server, wait=LIMIT_S, interval=0.2)
    cloud.compute.delete_keypair(key)
    cloud.network.delete_port(port)
    delete_volume(cloud, data)
    assert addresses == fixed
    assert len(fixed) == 2
    assert "az2" in host
    assert server.metadata == {"service": "lgsp"}


def test_server_is_stopped_started_rebooted_and_resized(
    agency: Tenant, image: Any, flavor: Any, network: Any
) -> None:
    """A server goes through its states, and gets a floating address."""
    compute, net = agency.cloud.compute, agency.cloud.network
    bigger = agency.admin.compute.create_flavor(name=f"{agency.name}-2", ram=1024, vcpus=2, disk=0)
    router = net.create_router(
        name="out", external_gateway_info={"network_id": net.find_network("external").id}
    )
    subnet = net.find_subnet("v4", network_id=network.id)
    net.add_interface_to_router(router, subnet_id=subnet.id)
    server = settled(
        compute.get_server,
        compute.create_server(
            name="one",
            flavor_id=flavor.id,
            networks=[{"uuid": network.id}],
            block_device_mapping=[
                {
                    "boot_index": 0,
                    "uuid": image.id,
                    "source_type": "image",
                    "destination_type": "volume",
                    "volume_type": "luks",
                    "volume_size": 1,
                    "delete_on_termination": True,
                }
            ],
        ),
        "active",
    )
    port = next(iter(net.ports(device_id=server.id)))
    floating = net.create_ip(floating_network_id=net.find_network("external").id, port_id=port.id)
    floating_status = net.get_ip(floating.id).status
    net.delete_ip(floating)
    compute.stop_server(server)
    settled(compute.get_server, server, "shutoff")
    compute.start_server(server)
    settled(compute.get_server, server, "active")
    compute.reboot_server(server, "HARD")
    settled(compute.get_server, server, "active")
    compute.resize_server(server, bigger.id)
    settled(compute.get_server, server, "verify_resize")
    compute.confirm_server_resize(server)
    server = settled(compute.get_server, server, "active")
    compute.delete_server(server)
    compute.wait_for_delete(server, wait=LIMIT_S, interval=0.2)
    net.remove_interface_from_router(router, subnet_id=subnet.id)
    net.delete_router(router)
    agency.admin.compute.delete_flavor(bigger)
    assert floating_status == "ACTIVE"
    assert server.flavor.vcpus == 2


def test_anti_affinity_keeps_servers_apart_until_hosts_run_out(
    agency: Tenant, image: Any, network: Any
) -> None:
    """Three servers of a zone stand on three hosts; a fourth has no valid host."""
    compute = agency.cloud.compute
    local = agency.admin.compute.create_flavor(name=f"{agency.name}-l", ram=64, vcpus=1, disk=1)
    group = compute.create_server_group(name="apart", policy="anti-affinity")
    servers = [
        compute.create_server(
            name=f"db{index}",
            flavor_id=local.id,
            image_id=image.id,
            networks=[{"uuid": network.id}],
            availability_zone="az1",
            scheduler_hints={"group": group.id},
        )
        for index in range(3)
    ]
    for server in servers:
        settled(compute.get_server, server, "active")
    servers.append(
        compute.create_server(
            name="db3",
            flavor_id=local.id,
            image_id=image.id,
            networks=[{"uuid": network.id}],
            availability_zone="az1",
            scheduler_hints={"group": group.id},
        )
    )
    fault = settled(compute.get_server, servers[3], "error").fault["message"]
    hosts = {
        agency.admin.compute.get_server(server.id).hypervisor_hostname for server in servers[:3]
    }
    for server in servers:
        compute.delete_server(server)
    for server in servers:
        compute.wait_for_delete(server, wait=LIMIT_S, interval=0.2)
    compute.delete_server_group(group)
    agency.admin.compute.delete_flavor(local)
    assert len(hosts) == 3
    assert "No valid host" in fault


def test_load_balancer_with_all_its_parts_becomes_active(agency: Tenant, network: Any) -> None:
    """Listener, pool, member and monitor are made one after the other, and go in one."""
    balancers = agency.cloud.load_balancer
    subnet = agency.cloud.network.find_subnet("v4", network_id=network.id)
    made = balancers.create_load_balancer(name="web", vip_subnet_id=subnet.id)

    def settle() -> None:
        wait_for(lambda: balancers.get_load_balancer(made.id).provisioning_status == "ACTIVE")

    settle()
    listener = balancers.create_listener(
        load_balancer_id=made.id, protocol="TCP", protocol_port=443
    )
    settle()
    pool = balancers.create_pool(
        listener_id=listener.id, protocol="TCP", lb_algorithm="ROUND_ROBIN"
    )
    settle()
    member = balancers.create_member(
        pool, address="10.7.0.10", protocol_port=8443, subnet_id=subnet.id
    )
    settle()
    balancers.create_health_monitor(pool_id=pool.id, type="TCP", delay=5, timeout=3, max_retries=3)
    settle()
    status = balancers.get_member(member.id, pool).provisioning_status
    balancers.delete_load_balancer(made, cascade=True)
    wait_for(lambda: not balancers.find_load_balancer(made.id))
    assert status == "ACTIVE"


def test_name_server_answers_with_the_zone_s_records(lab: LabOfTests, agency: Tenant) -> None:
    """A zone's A and AAAA records are asked from bind9 itself."""
    zones = agency.cloud.dns
    name = f"{agency.name}.example.org."
    zone = zones.create_zone(name=name, email="hostmaster@example.org", ttl=60)
    wanted = {"A": "198.51.100.7", "AAAA": "2001:db8::7"}
    for kind, address in wanted.items():
        zones.create_recordset(zone, name=f"www.{name}", type=kind, records=[address])
    wait_for(lambda: all(r.status == "ACTIVE" for r in zones.recordsets(zone)))
    port = lab.port + {"main": 54, "backup": 154}[agency.site]

    for kind, address in wanted.items():
        wait_for(lambda: answers(f"www.{name}", kind, port) == {address})  # noqa: B023  called at once
    zones.delete_zone(zone)
    wait_for(lambda: not zones.find_zone(zone.id))


def test_object_is_read_through_swift_and_s3(agency: Tenant) -> None:
    """What one interface stores, the other reads."""
    store, cloud = agency.cloud.object_store, agency.cloud
    data = secrets.token_bytes(1 << 20)
    store.create_container(name="state")
    store.upload_object("state", "one/two.json", data=data)
    access = secrets.token_hex(8)
    key = agency.admin.identity.create_credential(
        user_id=cloud.current_user_id,
        project_id=cloud.current_project_id,
        type="ec2",
        blob=f'{{"access": "{access}", "secret": "s3cret"}}',
    )
    port = store.get_endpoint().split(":")[2].split("/")[0]
    read = _s3("GET", port, "/state/one/two.json", agency.site, access)
    written = _s3("PUT", port, "/state/lock", agency.site, access, body=b"1")
    lock = store.download_object("lock", container="state")
    agency.admin.identity.delete_credential(key)
    for name in ("one/two.json", "lock"):
        store.delete_object(name, container="state")
    store.delete_container("state")
    assert read.content == data
    assert (written.status_code, lock) == (200, b"1")


def test_secret_is_kept(agency: Tenant) -> None:
    """A secret's payload comes back as it was stored."""
    keys = agency.cloud.key_manager
    made = keys.create_secret(name="password", payload="hunter2", payload_content_type="text/plain")
    payload = keys.get_secret(made.secret_id).payload
    keys.delete_secret(made.secret_id)
    assert payload == "hunter2"


def test_quotas_of_a_project_are_set_by_the_administrator(agency: Tenant) -> None:
    """Compute, volume and network quotas take the administrator's figures."""
    project, admin = agency.cloud.current_project_id, agency.admin
    admin.set_compute_quotas(project, cores=100)
    admin.set_volume_quotas(project, volumes=50)
    admin.set_network_quotas(project, port=500)
    figures = (
        admin.get_compute_quotas(project).cores,
        admin.get_volume_quotas(project).volumes,
        admin.get_network_quotas(project).ports,
    )
    for reset in (
        admin.delete_compute_quotas,
        admin.delete_volume_quotas,
        admin.delete_network_quotas,
    ):
        reset(project)
    assert figures == (100, 50, 500)


def _head(lab: LabOfTests, agency: Tenant, volume: Any) -> bytes:
    with volume_file(lab, agency.site, volume).open("rb") as file:
        head: bytes = file.read(mirror.SIZE_BYTES)
    return head


def _s3(  # noqa: PLR0913  (what a signature covers)
    method: str, port: str, path: str, region: str, access: str, *, body: bytes = b""
) -> requests.Response:
    """Send a request to the S3 interface, signed as AWS does (version 4)."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(body).hexdigest()
    headers = {
        "host": f"127.0.0.1:{port}",
        "x-amz-content-sha256": digest,
        "x-amz-date": now,
    }
    names = ";".join(headers)
    lines = "".join(f"{key}:{value}\n" for key, value in headers.items())
    request = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"AWS4s3cret"
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={access}/{scope}"
    return requests.request(
        method,
        f"http://127.0.0.1:{port}{path}",
        data=body,
        timeout=30,
        headers={
            **headers,
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, "
            f"Signature={signature}",
        },
    )
