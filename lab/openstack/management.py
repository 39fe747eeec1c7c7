"""
A lab's management network: a bridge between the machine and what of the lab is reached from it.

    machine ── citydc-ID-management ──┬── citydc-ID-main-observer
                                      └── citydc-ID-backup-observer

Nothing is forwarded onto it or from it.
"""

import ipaddress
from pathlib import Path

from lab.hosts import machine, registry
from lab.hosts.command import run
from lab.openstack import fabric

BRIDGE = "bridge"
INTERFACE = "management"


def space_of(home: Path) -> str:
    """Give the namespace that the bridge is in."""
    return fabric.name(home, INTERFACE)


def interface(home: Path) -> str:
    """Name the machine's own interface to it: "citydc-" and the lab's id."""
    return fabric.name(home, "").rstrip("-")


def prefix(home: Path) -> ipaddress.IPv6Network:
    """Give its prefix (/64), of which the machine has the first address."""
    number = interface(home).removeprefix("citydc-")
    return ipaddress.IPv6Network(f"fdcd:d:{number[:2]}:{number[2:]}::/64")


def join(home: Path, space: str, number: int) -> ipaddress.IPv6Address:
    """Have an interface to it in the namespace, and give its address, the prefix's `number`-th."""
    _make(home)
    address = prefix(home)[number]
    if INTERFACE not in machine.interfaces(space).values():
        _cable(home, f"port{number}", INTERFACE, space)
        _address(address, INTERFACE, space)
    return address


def remove(home: Path) -> None:
    """Remove it with all interfaces to it."""
    registry.remove(space_of(home))


def _make(home: Path) -> None:
    space, mine = space_of(home), interface(home)
    if (machine.REGISTRY / space).exists():
        return
    registry.remove(space)
    machine.make_namespace(space)
    run("ip", "-n", space, "link", "add", BRIDGE, "up", "type", "bridge")
    _cable(home, "machine", mine)
    _address(prefix(home)[1], mine)
    run("nft", "-f", "-", stdin=_rules(space, mine))
    registry.register(space, belongs_to=home)


def _cable(home: Path, port: str, device: str, space: str | None = None) -> None:
    there = ("netns", space) if space else ()
    run(
        *("ip", "link", "add", "name", device, *there, "type", "veth"),
        *("peer", "name", port, "netns", space_of(home)),
    )
    run("ip", "-n", space_of(home), "link", "set", port, "master", BRIDGE, "up")


def _address(address: ipaddress.IPv6Address, device: str, space: str | None = None) -> None:
    where = ("-n", space) if space else ()
    run("ip", *where, "address", "add", f"{address}/64", "dev", device, "nodad")
    run("ip", *where, "link", "set", device, "up")


def _rules(name: str, device: str) -> str:
    """Give the machine's nftables rules, in the table that goes with the namespace."""
    return f"""
table inet {name} {{
    chain forward {{
        type filter hook forward priority filter;
        iifname "{device}" drop
        oifname "{device}" drop
    }}
}}
"""
