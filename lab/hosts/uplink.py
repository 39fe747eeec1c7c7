"""
The way out of a network namespace: a link to the machine, which hides what comes behind it.

The machine forwards for the labs' links alone, and only answers get in.  The settings that this
takes are put back when the last link goes.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from catalogue.errors import OutsideError
from lab.hosts import machine
from lab.hosts.command import CommandError, run, succeeds

PREFIX = "citydc-up"
MOST = 250
SETTINGS = machine.REGISTRY / ".forwarding.json"
SYSCTL = Path("/proc/sys")
WATCHES = 4096  # of files: each host takes six, and Linux lets root have 128


class Link(NamedTuple):
    """The n-th link: its interface on the machine, and the addresses of both ends."""

    number: int

    @property
    def interface(self) -> str:
        """Name the machine's end."""
        return f"{PREFIX}{self.number}"

    @property
    def ipv4(self) -> str:
        """Give the IPv4 prefix; the machine has its first address, the namespace the second."""
        return f"10.253.{self.number}.0/30"

    @property
    def ipv6(self) -> str:
        """Give the IPv6 prefix; the machine has ::1, the namespace ::2."""
        return f"fdcd:c:0:{self.number:x}::/64"

    def end(self, number: int) -> tuple[str, str]:
        """Give an end's addresses: 1 is the machine, 2 the namespace."""
        return f"10.253.{self.number}.{number}", f"fdcd:c:0:{self.number:x}::{number}"


def rules(link: Link, name: str) -> str:
    """Give the machine's nftables rules for a link: hide what comes out, let only answers in."""
    return f"""
table inet {name}
delete table inet {name}
table inet {name} {{
    chain forward {{
        type filter hook forward priority filter;
        oifname "{link.interface}" ct state != {{ established, related }} drop
        oifname "{link.interface}" tcp flags syn tcp option maxseg size set rt mtu
        iifname "{link.interface}" tcp flags syn tcp option maxseg size set rt mtu
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat;
        ip saddr {link.ipv4} oifname != "{PREFIX}*" masquerade
        ip6 saddr {link.ipv6} oifname != "{PREFIX}*" masquerade
    }}
}}
"""


HIDING = """
table inet uplink
delete table inet uplink
table inet uplink {
    chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname "uplink" masquerade
    }
}
"""


def make(name: str) -> Link:
    """Give the namespace `name` an interface "uplink" with default routes; raise OutsideError."""
    with machine.locked():
        link = _new_link(name)
        _forward()
        for place, device, number in (
            ((), link.interface, 1),
            (("-n", name), "uplink", 2),
        ):
            ipv4, ipv6 = link.end(number)
            run("ip", *place, "address", "add", f"{ipv4}/30", "dev", device)
            run("ip", *place, "address", "add", f"{ipv6}/64", "dev", device, "nodad")
            run("ip", *place, "link", "set", device, "up")
        ipv4, ipv6 = link.end(1)
        run("ip", "-n", name, "route", "add", "default", "via", ipv4)
        run("ip", "-n", name, "-6", "route", "add", "default", "via", ipv6)
        machine.sysctl(name, net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        machine.inside(name, "nft", "-f", "-", stdin=HIDING)
        run("nft", "-f", "-", stdin=rules(link, name))
    return link


def _new_link(name: str) -> Link:
    there = _interfaces()
    for number in range(1, MOST):
        link = Link(number)
        if link.interface not in there:
            with contextlib.suppress(CommandError):  # another lab was faster
                end = ("peer", "name", "uplink", "netns", name)
                run("ip", "link", "add", link.interface, "type", "veth", *end)
                return link
    raise OutsideError(
        f"no way out for {name}", why=f"the machine has {MOST - 1} links of labs already"
    )


def _interfaces() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def _forward() -> None:
    """Let the machine forward, and have as many hosts; note what was set before."""
    if SETTINGS.exists():
        return
    before = {str(path): path.read_text().strip() for path, _ in _wanted()}
    SETTINGS.write_text(json.dumps(before))
    for path, value in list(_wanted()):
        path.write_text(value)


def _wanted() -> Iterator[tuple[Path, str]]:
    watches = SYSCTL / "fs/inotify/max_user_instances"
    if int(watches.read_text()) < WATCHES:
        yield watches, str(WATCHES)
    for path in SYSCTL.glob("net/ipv6/conf/*/accept_ra"):
        interface = path.parent.name
        if interface not in {"all", "default", "lo"} and path.read_text().strip() == "1":
            yield path, "2"  # or it would lose its own default route
    yield SYSCTL / "net/ipv4/ip_forward", "1"
    yield SYSCTL / "net/ipv6/conf/all/forwarding", "1"


def remove(name: str) -> None:
    """Remove the namespace's way out; put the machine's settings back with the last one."""
    with machine.locked():
        if (machine.NAMESPACES / name).exists():
            succeeds("ip", "-n", name, "link", "delete", "uplink")
        succeeds("nft", "delete", "table", "inet", name)
        if SETTINGS.exists() and not any(name.startswith(PREFIX) for name in _interfaces()):
            for path, value in json.loads(SETTINGS.read_text()).items():
                with contextlib.suppress(FileNotFoundError):  # an interface that is gone
                    Path(path).write_text(value)
            SETTINGS.unlink()
