"""The whole city on the lab: deployed, read back, changed by hand, repaired, removed."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import city as cities
import pytest
from city import SITES, City
from lab_helpers import answers, wait_for

import catalogue
from infra import parity
from infra.outputs import Host, Outputs
from lab import demo


@pytest.fixture(scope="module")
def city(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Give the city, deployed on both sites; what the demo has measuring it ends with it."""
    made = cities.make(tmp_path_factory.mktemp("city") / "project", lab.clouds_file)
    for site in SITES:
        outcome = made.result("deploy", site, "--yes")
        assert outcome["changes"]["create"] > 300
    made.memory_mib = lab.status()["memory_mib"]
    yield made
    lab.unmonitor()


def test_lab_with_the_city_deployed_takes_less_than_3_gib(city: City) -> None:
    """All processes of both sites, as soon as both sites are deployed."""
    assert 0 < city.memory_mib < 3 * 1024


@pytest.mark.parametrize("site", SITES)
def test_second_deploy_changes_nothing(city: City, site: str) -> None:
    """Preview, deploy and drift of a deployed site find nothing to do."""
    for verb in (("preview",), ("deploy", "--yes"), ("drift",)):
        outcome = city.result(verb[0], site, *verb[1:])
        assert outcome["resources"] == []
        assert outcome["changes"]["same"] > 300


def test_every_service_of_the_catalogue_is_there(city: City) -> None:
    """Each service has hosts at the main site and what its tier wants at the backup site."""
    found = catalogue.load(city.folder / "catalogue")
    hosts = {site: city.outputs(site).hosts for site in SITES}
    assert {one.service for one in hosts["main"]} == set(found.services)
    assert len(hosts["main"]) + len(hosts["backup"]) <= 24
    for site in SITES:
        with_backup = {one.service for one in city.outputs(site).buckets if one.backup}
        assert with_backup == set(found.services)


@pytest.mark.parametrize("site", SITES)
def test_cloud_agrees_with_the_outputs(city: City, lab: Any, site: str) -> None:
    """What openstacksdk reads of an administrator's and each agency's cloud is what is exported."""
    outputs = city.outputs(site)
    with lab.cloud(site) as cloud:
        servers = {one.id: one for one in cloud.compute.servers(all_projects=True)}
        assert set(servers) == {one.id for one in outputs.hosts}
        for host in outputs.hosts:
            _agrees(host, servers[host.id], cloud)
        networks = {one.id: one for one in cloud.network.networks()}
        subnets = {one.id: one.cidr for one in cloud.network.subnets()}
        for network in outputs.networks:
            there = networks[network.id]
            assert there.name == network.name
            prefixes = {str(network.ipv4), str(network.ipv6)}
            assert {subnets[one] for one in there.subnet_ids} == prefixes
        projects = {one.name: one.id for one in cloud.identity.projects()}
        assert outputs.projects.items() <= projects.items()
        virtual = {one.vip_address for one in cloud.load_balancer.load_balancers()}
        assert virtual == _texts(
            [*one.ipv4, *one.ipv6] for one in outputs.endpoints if one.balanced
        )
        floating = {one.floating_ip_address for one in cloud.network.ips()}
        assert floating == _texts([one.public_ipv4] for one in outputs.endpoints if one.public)
    for agency, project in outputs.projects.items():
        with lab.cloud(site, project_id=project) as cloud:
            containers = {one.name for one in cloud.object_store.containers()}
        assert containers == {one.name for one in outputs.buckets if one.agency == agency}


def _texts(addresses: Iterable[Iterable[object]]) -> set[str]:
    return {str(one) for several in addresses for one in several}


def _agrees(host: Host, server: Any, cloud: Any) -> None:
    assert server.name == host.name
    assert server.status == "ACTIVE"
    told = {
        "agency": host.agency,
        "service": host.service,
        "component": host.component,
        "tier": host.tier,
        "security_level": str(host.security_level),
        "site": host.site,
    }
    assert told.items() <= server.metadata.items()
    addresses = {
        one["addr"]
        for several in server.addresses.values()
        for one in several
        if one["OS-EXT-IPS:type"] == "fixed"
    }
    assert addresses == {str(host.ipv4), str(host.ipv6)}
    for one in server.attached_volumes:
        assert cloud.block_storage.get_volume(one.id).is_encrypted


@pytest.mark.parametrize("site", SITES)
def test_names_are_answered_by_the_name_server(city: City, lab: Any, site: str) -> None:
    """Every endpoint's names have its addresses, A and AAAA, asked from the site's bind9."""
    port = lab.port + 100 * SITES.index(site) + 54
    named = [one for one in city.outputs(site).endpoints if one.dns_names]
    assert named
    for endpoint in named:
        public = [endpoint.public_ipv4] if endpoint.public_ipv4 else endpoint.ipv4
        leads = [(name, public) for name in endpoint.dns_names]
        leads += [(name, endpoint.ipv4) for name in endpoint.internal_dns_names]
        for name, ipv4 in leads:
            for kind, addresses in (("A", ipv4), ("AAAA", endpoint.ipv6)):
                wanted = set(map(str, addresses))
                wait_for(lambda: answers(name, kind, port) == wanted)  # noqa: B023  called at once


def test_nothing_is_missing_at_the_backup_site(city: City) -> None:
    """What is deployed stands in for what is deployed, service by service."""
    primary, standby = (demo.graph(city.engine(site)) for site in SITES)
    classes = catalogue.load(city.folder / "catalogue").city.recovery
    found = parity.compare(primary, standby, classes)
    assert len(found) == len(catalogue.load().services)
    assert [one.missing for one in found if one.missing] == []


def test_demo_of_a_deployed_city_changes_nothing_and_says_so(city: City) -> None:
    """Its second run: every resource is unchanged, every service listed, with nothing missing."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "lab.demo"],
        cwd=city.folder, env=city.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    outputs = [city.outputs(site) for site in SITES]
    for site in SITES:
        same = city.result("preview", site)["changes"]["same"]
        assert re.search(rf"^{site}: {same} unchanged \(", said, re.MULTILINE)
    services = catalogue.load(city.folder / "catalogue").services
    hosts = [host for one in outputs for host in one.hosts]
    assert f"{len(services)} services on {len(hosts)} hosts" in said
    assert "Parity: nothing missing at the backup site." in said
    for host in hosts:
        assert re.search(rf"^{host.name} .*{host.ipv4} +{host.ipv6}$", said, re.MULTILINE)


Changed = dict[str, str]
"""What drift says of the resources that were changed by hand, by their ids."""


def _name_servers(cloud: Any, outputs: Outputs) -> Changed:
    subnet = next(iter(cloud.network.subnets(network_id=outputs.networks[0].id, ip_version=6)))
    cloud.network.update_subnet(subnet, dns_nameservers=["2001:db8::53"])
    return {subnet.id: "update"}


def _a_rule(cloud: Any, outputs: Outputs) -> Changed:
    network = outputs.networks[0]  # its component's group has the same name
    (group,) = cloud.network.security_groups(name=network.name)
    cloud.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol="tcp",
        port_range_min=23, port_range_max=23,
    )  # fmt: skip
    return {group.id: "update"}


def _port_groups(cloud: Any, outputs: Outputs) -> Changed:
    port = next(iter(cloud.network.ports(device_id=outputs.hosts[0].id)))
    cloud.network.update_port(port, security_groups=[])
    return {port.id: "update"}


def _a_tag(cloud: Any, outputs: Outputs) -> Changed:
    network = cloud.network.get_network(outputs.networks[1].id)
    cloud.network.set_tags(network, network.tags[1:])
    return {network.id: "update"}


def _stopped(cloud: Any, outputs: Outputs) -> Changed:
    server = outputs.hosts[0].id
    cloud.compute.stop_server(server)
    wait_for(lambda: cloud.compute.get_server(server).status == "SHUTOFF")
    return {server: "update"}


def _deleted(cloud: Any, outputs: Outputs) -> Changed:
    server = outputs.hosts[-1].id
    attached = [one.id for one in cloud.compute.get_server(server).attached_volumes]
    data = [one for one in attached if not cloud.block_storage.get_volume(one).is_bootable]
    cloud.compute.delete_server(server)
    wait_for(lambda: not cloud.compute.find_server(server))
    return {server: "delete", **{f"{server}/{volume}": "delete" for volume in data}}


CHANGES = (_name_servers, _a_rule, _port_groups, _a_tag, _stopped, _deleted)


def test_changes_by_hand_are_found_and_repaired(city: City, lab: Any) -> None:
    """Drift names what was changed by hand and nothing else; the next deploy repairs it."""
    outputs = city.outputs("backup")
    wanted: Changed = {}
    urns = {one["id"]: one["urn"] for one in city.resources("backup") if "id" in one}
    with lab.cloud("backup") as cloud:
        for change in CHANGES:
            wanted |= {urns[ident]: op for ident, op in change(cloud, outputs).items()}
    found, again = (city.result("drift", "backup", code=1)["resources"] for _ in range(2))
    assert {one["urn"]: one["op"] for one in found} == wanted
    assert again == found  # nothing was changed by looking
    repaired = city.result("deploy", "backup", "--yes")["resources"]
    assert {one["urn"] for one in repaired} >= wanted.keys()
    assert not city.result("drift", "backup")["resources"]
