"""A network segment of one's own: a bridge in a network namespace, with hosts on it."""

import ipaddress
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import packages
from lab.hosts import keys, machine, networkd, registry, uplink
from lab.hosts.disk import Disk, Identity
from lab.hosts.emulated import Emulated
from lab.hosts.host import Host

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
        self.hosts: list[Disk] = []

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
        host = Host(_new_home())
        self.hosts.append(host)
        interface = self._interface(host, addresses, name_servers, advertised=advertised)
        identity = Identity(hostname, tuple(login), key or keys.make(), (interface,))
        host.make(tree, identity, mortal=True)
        self.plug(host, interface.mac)
        host.start()
        return host

    def emulated(
        self,
        hostname: str,
        image: Path,
        *addresses: str,
        login: Iterable[str],
        key: keys.KeyPair | None = None,
        name_servers: Iterable[str] = (),
    ) -> Emulated:
        """Start a host with a kernel of its own, as `host` does; it takes longer to be up."""
        packages.ensure(packages.EMULATOR, lambda _: None)
        host = Emulated(_new_home())
        self.hosts.append(host)
        interface = self._interface(host, addresses, name_servers)
        host.make(image, Identity(hostname, tuple(login), key or keys.make(), (interface,)))
        port = _port(interface.mac)
        machine.inside(self.name, "ip", "tuntap", "add", port, "mode", "tap")
        self._connect(port)
        host.start(self.name, port, interface.mac)
        return host

    def _interface(
        self,
        host: Disk,
        addresses: tuple[str, ...],
        name_servers: Iterable[str],
        *,
        advertised: bool = False,
    ) -> networkd.Interface:
        digits = host.name[-8:]
        return networkd.Interface(
            f"02:{digits[:2]}:{digits[2:4]}:{digits[4:6]}:{digits[6:]}:01",
            MTU,
            addresses,
            gateways=tuple(str(one.ip) for one in self.addresses if _has(addresses, one.version)),
            name_servers=tuple(name_servers),
            advertised=advertised,
        )

    def plug(self, host: Host, mac: str) -> None:
        """Give the host an interface on the bridge."""
        port = _port(mac)
        end = ("peer", "name", "eth0", "netns", host.name, "address", mac)
        machine.inside(self.name, "ip", "link", "add", port, "mtu", MTU, "type", "veth", *end)
        self._connect(port)

    def _connect(self, port: str) -> None:
        machine.inside(self.name, "ip", "link", "set", port, "master", BRIDGE, "up")


def _new_home() -> Path:
    return Path(tempfile.gettempdir()) / machine.new_name("citydc")


def _port(mac: str) -> str:
    return f"p{mac.replace(':', '')}"


def _has(addresses: Iterable[str], version: int) -> bool:
    return any(ipaddress.ip_interface(address).version == version for address in addresses)
