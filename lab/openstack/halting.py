"""A service's servers, stopped at all sites as if it had failed, and started again."""

import concurrent.futures
import time
from collections.abc import Callable
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from catalogue.errors import OutsideError
from lab.openstack import clouds
from lab.openstack.sites import Site

PATIENCE_S = 120
Servers = dict[str, list[str]]
"""Their ids by site."""


def running(sites: list[Site], service: str) -> Servers:
    """Return the service's servers that run.  Raise OutsideError."""
    return dict(_everywhere(sites, lambda compute, site: (site.name, _running(compute, service))))


def halt(sites: list[Site], servers: Servers) -> None:
    """Stop these servers.  Raise OutsideError if one does not stop."""
    _everywhere(sites, lambda compute, site: _halt(compute, servers[site.name]))


def resume(sites: list[Site], servers: Servers) -> None:
    """Start those of these servers that are stopped.  Raise OutsideError if one does not start."""
    _everywhere(sites, lambda compute, site: _resume(compute, servers[site.name]))


def _everywhere(sites: list[Site], work: Callable[[Any, Site], Any]) -> list[Any]:
    def at(site: Site) -> Any:
        with clouds.connect(site) as cloud:
            return work(cloud.compute, site)

    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return list(pool.map(at, sites))
    except (SDKException, ClientException) as error:
        raise OutsideError(
            "the compute service refused",
            why=str(error),
            remedy="citydc lab status tells what is down",
        ) from error


def _running(compute: Any, service: str) -> list[str]:
    return [
        one.id
        for one in compute.servers(all_projects=True, status="ACTIVE")
        if (one.metadata or {}).get("service") == service
    ]


def _halt(compute: Any, servers: list[str]) -> None:
    for one in servers:
        compute.stop_server(one)
    _wait(compute, servers, "SHUTOFF")


def _resume(compute: Any, servers: list[str]) -> None:
    for one in servers:
        if compute.get_server(one).status == "SHUTOFF":
            compute.start_server(one)
    _wait(compute, servers, "ACTIVE")


def _wait(compute: Any, servers: list[str], status: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    for one in servers:
        while compute.get_server(one).status != status:
            if time.monotonic() > deadline:
                raise OutsideError(
                    f"server {one} is not {status} after {PATIENCE_S} s",
                    remedy="openstack server show tells its state",
                )
            time.sleep(0.5)
