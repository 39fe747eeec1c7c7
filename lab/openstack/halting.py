"""A service's servers, stopped at all sites as if it had failed, and started again."""

import concurrent.futures
import time
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from catalogue.errors import OutsideError
from lab.openstack import clouds
from lab.openstack.sites import Site

PATIENCE_S = 120
Stopped = dict[str, list[str]]
"""Servers' ids by site."""


def halt(sites: list[Site], service: str) -> Stopped:
    """Stop the service's servers that run; return which they were.  Raise OutsideError."""
    return _everywhere(sites, lambda site: _halt(site, service))


def resume(sites: list[Site], stopped: Stopped) -> None:
    """Start these servers.  Raise OutsideError if one does not come up."""
    _everywhere(sites, lambda site: _resume(site, stopped.get(site.name, [])))


def _everywhere(sites: list[Site], work: Any) -> Stopped:
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return dict(zip([one.name for one in sites], pool.map(work, sites), strict=True))
    except (SDKException, ClientException) as error:
        raise OutsideError(
            "the compute service refused",
            why=str(error),
            remedy="citydc lab status tells what is down",
        ) from error


def _halt(site: Site, service: str) -> list[str]:
    with clouds.connect(site) as cloud:
        compute: Any = cloud.compute
        found = [
            one.id
            for one in compute.servers(all_projects=True, status="ACTIVE")
            if (one.metadata or {}).get("service") == service
        ]
        for one in found:
            compute.stop_server(one)
        _wait(compute, found, "SHUTOFF")
        return found


def _resume(site: Site, stopped: list[str]) -> list[str]:
    with clouds.connect(site) as cloud:
        compute: Any = cloud.compute
        for one in stopped:
            if compute.get_server(one).status == "SHUTOFF":
                compute.start_server(one)
        _wait(compute, stopped, "ACTIVE")
        return stopped


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
