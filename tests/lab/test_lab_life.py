"""A lab that is up: what it says of itself, a site lost and back, what others may read."""

import http.client
import os
import signal
import stat
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import requests
import yaml
from lab_helpers import LIMIT_S, LabOfTests, Tenant, delete_volume, settled, tenant, wait_for

from catalogue.errors import BadInputError
from lab.openstack import mirror, ports, processes, sites
from lab.openstack.sites import PROJECTS
from lab.plant import places


@pytest.fixture(scope="module")
def server(lab: LabOfTests) -> Iterator[tuple[Tenant, Any, Any]]:
    """Give a tenant on main with a server and a volume attached to it."""
    with tenant(lab, "main") as agency:
        cloud = agency.cloud
        network = cloud.network.create_network(name="n")
        for version, cidr in ((4, "10.1.0.0/24"), (6, "fd00:1::/64")):
            cloud.network.create_subnet(network_id=network.id, ip_version=version, cidr=cidr)
        flavor = agency.admin.compute.create_flavor(name=agency.name, ram=64, vcpus=1, disk=1)
        image = cloud.image.create_image(
            name="i", data=b"x", disk_format="raw", container_format="bare"
        )
        volume = settled(
            cloud.block_storage.get_volume,
            cloud.block_storage.create_volume(size=1, volume_type="luks"),
            "available",
        )
        made = settled(
            cloud.compute.get_server,
            cloud.compute.create_server(
                name="portal-web-1",
                flavor_id=flavor.id,
                image_id=image.id,
                networks=[{"uuid": network.id}],
                metadata={"service": "portal", "tier": "web", "agency": "dost"},
            ),
            "active",
        )
        cloud.compute.create_volume_attachment(made, volume_id=volume.id)
        settled(cloud.block_storage.get_volume, volume, "in-use")
        yield agency, made, volume
        cloud.compute.delete_server(made)
        cloud.compute.wait_for_delete(made, wait=LIMIT_S, interval=0.2)
        delete_volume(cloud, volume)
        cloud.image.delete_image(image)
        agency.admin.compute.delete_flavor(flavor)
        cloud.network.delete_network(network)


def test_up_again_says_that_all_is_up_and_starts_nothing(lab: LabOfTests) -> None:
    """`up` on a lab that is up leaves its processes alone."""
    before = {process.pid for process in processes.of(lab.home)}
    started = lab.up()
    assert started.already
    assert {process.pid for process in processes.of(lab.home)} == before


def test_status_names_every_service_with_its_port_and_process(lab: LabOfTests) -> None:
    """All services of both sites are up, each with a process of the lab."""
    found = lab.status()
    pids = {process.pid for process in processes.of(lab.home)}
    assert found["up"]
    assert found["clouds_file"] == str(lab.clouds_file)
    assert found["memory_mib"] > 0
    assert found["since"]
    for site in sites.load(lab.home, lab.port):
        seen = found["sites"][site.name]
        assert (seen["cloud"], seen["auth_url"]) == (site.name, site.url("keystone"))
        assert set(seen["services"]) == {*PROJECTS, "bind9", "devices"}
        for name, service in seen["services"].items():
            assert service["port"] == (None if name == "devices" else site.port_of(name))
            assert service["pid"] in pids
            assert service["since"]


def test_status_lists_the_servers_as_hosts(
    lab: LabOfTests, server: tuple[Tenant, Any, Any]
) -> None:
    """A host has its site, both addresses, and what its metadata say."""
    _, made, _ = server
    host = next(host for host in lab.status()["hosts"] if host["name"] == made.name)
    addresses = {one["version"]: one["addr"] for one in made.addresses["n"]}
    assert host == {
        "name": "portal-web-1",
        "site": "main",
        "ipv4": addresses[4],
        "ipv6": addresses[6],
        "service": "portal",
        "tier": "web",
        "agency": "dost",
    }


def test_site_that_was_stopped_has_all_it_held_when_it_is_back(
    lab: LabOfTests, server: tuple[Tenant, Any, Any]
) -> None:
    """A stopped site answers nothing while the other goes on; back, its server can be used."""
    agency, made, volume = server
    lab.stop_site("main")
    stopped = lab.status()
    mirrored = requests.get(agency.mirror, timeout=10).content
    lab.start_site("main")
    cloud = agency.cloud
    kept = cloud.compute.get_server(made.id)
    cloud.compute.reboot_server(kept, "HARD")
    settled(cloud.compute.get_server, kept, "active")
    cloud.compute.delete_volume_attachment(kept, volume)
    settled(cloud.block_storage.get_volume, volume, "available")
    cloud.compute.create_volume_attachment(kept, volume_id=volume.id)
    settled(cloud.block_storage.get_volume, volume, "in-use")
    assert not stopped["up"]
    assert {name: site["state"] for name, site in stopped["sites"].items()} == {
        "main": "down",
        "backup": "up",
    }
    assert "main" not in {host["site"] for host in stopped["hosts"]}
    assert mirrored == mirror.image()
    assert kept.status == "ACTIVE"
    assert lab.status()["up"]


@pytest.mark.parametrize("service", ["glance", "bind9"])
def test_up_repairs_a_service_that_died(lab: LabOfTests, service: str) -> None:
    """One service killed: the site is partly up; the next `up` has it again."""
    pid = lab.status()["sites"]["backup"]["services"][service]["pid"]
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: lab.status()["sites"]["backup"]["state"] == "partly up")
    started = lab.up()
    assert not started.already
    assert lab.status()["up"]


def test_up_repairs_a_project_that_died_and_a_site_that_is_stopped(lab: LabOfTests) -> None:
    """A project's own process killed takes its sites with it; `up` has all again."""
    parent = processes.parent_of(lab.home)
    assert parent
    next(child for child in parent.children() if child.name() == "barbican").kill()
    wait_for(lambda: lab.status()["sites"]["backup"]["state"] == "partly up")
    lab.stop_site("main")
    lab.up()
    assert lab.status()["up"]


def test_everything_listens_on_loopback_only(lab: LabOfTests) -> None:
    """No socket of the lab's processes is open to the network."""
    pids = {process.pid for process in processes.of(lab.home)}
    addresses = {
        one.laddr.ip for one in psutil.net_connections("inet") if one.pid in pids and one.laddr
    }
    assert addresses == {"127.0.0.1"}


def test_nobody_else_may_read_what_the_lab_keeps(lab: LabOfTests) -> None:
    """The home is 0700, and files with secrets are 0600."""
    secret = [
        lab.clouds_file,
        *lab.home.glob("*/credentials.json"),
        *lab.home.glob("*/etc/*/*.conf"),
        *lab.home.glob("*/state/keystone/*/*"),
        *lab.home.glob("*/state/designate/bind/rndc.key"),
    ]
    assert stat.S_IMODE(lab.home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}


def test_no_password_is_in_a_log_or_on_a_command_line(lab: LabOfTests) -> None:
    """The administrator's and the services' passwords are in files for them alone."""
    passwords = [
        word
        for site in sites.load(lab.home, lab.port)
        for word in (site.credentials.admin, site.credentials.service)
    ]
    texts = [path.read_text(errors="replace") for path in lab.home.glob("*/log/*")]
    texts += [" ".join(process.cmdline()) for process in processes.of(lab.home)]
    assert len(set(passwords)) == 4
    assert not [word for word in passwords for text in texts if word in text]


def test_clouds_file_has_both_sites(lab: LabOfTests) -> None:
    """clouds.yaml is an ordinary one: clouds main and backup."""
    clouds = yaml.safe_load(lab.clouds_file.read_text())["clouds"]
    assert {name: cloud["region_name"] for name, cloud in clouds.items()} == {
        "main": "main",
        "backup": "backup",
    }


def test_site_that_does_not_exist_is_bad_input(lab: LabOfTests) -> None:
    """An unknown site is named, with those there are."""
    with pytest.raises(BadInputError, match="elsewhere"):
        lab.stop_site("elsewhere")


def test_ports_of_the_lab_are_those_it_names(lab: LabOfTests) -> None:
    """Every port of the plan is listened to, and the lab's processes listen to no other."""
    pids = {process.pid for process in processes.of(lab.home)}
    planned = {
        port for site in sites.load(lab.home, lab.port) for port in ports.services(site).values()
    }
    planned |= {port for site in places.ports(lab.port, places.TCP).values() for port in site}
    assert {port for port, pid in ports.listeners().items() if pid in pids} == planned


def test_mirror_offers_nothing_but_its_images(lab: LabOfTests) -> None:
    """A path out of the mirror's folder is not found."""
    connection = http.client.HTTPConnection("127.0.0.1", lab.port + 90, timeout=10)
    connection.request("GET", "/../main/credentials.json")
    status = connection.getresponse().status
    connection.close()
    assert status == http.client.NOT_FOUND
