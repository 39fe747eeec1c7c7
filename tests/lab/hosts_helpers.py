"""What tests on real hosts share: a small agency with hosts on a site, and ssh to them."""

import contextlib
import dataclasses
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab_helpers import LIMIT_S, LabOfTests, settled, tenant, wait_for

from lab.hosts import keys, machine
from lab.hosts.command import CommandError
from lab.openstack import fabric

NUMBERS = {"main": 1, "backup": 2}
# Who may reach what: port of the group's hosts, and the group that may call (None: everybody).
GROUPS: dict[str, list[tuple[int, str | None]]] = {
    "bastion": [(22, None)],
    "app": [(22, "bastion")],
    "db": [(22, "bastion"), (5432, "app")],
}
KEY = re.compile(r"BEGIN SSH HOST KEY KEYS-----\n(\S+ \S+)")


@dataclasses.dataclass
class Agency:
    """
    A project with a dual-stack network, a router, groups, and hosts by name, each of a group.

    `cloud` is that of the project's member.
    """

    lab: LabOfTests
    site: str
    cloud: Any
    admin: Any
    folder: Path
    network: Any = None
    router: Any = None
    servers: dict[str, Any] = dataclasses.field(default_factory=dict)

    def address(self, name: str, version: int) -> str:
        """Give the fixed address of a host."""
        found = self.cloud.compute.get_server(self.servers[name].id)
        return str(
            next(
                one["addr"]
                for one in next(iter(found.addresses.values()))
                if one["version"] == version and one["OS-EXT-IPS:type"] == "fixed"
            )
        )

    def add(self, name: str, group: str, **more: Any) -> Any:
        """Start a host, and know its key once it says it on its console."""
        self.servers[name] = self.cloud.compute.create_server(
            name=name,
            flavor_id=self.admin.compute.find_flavor("tests-host").id,
            key_name="tests",
            networks=[{"uuid": self.network.id}],
            security_groups=[{"name": group}],
            **({"image_id": self.cloud.image.find_image("tests").id} | more),
        )
        return self.servers[name]

    def add_network(self, name: str, number: int) -> Any:
        """Make a network with 10.7N.0.0/24 and 2001:db8:7e57:N::/64 on the router."""
        net = self.cloud.network
        network, prefix = net.create_network(name=name), f"2001:db8:7e57:{number}"
        subnets = [
            net.create_subnet(network_id=network.id, ip_version=4, cidr=f"10.7{number}.0.0/24"),
            net.create_subnet(
                network_id=network.id,
                ip_version=6,
                cidr=f"{prefix}::/64",
                gateway_ip=f"{prefix}::1",
                ipv6_address_mode="dhcpv6-stateful",
                ipv6_ra_mode="dhcpv6-stateful",
            ),
        ]
        for subnet in subnets:
            net.add_interface_to_router(self.router, subnet_id=subnet.id)
        return network

    def remove_network(self, network: Any) -> None:
        """Remove a network from the router and whole."""
        net = self.cloud.network
        for subnet in net.subnets(network_id=network.id):
            net.remove_interface_from_router(self.router, subnet_id=subnet.id)
        net.delete_network(network)

    def allow(self, group: str, port: int, *prefixes: str) -> None:
        """Let the prefixes reach a port of the group's hosts."""
        for prefix in prefixes:
            self.cloud.network.create_security_group_rule(
                security_group_id=self.cloud.network.find_security_group(group).id,
                direction="ingress",
                ethertype="IPv6" if ":" in prefix else "IPv4",
                protocol="tcp",
                port_range_min=port,
                port_range_max=port,
                remote_ip_prefix=prefix,
            )

    def ready(self, name: str) -> None:
        """Wait until the host is active and answers ssh, and note its key."""
        server = settled(self.cloud.compute.get_server, self.servers[name], "active")
        told = self.cloud.compute.get_server_console_output(server)["output"]
        found = KEY.findall(told)
        assert found, told
        with (self.folder / "known").open("a") as known:
            for version in (4, 6):
                known.write(f"{self.address(name, version)} {found[-1]}\n")
        wait_for(lambda: self.try_ssh(name, "true") is not None)

    def ssh(self, name: str, command: str, *, version: int = 6, to: str | None = None) -> str:
        """Run a command on a host, through the bastion, from outside the site."""
        target = to or self.address(name, version)
        jump = [] if name == "bastion" or to else ["-J", f"[{self.address('bastion', 6)}]"]
        world = fabric.name(self.lab.home, "world")
        return machine.inside(
            world, "timeout", 30, "ssh", "-F", str(self.folder / "config"), *jump, target, command
        )

    def try_ssh(self, name: str, command: str, **more: Any) -> str | None:
        """Give what the command prints; None when it fails or the host isn't reached."""
        with contextlib.suppress(CommandError):
            return self.ssh(name, command, **more)
        time.sleep(0.3)
        return None


@contextlib.contextmanager
def agency(lab: LabOfTests, site: str, folder: Path) -> Iterator[Agency]:
    """Make the agency on the site, without hosts; remove all of it in the end."""
    pair = keys.make()
    folder.mkdir()
    (folder / "id").write_text(pair.private)
    (folder / "id").chmod(0o600)
    options = {
        "User": "debian",
        "IdentityFile": folder / "id",
        "UserKnownHostsFile": folder / "known",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 3,
        "LogLevel": "ERROR",
    }
    (folder / "config").write_text("".join(f"{key} {one}\n" for key, one in options.items()))
    with tenant(lab, site) as who:
        made = Agency(lab, site, who.cloud, who.admin, folder)
        _provide(made, pair.public)
        try:
            yield made
        finally:
            if lab.status()["sites"][site]["state"] == "up":
                _remove(made)


def _provide(made: Agency, public: str) -> None:
    net, compute, number = made.cloud.network, made.cloud.compute, NUMBERS[made.site]
    if not made.admin.compute.find_flavor("tests-host"):
        made.admin.compute.create_flavor(name="tests-host", ram=512, vcpus=1, disk=1)
    if not made.admin.image.find_image("tests"):
        made.admin.image.create_image(
            name="tests",
            data=b"the base tree",
            disk_format="raw",
            container_format="bare",
            visibility="public",
        )
    compute.create_keypair(name="tests", public_key=public)
    outside = net.find_network("external")
    made.router = net.create_router(name="edge", external_gateway_info={"network_id": outside.id})
    made.network = made.add_network("inside", number)
    groups = {name: net.create_security_group(name=name) for name in GROUPS}
    for name, rules in GROUPS.items():
        for port, caller in rules:
            for family in ("IPv4", "IPv6"):
                net.create_security_group_rule(
                    security_group_id=groups[name].id,
                    direction="ingress",
                    ethertype=family,
                    protocol="tcp",
                    port_range_min=port,
                    port_range_max=port,
                    remote_group_id=groups[caller].id if caller else None,
                )


def _remove(made: Agency) -> None:
    net, compute = made.cloud.network, made.cloud.compute
    for server in made.servers.values():
        compute.delete_server(server, ignore_missing=True)
    for server in made.servers.values():
        compute.wait_for_delete(server, wait=LIMIT_S, interval=0.2)
    for address in net.ips():
        net.delete_ip(address)
    made.remove_network(made.network)
    net.delete_router(made.router)
    for group in net.security_groups():
        if group.name in GROUPS:
            net.delete_security_group(group)
    compute.delete_keypair("tests")
