"""What a port is to the host that it is plugged into, and the plug itself."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from lab.hosts import machine, networkd
from lab.hosts.command import run, succeeds
from lab.openstack import fabric
from lab.openstack.sites import Site

MTU = 1500
BRIDGE = "br-int"


class Switch(NamedTuple):
    """A site's switch: its network namespace, and where its Open vSwitch database answers."""

    space: str
    database: str


def switch_of(site: Site) -> Switch:
    """Give the site's switch."""
    return Switch(fabric.space_of(site), fabric.switch_database(site))


class Port(NamedTuple):
    """A port's id and MAC address, and the MTU of its network."""

    id: str
    mac: str
    mtu: int

    @property
    def tap(self) -> str:
        """Name the switch's end of its cable, as nova does."""
        return f"tap{self.id[:11]}"


def port(vif: Any) -> Port:
    """Give the port of nova's view."""
    return Port(vif["id"], vif["address"], mtu(vif))


def plug(switch: Switch, port: Port, space: str) -> str:
    """Give the namespace an interface that is the port, as os-vif does; give its name."""
    there, tap = machine.interfaces(space), port.tap
    name = there.get(port.mac) or free_name(there.values())
    if port.mac not in there:
        fabric.cable((switch.space, tap), (space, name), mtu=port.mtu, mac=port.mac)
    run(
        *("ovs-vsctl", f"--db={switch.database}", "--no-wait"),
        # After a start, its owner may be here before neutron's agent has made its bridge.
        *("--", "--may-exist", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE),
        *("datapath_type=netdev", "--", "--if-exists", "del-port", tap),
        *("--", "add-port", BRIDGE, tap),
        *("--", "set", "Interface", tap, f"external_ids:iface-id={port.id}"),
        f'external_ids:attached-mac="{port.mac}"',
        "external_ids:iface-status=active",
    )
    return name


def unplug(switch: Switch, tap: str) -> None:
    """Take the port from the switch, and the interface from where it is plugged in."""
    vsctl = ("ovs-vsctl", f"--db={switch.database}", "--timeout=10")
    succeeds(*vsctl, "--if-exists", "del-port", tap)
    succeeds("ip", "-n", switch.space, "link", "delete", tap)


def empty(switch: Switch, space: str, but: str = "") -> None:
    """Unplug all ports from the namespace but the one whose MAC address is `but`."""
    vsctl = ("ovs-vsctl", f"--db={switch.database}", "--timeout=10")
    for mac in machine.interfaces(space).keys() - {but}:
        found = f'external_ids:attached-mac="{mac}"'
        tap = run(*vsctl, "--bare", "--columns=name", "find", "Interface", found).strip()
        if tap:
            unplug(switch, tap)


def interface(vif: Any) -> networkd.Interface:
    """
    Give what a host is told about a port, from nova's view of it.

    Addresses are those that neutron planned.  A network that advertises gives the default route,
    and the address as well if that is made from the advertised prefix.
    """
    addresses, gateways, servers = [], [], []
    routes: list[networkd.Route] = []
    advertised = False
    for subnet in vif["network"]["subnets"]:
        servers += [server["address"] for server in subnet["dns"]]
        mode = subnet.get_meta("ipv6_address_mode")
        advertised = advertised or bool(mode)
        if mode not in {"slaac", "dhcpv6-stateless"}:
            length = ipaddress.ip_network(subnet["cidr"]).prefixlen
            addresses += [f"{one['address']}/{length}" for one in subnet["ips"]]
        gateway = subnet["gateway"] and subnet["gateway"]["address"]
        if gateway and not mode:
            gateways.append(gateway)
        routes += [
            networkd.Route(route["cidr"], route["gateway"]["address"]) for route in subnet["routes"]
        ]
    return networkd.Interface(
        vif["address"],
        mtu(vif),
        tuple(addresses),
        tuple(gateways),
        tuple(routes),
        tuple(servers),
        advertised,
    )


def mtu(vif: Any) -> int:
    """Give the MTU of the network that the port is on."""
    return int(vif["network"]["meta"].get("mtu") or MTU)


def free_name(taken: Iterable[str]) -> str:
    """Give the first of eth0, eth1, ... that is not taken."""
    numbers = {int(name[3:]) for name in taken if re.fullmatch(r"eth\d+", name)}
    return f"eth{next(n for n in range(len(numbers) + 1) if n not in numbers)}"
