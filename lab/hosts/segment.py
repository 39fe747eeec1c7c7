"""A network segment of one's own: a bridge in a network namespace, with hosts on it."""

import ipaddress
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.hosts import keys, machine, networkd, registry, uplink
from lab.hosts.host import Host, Identity

BRIDGE = "bridge"
MTU = 1500


class Segment:
    """
    A bridge whose own `addresses` ("10.9.0.1/24", "fd09::1/64") are its hosts' gateways.

    With `outward` its hosts reach the world, hidden behind the machine; for that, and to install
    the tools, it must be root's.  What the segment and its hosts take is gone when the `with` ends,
    or, if its process is killed, when the next segment begins.
    """

    def __init__(self, *addresses: str, outward: bool = False) -> None:
        self.addresses = [ipaddress.ip_interface(address) for address in addresses]
        self.outward = outward
        self.name = machine.new_name("citydc")
        self.hosts: list[Host] = []

    def __enter__(self) -> Self:
        registry.sweep()
        registry.register(self.name, mortal=True)
        try:
            self._make()
        except BaseException:
            registry.remove(self.name)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for host in self.hosts:
            host.remove()
        registry.remove(self.name)

    def _make(self) -> None:
        machine.make_namespace(self.name)
        machine.inside(self.name, "ip", "link", "add", BRIDGE, "type", "bridge")
        for address in self.addresses:
            nodad = ("nodad",) if address.version == 6 else ()  # noqa: PLR2004  (IPv6)
            machine.inside(
                self.name, "ip", "address", "add", address.with_prefixlen, "dev", BRIDGE, *nodad
            )
        machine.inside(self.name, "ip", "link", "set", BRIDGE, "up")
        if self.outward:
            uplink.make(self.name)

    def run(self, *words: str | int | Path, stdin: str | None = None) -> str:
        """Run a program beside the bridge, where the hosts are reached; give what it prints."""
        return machine.inside(self.name, *words, stdin=stdin)

    def host(  # noqa: PLR0913  (what a host is)
        self,
        hostname: str,
        tree: Path,
        *addresses: str,
        login: Iterable[str],
        key: keys.KeyPair | None = None,
        name_servers: Iterable[str] = (),
        advertised: bool = False,
    ) -> Host:
        """
        Start a host with fixed addresses ("fd09::10/64") and the segment's as gateways.

        `login` are public keys for the account debian; `key` is the host's own, if the caller shall
        know it.  `advertised` lets it listen to router advertisements.
        """
        name = machine.new_name("citydc")
        host = Host(Path(tempfile.gettempdir()) / name)
        self.hosts.append(host)
        mac = f"02:{name[-8:-6]}:{name[-6:-4]}:{name[-4:-2]}:{name[-2:]}:01"
        interface = networkd.Interface(
            mac,
            MTU,
            addresses,
            gateways=tuple(str(one.ip) for one in self.addresses if _has(addresses, one.version)),
            name_servers=tuple(name_servers),
            advertised=advertised,
        )
        identity = Identity(hostname, tuple(login), key or keys.make(), (interface,))
        host.make(tree, identity, mortal=True)
        self.plug(host, mac)
        host.start()
        return host

    def plug(self, host: Host, mac: str) -> None:
        """Give the host an interface on the bridge."""
        port = f"p{mac.replace(':', '')}"
        end = ("peer", "name", "eth0", "netns", host.name, "address", mac)
        run = machine.inside
        run(self.name, "ip", "link", "add", port, "mtu", MTU, "type", "veth", *end)
        run(self.name, "ip", "link", "set", port, "master", BRIDGE, "up")


def _has(addresses: Iterable[str], version: int) -> bool:
    return any(ipaddress.ip_interface(address).version == version for address in addresses)
