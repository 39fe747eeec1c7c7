"""
Hosts on the sites' real networks: what passes, what is dropped, what stays.

Everything is proved with packets, in both families alike.
"""

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hosts_helpers import Agency, agency
from keystoneauth1.exceptions import ClientException
from lab_helpers import LIMIT_S, LabOfTests, delete_volume, new_lab, settled, wait_for

from lab.hosts import machine
from lab.hosts.command import CommandError, run
from lab.openstack import fabric, management, observing, processes, sites
from lab.openstack.observing import Place
from lab.openstack.sites import Site

pytestmark = pytest.mark.hosts

OBSERVERS = ["10.73.0.0/24", "2001:db8:7e57:3::/64"]
INSIDE = ["10.71.0.0/24", "2001:db8:7e57:1::/64"]
FAMILIES = pytest.mark.parametrize("version", [4, 6])
SERVE = """
import socket, sys, threading
for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for port in (5432, 8080, 9090):
        door = socket.socket(family)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        door.bind((address, port))
        door.listen()
        def answer(door=door):
            while True:
                visit = door.accept()[0]
                visit.sendall(socket.gethostname().encode())
                visit.close()
        threading.Thread(target=answer).start()
"""

UNIT = """
[Service]
ExecStart=/usr/bin/python3 /opt/serve.py
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture(scope="module")
def hosted() -> Iterator[LabOfTests]:
    """Give a lab with real hosts; not in pytest's folders, which later sessions clear."""
    with tempfile.TemporaryDirectory(prefix="citydc-") as folder:
        made = new_lab(Path(folder) / "home", hosts=True)
        made.up(print)
        try:
            yield made
        finally:
            made.reset()
        assert _left(made) == []


@pytest.fixture(scope="module")
def shop(hosted: LabOfTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """Give an agency of the main site with a bastion, an application and a database."""
    with agency(hosted, "main", tmp_path_factory.mktemp("main") / "ssh") as made:
        for name in ("bastion", "app", "db"):
            made.add(name, name)
        for name in ("bastion", "app", "db"):
            made.ready(name)
        for name in ("app", "db"):
            serve(made, name)
        yield made


def serve(made: Agency, name: str) -> None:
    """Have a host answer with its name on the ports of SERVE, whenever it is on."""
    made.ssh(name, f"sudo tee /opt/serve.py > /dev/null << 'END'\n{SERVE}\nEND")
    made.ssh(name, f"sudo tee /etc/systemd/system/serve.service << 'END'\n{UNIT}\nEND")
    made.ssh(name, "sudo systemctl enable --now serve")
    listens = "ss -Hltn sport = :9090"
    wait_for(lambda: "[::]" in (made.try_ssh(name, listens) or ""))


@pytest.fixture(scope="module")
def watched(hosted: LabOfTests, shop: Agency) -> Iterator[Site]:
    """Give the main site with a network to observe from, which may call the application."""
    site = sites.load(hosted.home, hosted.port, hosts=True)[0]
    network = shop.add_network(observing.NETWORK, 3)
    groups = [shop.cloud.network.create_security_group(name=name) for name in observing.GROUPS]
    shop.allow("app", 8080, *OBSERVERS)
    yield site
    observing.place(site)
    for group in groups:  # in spite of the place
        shop.cloud.network.delete_security_group(group)
    shop.remove_network(network)
    observing.remove(site)
    assert not (machine.NAMESPACES / fabric.part_of(site, "observer")).exists()


@pytest.fixture
def observer(watched: Site) -> Place:
    """Give the site's place: it is gone with a lab that was down."""
    return observing.place(watched)


@pytest.fixture(scope="module")
def balancer(shop: Agency, watched: Site) -> Iterator[Any]:
    """Give a balancer with both families that spreads over the application and the database."""
    balancers, net = shop.cloud.load_balancer, shop.cloud.network
    subnets = {one.ip_version: one.id for one in net.subnets(network_id=shop.network.id)}
    for group in ("app", "db"):
        shop.allow(group, 9090, *INSIDE)
    made = balancers.create_load_balancer(
        name="front", vip_subnet_id=subnets[4], additional_vips=[{"subnet_id": subnets[6]}]
    )
    common: dict[str, Any] = {"name": "front", "protocol": "TCP"}
    active(shop, made)
    listener = balancers.create_listener(
        load_balancer_id=made.id, protocol_port=9090, allowed_cidrs=OBSERVERS, **common
    )
    active(shop, made)
    pool = balancers.create_pool(listener_id=listener.id, lb_algorithm="ROUND_ROBIN", **common)
    active(shop, made)
    balancers.create_health_monitor(pool_id=pool.id, type="TCP", delay=1, timeout=1, max_retries=2)
    for name, version in (("app", 4), ("db", 6)):
        active(shop, made)
        balancers.create_member(
            pool.id, name=name, address=shop.address(name, version), protocol_port=9090
        )
    yield active(shop, made)
    balancers.delete_load_balancer(made.id, cascade=True)
    wait_for(lambda: not list(machine.NAMESPACES.glob(fabric.part_of(watched, "balancer-*"))))


def active(shop: Agency, balancer: Any) -> Any:
    """Give the balancer once what was asked of it is done."""

    def look() -> Any:
        found = shop.cloud.load_balancer.get_load_balancer(balancer.id)
        assert found.provisioning_status != "ERROR"
        return found if found.provisioning_status == "ACTIVE" else None

    return wait_for(look)


def asked(observer: Place, address: str, port: int) -> str | None:
    """Give what the observer hears from a port within two seconds; None when it does not."""
    heard = f'socket.create_connection(("{address}", {port}), 2).recv(99).decode()'
    program = (sys.executable, "-c", f"import socket; print({heard})")
    with contextlib.suppress(CommandError):
        return machine.inside(observer.namespace, *program).strip()
    return None


def addresses(balancer: Any) -> dict[int, str]:
    """Give the balancer's address of each family."""
    return {4: balancer.vip_address, 6: balancer.additional_vips[0]["ip_address"]}


def members(shop: Agency) -> dict[str, str]:
    """Give the members' operating status by name."""
    pool = shop.cloud.load_balancer.find_pool("front")
    return {one.name: one.operating_status for one in shop.cloud.load_balancer.members(pool.id)}


@pytest.fixture(scope="module")
def branch(hosted: LabOfTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """Give an agency of the backup site with a bastion."""
    with agency(hosted, "backup", tmp_path_factory.mktemp("backup") / "ssh") as made:
        made.add("bastion", "bastion")
        made.ready("bastion")
        yield made


def connects(source: Agency, name: str, target: str, port: int) -> bool:
    """Say whether a host reaches the port of an address within two seconds."""
    code = f'import socket; socket.create_connection(("{target}", {port}), 2)'
    return source.ssh(name, f"python3 -c '{code}' && echo yes || echo no").strip() == "yes"


def connects_in_time(source: Agency, name: str, target: str, port: int) -> None:
    """Wait until a host reaches the port, while its own network may still come back."""
    code = f'import socket; socket.create_connection(("{target}", {port}), 2)'
    wait_for(lambda: source.try_ssh(name, f"python3 -c '{code}' && echo yes"))


def test_host_has_what_neutron_planned(shop: Agency) -> None:
    """Addresses are the ports', the default route over IPv6 is advertised, all units run."""
    assert shop.ssh("app", "hostname").strip() == "app"
    addresses = shop.ssh("app", "ip -o address show dev eth0")
    assert {f"{shop.address('app', 4)}/24", f"{shop.address('app', 6)}/64"} <= set(
        addresses.split()
    )
    assert "proto ra" in wait_for(lambda: shop.ssh("app", "ip -6 route show default"))
    assert shop.ssh("app", "systemctl --failed --no-legend") == ""


@FAMILIES
@pytest.mark.parametrize(
    ("source", "target", "port", "passes"),
    [
        ("bastion", "app", 22, True),
        ("bastion", "db", 22, True),
        ("app", "db", 5432, True),
        ("bastion", "db", 5432, False),
        ("app", "db", 8080, False),
        ("app", "db", 22, False),
        ("db", "app", 22, False),
        ("app", "bastion", 22, True),
    ],
)
def test_security_groups_pass_what_they_say_alone(  # noqa: PLR0913, PLR0917  (one row of a table)
    shop: Agency,
    version: int,
    source: str,
    target: str,
    port: int,
    passes: bool,  # noqa: FBT001
) -> None:
    """What a rule allows is reached; the same host's other ports and other callers are not."""
    assert connects(shop, source, shop.address(target, version), port) is passes


def test_host_is_not_reached_from_outside_unless_its_group_says_so(shop: Agency) -> None:
    """The bastion answers the world by its own IPv6 address, the application doesn't."""
    assert shop.ssh("bastion", "hostname").strip() == "bastion"
    with pytest.raises(CommandError, match="timed out"):
        shop.ssh("app", "true", to=shop.address("app", 6))


@FAMILIES
def test_full_packets_pass_and_larger_ones_do_not(shop: Agency, version: int) -> None:
    """The host's MTU is the network's, up to which packets pass whole."""
    mtu = shop.cloud.network.get_network(shop.network.id).mtu
    assert f"mtu {mtu} " in shop.ssh("app", "ip link show dev eth0")
    headers = {4: 28, 6: 48}[version]
    gateway = {4: "10.71.0.1", 6: "2001:db8:7e57:1::1"}[version]
    ping = f"ping -c1 -W2 -M do -s {{}} {gateway}"
    assert "1 received" in shop.ssh("app", ping.format(mtu - headers))
    assert shop.try_ssh("app", ping.format(mtu - headers + 1)) is None


@FAMILIES
def test_hosts_get_out_hidden_behind_the_machine(
    hosted: LabOfTests, shop: Agency, version: int
) -> None:
    """A host reaches the machine's side of the link, which sees the lab's address, not its."""
    world = fabric.name(hosted.home, "world")
    route = machine.inside(world, "ip", f"-{version}", "route", "show", "default").split()
    near = route[route.index("via") + 1]
    with socket.create_server(
        (near, 0), family={4: socket.AF_INET, 6: socket.AF_INET6}[version]
    ) as door:
        door.settimeout(LIMIT_S)
        assert connects(shop, "app", near, door.getsockname()[1])
        connection, seen = door.accept()
        connection.close()
    own = machine.inside(world, "ip", "-o", f"-{version}", "address", "show", "dev", "uplink")
    assert seen[0] != shop.address("app", version)
    assert f" {seen[0]}/" in own


def test_floating_address_reaches_its_host(shop: Agency) -> None:
    """From outside, ssh to the floating IPv4 address ends at the host; without it, nowhere."""
    outside = shop.cloud.network.find_network("external")
    port = next(shop.cloud.network.ports(device_id=shop.servers["bastion"].id))
    floating = shop.cloud.network.create_ip(floating_network_id=outside.id, port_id=port.id)
    address = floating.floating_ip_address
    known = (shop.folder / "known").read_text()
    key = next(line for line in known.splitlines() if line.startswith(shop.address("bastion", 6)))
    (shop.folder / "known").write_text(f"{known}{address} {key.partition(' ')[2]}\n")
    wait_for(lambda: shop.try_ssh("bastion", "hostname", to=address) == "bastion\n")
    assert shop.cloud.network.get_ip(floating.id).status == "ACTIVE"
    shop.cloud.network.delete_ip(floating)
    wait_for(lambda: shop.try_ssh("bastion", "hostname", to=address) is None)


@FAMILIES
def test_observer_reaches_what_a_group_lets_it(shop: Agency, observer: Place, version: int) -> None:
    """From its place a host's port is reached that the host's group opens to it, and no other."""
    assert wait_for(lambda: asked(observer, shop.address("app", version), 8080)) == "app"
    assert asked(observer, shop.address("app", version), 5432) is None
    assert asked(observer, shop.address("db", version), 8080) is None


def test_observer_is_reached_from_the_machine_alone(hosted: LabOfTests, observer: Place) -> None:
    """The machine reaches it on the management network; what is outside the site does not."""
    ping = ("ping", "-c1", "-W2", str(observer.address))
    assert "1 received" in run(*ping)
    with pytest.raises(CommandError, match="failed"):
        machine.inside(fabric.name(hosted.home, "world"), *ping)


@FAMILIES
def test_balancer_spreads_over_its_members(observer: Place, balancer: Any, version: int) -> None:
    """Connections go to one and to the other."""
    address = addresses(balancer)[version]
    wait_for(lambda: {asked(observer, address, 9090) for _ in range(4)} == {"app", "db"})


def test_balancer_hears_its_callers_alone(shop: Agency, balancer: Any) -> None:
    """Others do not get in, unless their prefix is added."""
    for callers, hears in (OBSERVERS, False), ([*OBSERVERS, *INSIDE], True), (OBSERVERS, False):
        listener = shop.cloud.load_balancer.find_listener("front")
        shop.cloud.load_balancer.update_listener(listener, allowed_cidrs=callers)
        active(shop, balancer)
        for address in addresses(balancer).values():
            wait_for(lambda: connects(shop, "app", address, 9090) is hears)  # noqa: B023  called at once


def test_dead_member_is_left_out(shop: Agency, observer: Place, balancer: Any) -> None:
    """The monitor finds it, octavia says so, the other has all; alive again, it has its share."""
    address = addresses(balancer)[6]
    wait_for(lambda: members(shop) == {"app": "ONLINE", "db": "ONLINE"})
    shop.ssh("db", "sudo systemctl stop serve")
    wait_for(lambda: members(shop) == {"app": "ONLINE", "db": "ERROR"})
    assert [asked(observer, address, 9090) for _ in range(4)] == ["app"] * 4
    found = shop.cloud.load_balancer.get_load_balancer(balancer.id)
    assert found.operating_status == "DEGRADED"
    shop.ssh("db", "sudo systemctl start serve")
    wait_for(lambda: members(shop) == {"app": "ONLINE", "db": "ONLINE"})
    wait_for(lambda: {asked(observer, address, 9090) for _ in range(4)} == {"app", "db"})


def test_balancer_says_what_it_can_not_do(shop: Agency, balancer: Any) -> None:
    """A listener for UDP is an error, and the balancer goes on."""
    balancers = shop.cloud.load_balancer
    listener = balancers.create_listener(
        name="udp", load_balancer_id=balancer.id, protocol="UDP", protocol_port=53
    )
    wait_for(lambda: balancers.get_listener(listener.id).provisioning_status == "ERROR")
    active(shop, balancer)
    balancers.delete_listener(listener)
    active(shop, balancer)


@pytest.mark.parametrize("kind", ["SOFT", "HARD"])
def test_reboot_keeps_disk_and_addresses(shop: Agency, kind: str) -> None:
    """After a reboot through nova it is the same host, booted anew."""
    before = shop.ssh("db", "echo kept | sudo tee /var/kept; stat -c %Y /proc/1; sync")
    shop.cloud.compute.reboot_server(shop.servers["db"], kind)
    wait_for(lambda: shop.try_ssh("db", "stat -c %Y /proc/1") not in {None, before.split()[1]})
    settled(shop.cloud.compute.get_server, shop.servers["db"], "active")
    assert shop.ssh("db", "cat /var/kept") == "kept\n"
    for version in (4, 6):
        assert shop.ssh("db", "hostname", version=version) == "db\n"


def test_server_that_is_stopped_is_off_and_comes_back(shop: Agency) -> None:
    """Stopped, it answers nobody; started, it is what it was."""
    server = shop.servers["db"]
    shop.cloud.compute.stop_server(server)
    settled(shop.cloud.compute.get_server, server, "shutoff")
    assert shop.try_ssh("db", "true") is None
    shop.cloud.compute.start_server(server)
    settled(shop.cloud.compute.get_server, server, "active")
    assert wait_for(lambda: shop.try_ssh("db", "cat /var/kept")) == "kept\n"


def test_volume_is_a_disk_that_keeps_its_data(shop: Agency) -> None:
    """What is written to a volume is there after a hard reboot; detached, the disk is gone."""
    storage, server = shop.cloud.block_storage, shop.servers["db"]
    volume = storage.create_volume(name="data", size=1)
    settled(storage.get_volume, volume, "available")
    shop.cloud.compute.create_volume_attachment(server, volume_id=volume.id)
    settled(storage.get_volume, volume, "in-use")
    disk = f"/dev/disk/by-id/virtio-{volume.id[:20]}"
    shop.ssh("db", f"sudo sh -c 'mkfs.ext4 -q {disk} && mount {disk} /mnt && echo x > /mnt/x'")
    shop.ssh("db", "sudo umount /mnt")
    shop.cloud.compute.reboot_server(server, "HARD")
    mount = f"sudo mount {disk} /mnt && cat /mnt/x && sudo umount /mnt"
    assert wait_for(lambda: shop.try_ssh("db", mount)) == "x\n"
    shop.cloud.compute.delete_volume_attachment(server, volume.id)
    settled(storage.get_volume, volume, "available")
    assert shop.ssh("db", f"ls {disk} 2>&1 || true").endswith("No such file or directory\n")
    delete_volume(shop.cloud, volume)


def test_server_on_a_volume_has_its_disk_there(shop: Agency) -> None:
    """A server made anew from the volume of one that was deleted finds its files."""
    storage = shop.cloud.block_storage
    image = shop.cloud.image.find_image("tests")
    volume = storage.create_volume(name="system", size=2, image_id=image.id)
    settled(storage.get_volume, volume, "available")
    disk = {
        "uuid": volume.id,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": 0,
        "delete_on_termination": False,
    }
    for turn in ("first", "second"):
        server = shop.add("moved", "app", block_device_mapping=[disk], image_id="")
        shop.ready("moved")
        turns = shop.ssh(
            "moved", f"echo {turn} | sudo tee -a /var/turns > /dev/null; cat /var/turns"
        )
        shop.cloud.compute.delete_server(server)
        shop.cloud.compute.wait_for_delete(server, interval=0.2)
        settled(storage.get_volume, volume, "available")
    assert turns == "first\nsecond\n"
    del shop.servers["moved"]
    delete_volume(shop.cloud, volume)


def test_sites_reach_each_other_until_one_is_lost(
    hosted: LabOfTests, shop: Agency, branch: Agency
) -> None:
    """IPv6 is routed between the sites; a lost site answers nobody, and comes back as it was."""
    far = branch.address("bastion", 6)
    assert connects(shop, "app", far, 22)
    branch.ssh("bastion", "echo kept | sudo tee /var/kept; sync")
    hosted.stop_site("backup")
    assert not connects(shop, "app", far, 22)
    assert branch.try_ssh("bastion", "true", to=far) is None
    assert [host["site"] for host in hosted.status()["hosts"]] == ["main"] * 3
    hosted.start_site("backup")
    assert wait_for(lambda: branch.try_ssh("bastion", "cat /var/kept", to=far)) == "kept\n"
    connects_in_time(shop, "app", far, 22)


@pytest.mark.parametrize("name", ["ovs-vswitchd", "ovs-agent-main", "l3-agent-main"])
def test_network_node_that_is_killed_is_repaired(
    hosted: LabOfTests, shop: Agency, name: str
) -> None:
    """Status says that the network is down; up starts it again, and packets pass as before."""
    space = fabric.name(hosted.home, "main")
    victims = [
        one
        for one in processes.of(hosted.home)
        if one.name() == name and Path(f"/proc/{one.pid}/ns/net").stat().st_ino == _space(space)
    ]
    assert len(victims) == 1
    victims[0].send_signal(signal.SIGKILL)
    wait_for(lambda: hosted.status()["sites"]["main"]["services"]["network"]["pid"] is None)
    assert hosted.status()["sites"]["main"]["state"] == "partly up"
    hosted.up()
    assert wait_for(lambda: shop.try_ssh("app", "hostname")) == "app\n"
    for version in (4, 6):
        connects_in_time(shop, "app", shop.address("db", version), 5432)
        assert not connects(shop, "app", shop.address("db", version), 8080)


def _space(name: str) -> int:
    return (machine.NAMESPACES / name).stat().st_ino


def test_nova_that_is_killed_finds_its_hosts(hosted: LabOfTests, shop: Agency) -> None:
    """The hosts go on meanwhile, and are the same afterwards."""
    boot = shop.ssh("bastion", "stat -c %Y /proc/1")
    address = shop.address("bastion", 6)
    pid = hosted.status()["sites"]["main"]["services"]["nova"]["pid"]
    assert pid
    psutil.Process(pid).kill()
    assert shop.ssh("bastion", "stat -c %Y /proc/1", to=address) == boot
    hosted.up()
    with contextlib.suppress(ClientException):  # the connection to the one that was killed
        shop.cloud.compute.get_server(shop.servers["bastion"].id)
    settled(shop.cloud.compute.get_server, shop.servers["bastion"], "active")
    assert shop.ssh("bastion", "stat -c %Y /proc/1") == boot


def test_status_lists_hosts_with_both_addresses(hosted: LabOfTests, shop: Agency) -> None:
    """Each host is there with its fixed addresses."""
    found = {host["name"]: host for host in hosted.status()["hosts"] if host["site"] == "main"}
    assert found.keys() == {"bastion", "app", "db"}
    for name, host in found.items():
        assert (host["ipv4"], host["ipv6"]) == (shop.address(name, 4), shop.address(name, 6))


def test_nothing_listens_on_the_machine_beyond_loopback(hosted: LabOfTests, shop: Agency) -> None:
    """No process of the lab listens in the machine's own namespace but on loopback."""
    assert shop
    lab = {one.pid for one in processes.of(hosted.home)}
    heard = {
        one.laddr.ip
        for one in psutil.net_connections("inet")
        if one.pid in lab and one.status == psutil.CONN_LISTEN and one.laddr
    }
    assert heard == {"127.0.0.1"}


def test_lab_that_was_down_comes_back_with_its_hosts(
    hosted: LabOfTests, shop: Agency, watched: Site, balancer: Any
) -> None:
    """Down, nothing is left; up, hosts have disks and addresses, the balancer answers."""
    shop.ssh("app", "echo down | sudo tee /var/down; sync")
    hosted.down()
    assert _left(hosted) == []
    hosted.up()
    assert wait_for(lambda: shop.try_ssh("app", "cat /var/down")) == "down\n"
    observer = observing.place(watched)
    assert wait_for(lambda: asked(observer, addresses(balancer)[6], 9090))


def test_first_process_that_is_killed_leaves_a_lab_that_comes_back(
    hosted: LabOfTests, shop: Agency
) -> None:
    """Killed -9, the next up clears what is left and starts the hosts again."""
    shop.ssh("app", "echo killed | sudo tee /var/killed; sync")
    parent = processes.parent_of(hosted.home)
    assert parent
    parent.kill()
    parent.wait()
    hosted.up()
    assert wait_for(lambda: shop.try_ssh("app", "cat /var/killed")) == "killed\n"


def _left(lab: LabOfTests) -> list[Any]:
    """Give what there is of the lab on the machine: namespaces, processes, mounts, loop devices."""
    spaces = [path.name for path in machine.NAMESPACES.glob(f"{fabric.name(lab.home, '')}*")]
    spaces += [path.name for path in machine.REGISTRY.rglob(f"{fabric.name(lab.home, '')}*")]
    interfaces = Path("/sys/class/net").glob(management.interface(lab.home))
    mounts = [
        line for line in Path("/proc/mounts").read_text().splitlines() if str(lab.home) in line
    ]
    loops = subprocess.run(["losetup", "--list"], capture_output=True, text=True, check=True).stdout
    hosts = [path.name for path in (lab.home / "main/state/nova/hosts").glob("*")]
    alive = [name for name in hosts if machine.is_populated(name)]
    there = [name for name in hosts if (machine.NAMESPACES / name).exists()]
    devices = [line for line in loops.splitlines() if str(lab.home) in line]
    return [*spaces, *interfaces, *mounts, *devices, *alive, *there, *processes.of(lab.home)]
