"""What nova's view of a port means for the host that it is plugged into."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from lab.hosts import networkd

MTU = 1500


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
