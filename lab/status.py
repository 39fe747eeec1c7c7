"""What runs of a lab: its JSON shape, and how it is found out."""

import concurrent.futures
import contextlib
import datetime as dt
from pathlib import Path
from typing import Any, TypedDict

import psutil

from lab import hosting
from lab.monitoring import running
from lab.openstack import ports, processes
from lab.openstack.sites import PROJECTS, Site


class ServiceStatus(TypedDict):
    """
    One service of a site; `pid`, `since` (ISO 8601) and `memory_mib` are None when down.

    The network node has no port, the devices have one each.
    """

    port: int | None
    pid: int | None
    since: str | None
    memory_mib: float | None


class SiteStatus(TypedDict):
    """One site; `state` is "up", "down" or "partly up"."""

    cloud: str
    auth_url: str
    state: str
    services: dict[str, ServiceStatus]


class Host(TypedDict):
    """A server of a site, with what its metadata say; an address is None where there is none."""

    name: str
    site: str
    ipv4: str | None
    ipv6: str | None
    service: str
    tier: str
    agency: str


class Status(TypedDict):
    """
    What runs.

    `real_hosts` says whether servers are real hosts on real networks; `up` is true when all
    services of all sites are; `monitoring` is what shall run beside them; `memory_mib` is the lab's
    share of the memory (PSS); `since` (ISO 8601) is None when nothing runs.
    """

    up: bool
    real_hosts: bool
    clouds_file: str
    sites: dict[str, SiteStatus]
    monitoring: dict[str, ServiceStatus]
    hosts: list[Host]
    memory_mib: float
    since: str | None


def read(home: Path, clouds_file: Path, sites: list[Site]) -> Status:
    """Give what runs of the lab in `home`."""
    found = processes.of(home)
    listening = ports.listeners() if found else {}
    memory = {process.pid: processes.memory_mib(process) for process in found}
    by_name = _by_name(found)
    seen = {site.name: _site_status(site, listening, by_name, memory) for site in sites}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        there = [site for site in sites if seen[site.name]["state"] != "down"]
        hosts = [host for several in pool.map(_hosts, there) for host in several]
    real = [site for site in sites if site.hosts]
    return {
        "up": all(site["state"] == "up" for site in seen.values()),
        "real_hosts": bool(real),
        "clouds_file": str(clouds_file),
        "sites": seen,
        "monitoring": _monitoring(home, memory),
        "hosts": sorted(hosts, key=lambda host: (host["site"], host["name"])),
        "memory_mib": round(sum(memory.values()) + sum(map(hosting.memory_mib, real)), 1),
        "since": _iso(found[0].create_time()) if found else None,
    }


def _monitoring(home: Path, memory: dict[int, float]) -> dict[str, ServiceStatus]:
    there = {name: process.pid for name, (process, _) in running.found(home).items()}
    names = running.remembered(home / "monitoring")
    return {name: _service_status(None, there.get(name), memory) for name in names}


def _by_name(found: list[psutil.Process]) -> dict[str, int]:
    names = {}
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            names[process.name()] = process.pid
    return names


def _site_status(
    site: Site, listening: dict[int, int], by_name: dict[str, int], memory: dict[int, float]
) -> SiteStatus:
    services = {
        name: _service_status(port, listening.get(port), memory)
        for name, port in ((name, site.port_of(name)) for name in (*PROJECTS, "bind9"))
    }
    services["devices"] = _service_status(None, by_name.get(f"devices-{site.name}"), memory)
    if site.hosts:
        services["network"] = _service_status(None, by_name.get(f"network-{site.name}"), memory)
    there = [service["pid"] is not None for service in services.values()]
    return {
        "cloud": site.name,
        "auth_url": site.url("keystone"),
        "state": "up" if all(there) else "partly up" if any(there) else "down",
        "services": services,
    }


def _service_status(port: int | None, pid: int | None, memory: dict[int, float]) -> ServiceStatus:
    if pid in memory:
        with contextlib.suppress(psutil.NoSuchProcess):
            since = _iso(psutil.Process(pid).create_time())
            return {
                "port": port,
                "pid": pid,
                "since": since,
                "memory_mib": round(memory[pid], 1),
            }
    return {"port": port, "pid": None, "since": None, "memory_mib": None}


def _iso(timestamp: float) -> str:
    moment = dt.datetime.fromtimestamp(timestamp, dt.UTC)
    return moment.isoformat(timespec="seconds")


def _hosts(site: Site) -> list[Host]:
    """Give the site's servers of all projects; none when its API does not answer."""
    import keystoneauth1.exceptions  # noqa: PLC0415  (slow to import)
    import openstack.exceptions  # noqa: PLC0415

    from lab.openstack import clouds  # noqa: PLC0415

    try:
        with clouds.connect(site) as cloud:
            return [_host(site, server) for server in cloud.compute.servers(all_projects=True)]
    except (
        openstack.exceptions.SDKException,
        keystoneauth1.exceptions.ClientException,
    ):
        return []


def _host(site: Site, server: Any) -> Host:
    addresses = [one for several in (server.addresses or {}).values() for one in several]
    metadata = server.metadata or {}
    return {
        "name": server.name,
        "site": site.name,
        "ipv4": _address(addresses, 4),
        "ipv6": _address(addresses, 6),
        "service": metadata.get("service", ""),
        "tier": metadata.get("tier", ""),
        "agency": metadata.get("agency", ""),
    }


def _address(addresses: list[dict[str, Any]], wanted: int) -> str | None:
    """Give the first address of that IP version that the server itself has."""
    for address in addresses:
        if address["version"] == wanted and address.get("OS-EXT-IPS:type") != "floating":
            return str(address["addr"])
    return None
