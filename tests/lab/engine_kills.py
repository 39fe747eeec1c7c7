"""Runs of the engine that are killed at a chosen operation, and what is in a cloud after them."""

import contextlib
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forks
import requests

from lab.engine import Engine, Result
from lab.engine.cloud import Cloud

Census = dict[str, set[str]]
"""Ids by kind."""


class _Deadly(Cloud):
    """A cloud whose n-th moment is the process's last: before and after each changing request."""

    moments_left = 0
    counting = threading.Lock()

    def request(self, service: str, method: str, *path: Any, **more: Any) -> requests.Response:
        """Make a request, if the process lives that long."""
        self._count(method)
        answer = super().request(service, method, *path, **more)
        self._count(method)
        return answer

    @classmethod
    def _count(cls, method: str) -> None:
        if method.upper() != "GET":
            with cls.counting:
                cls.moments_left -= 1
                if cls.moments_left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)


def killed(engine: Engine, verb: Callable[[Engine], Result], moment: int) -> bool:
    """Run a verb in a process of its own that is killed at a moment; whether it came to that."""

    def run() -> Result:
        _Deadly.moments_left = moment
        engine.make_cloud = _Deadly
        return verb(engine)

    return forks.killed(run)


def census(cloud: Any, site: Path) -> Census:
    """
    Return the ids of all that is in a cloud, by kind, whoever owns it.

    `cloud` is an administrator's connection, `site` the folder of the lab's site.
    """
    network, compute, balancers = cloud.network, cloud.compute, cloud.load_balancer
    identity, groups = cloud.identity, list(network.security_groups())
    default = {one.id for one in groups if one.name == "default"}
    pools, zones = list(balancers.pools()), list(cloud.dns.zones(all_projects=True))
    found = {
        "address scopes": network.address_scopes(),
        "subnet pools": network.subnet_pools(),
        "networks": network.networks(),
        "shares": network.rbac_policies(),
        "subnets": network.subnets(),
        "routers": network.routers(),
        "ports": network.ports(),
        "security groups": (one for one in groups if one.id not in default),
        "rules": (
            one for one in network.security_group_rules() if one.security_group_id not in default
        ),
        "floating IPs": network.ips(),
        "servers": compute.servers(all_projects=True),
        "server groups": compute.server_groups(all_projects=True),
        "key pairs": compute.keypairs(),
        "flavors": compute.flavors(is_public=None),
        "volumes": cloud.block_storage.volumes(all_projects=True),
        "images": cloud.image.images(),
        "load balancers": balancers.load_balancers(),
        "listeners": balancers.listeners(),
        "pools": pools,
        "members": (one for pool in pools for one in balancers.members(pool)),
        "monitors": balancers.health_monitors(),
        "zones": zones,
        "projects": identity.projects(),
        "groups": identity.groups(),
    }
    return {
        **{kind: {one.id for one in many} for kind, many in found.items()},
        "records": {
            f"{zone.id}/{one.id}"
            for zone in zones
            for one in cloud.dns.recordsets(zone, all_projects=True)
            if one.type not in {"NS", "SOA"}  # a zone's own
        },
        "roles given": {_role(one) for one in identity.role_assignments()},
        "containers": _containers(site),
        "secrets": _secrets(site),
    }


def _role(given: Any) -> str:
    """Return "domain/project/group/user/role" of an assignment, some of them empty."""
    scope = given.scope
    parts = (scope.get("domain"), scope.get("project"), given.group, given.user, given.role)
    return "/".join(one["id"] if one else "" for one in parts)


def _containers(site: Path) -> set[str]:
    """Return all accounts' containers, from swift's own: no API lists those of deleted projects."""
    query = "SELECT account || '/' || container FROM container_info WHERE status != 'DELETED'"
    files = (site / "state/swift/d1/containers").glob("*/*/*/*.db")
    return {name for file in files for name in _rows(file, query)}


def _secrets(site: Path) -> set[str]:
    """Return all projects' secrets, from barbican's own: each project sees its own only."""
    return set(_rows(site / "db/barbican.sqlite", "SELECT id FROM secrets WHERE NOT deleted"))


def _rows(file: Path, query: str) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute(query)]
