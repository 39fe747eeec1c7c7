"""Runs of the engine that are killed at a chosen operation, and what is in a cloud after them."""

import os
import signal
from collections.abc import Callable
from typing import Any

import requests

from lab.engine import Engine
from lab.engine.cloud import Cloud


class _Deadly(Cloud):
    """A cloud whose n-th moment is the process's last: before and after each changing request."""

    left = 0

    def request(self, service: str, method: str, *path: Any, **more: Any) -> requests.Response:
        """Make a request, if the process lives that long."""
        self._count(method)
        answer = super().request(service, method, *path, **more)
        self._count(method)
        return answer

    @classmethod
    def _count(cls, method: str) -> None:
        if method.upper() != "GET":
            cls.left -= 1
            if cls.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def killed(engine: Engine, verb: Callable[[Engine], Any], moment: int) -> bool:
    """Run a verb in a process of its own that is killed at a moment; whether it came to that."""
    child = os.fork()
    if child == 0:
        try:
            _Deadly.left = moment
            engine.make_cloud = _Deadly
            verb(engine)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def census(cloud: Any) -> dict[str, set[str]]:
    """Return the ids of all that an administrator's connection can see, by kind."""
    network, compute = cloud.network, cloud.compute
    found = {
        "networks": network.networks(),
        "subnets": network.subnets(),
        "routers": network.routers(),
        "ports": network.ports(),
        "security groups": (one for one in network.security_groups() if one.name != "default"),
        "rules": network.security_group_rules(),
        "floating IPs": network.ips(),
        "servers": compute.servers(all_projects=True),
        "flavors": compute.flavors(is_public=None),
        "volumes": cloud.block_storage.volumes(all_projects=True),
        "images": cloud.image.images(),
        "load balancers": cloud.load_balancer.load_balancers(),
        "zones": cloud.dns.zones(all_projects=True),
        "projects": cloud.identity.projects(),
    }
    ids = {kind: {one.id for one in many} for kind, many in found.items()}
    default = {one.id for one in network.security_groups() if one.name == "default"}
    ids["rules"] -= {
        one.id for one in network.security_group_rules() if one.security_group_id in default
    }
    return ids
