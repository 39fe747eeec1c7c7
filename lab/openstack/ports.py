"""Ports of this machine: which are free, and who has the others."""

import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import psutil

from catalogue.errors import OutsideError
from lab.openstack.sites import HOST, PARTS, PROJECTS, Site

NONE: Mapping[str, Mapping[int, str]] = MappingProxyType({})
TOLD = 4  # of the ports that are taken


def services(site: Site) -> dict[str, int]:
    """Give all ports of a site, service to port."""
    return {name: site.port_of(name) for name in (*PROJECTS, *PARTS)}


def check_free(sites: Iterable[Site], devices: Mapping[str, Mapping[int, str]] = NONE) -> None:
    """
    Raise OutsideError if a port that the sites need is taken, naming all that are.

    `devices` are, by site, the ports of its devices and what is there.
    """
    needed = [
        (port, name, site.name)
        for site in sites
        for name, port in (
            *services(site).items(),
            *((name, port) for port, name in devices.get(site.name, {}).items()),
        )
    ]
    taken = [
        f"{port} ({name} of {site}) by {holder(port)}"
        for port, name, site in needed
        if not is_free(port)
    ]
    more = len(taken) - TOLD
    if taken:
        raise OutsideError(
            "the lab can't start: ports that it needs are taken",
            why="; ".join(taken[:TOLD]) + (f"; and {more} more" if more > 0 else ""),
            remedy="end what holds them, or give the lab other ports with CITYDC_LAB_PORT",
        )


def is_free(port: int) -> bool:
    """Say whether TCP and UDP may be listened to on the port of the loopback address."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True


def holder(port: int) -> str:
    """Name the process that has the port, as far as this user may see it."""
    for _address, found, pid in _sockets("inet"):
        if found == port:
            with contextlib.suppress(psutil.Error):
                return f"process {pid} ({psutil.Process(pid).name()})"
    return "a process that this user may not see"


def listeners() -> dict[int, int]:
    """Give the process id of whoever listens, by TCP port of the loopback address."""
    return {
        port: pid for address, port, pid in _sockets("tcp4", psutil.CONN_LISTEN) if address == HOST
    }


def _sockets(kind: str, status: str | None = None) -> Iterator[tuple[str, int, int]]:
    """Give address, port and process of the sockets that this user may see."""
    for one in psutil.net_connections(kind):
        if one.laddr and one.pid and status in (None, one.status):
            yield one.laddr.ip, one.laddr.port, one.pid
