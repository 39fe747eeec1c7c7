"""What a host's systemd-networkd is told about its interfaces."""

from collections.abc import Iterable
from typing import NamedTuple


class Route(NamedTuple):
    """A destination prefix and the address of its next hop."""

    prefix: str
    via: str


class Interface(NamedTuple):
    """
    One interface of a host, found by its MAC address.

    `addresses` have a prefix length ("10.0.0.5/24"); `gateways` are the default routes' next hops;
    `advertised` says whether router advertisements give addresses and routes.
    """

    mac: str
    mtu: int = 1500
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    name_servers: tuple[str, ...] = ()
    advertised: bool = False


def file(interface: Interface) -> str:
    """Give the interface's .network file."""
    lines = [
        "[Match]",
        f"MACAddress={interface.mac}",
        "[Link]",
        f"MTUBytes={interface.mtu}",
        "[Network]",
        "LinkLocalAddressing=ipv6",
        f"IPv6AcceptRA={'yes' if interface.advertised else 'no'}",
        "DHCP=no",
        *(f"Address={address}" for address in interface.addresses),
        *(f"Gateway={gateway}" for gateway in interface.gateways),
        *(f"DNS={server}" for server in interface.name_servers),
        "[IPv6AcceptRA]",
        "DHCPv6Client=no",
    ]
    for route in interface.routes:
        lines += ["[Route]", f"Destination={route.prefix}", f"Gateway={route.via}"]
    return "\n".join(lines) + "\n"


def resolver(interfaces: Iterable[Interface]) -> str:
    """Give the resolv.conf of a host: its interfaces' name servers, each once."""
    servers = dict.fromkeys(server for one in interfaces for server in one.name_servers)
    return "".join(f"nameserver {server}\n" for server in servers)
