"""
What a site's cloud has and gave out, read through openstacksdk; nothing is ever changed.

Each source is read by itself: a service that is away or refuses leaves the others' figures whole.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import openstack
from openstack.connection import Connection
from openstack.exceptions import ConfigException

from catalogue.errors import BadInputError
from catalogue.model import Site
from exporters.capacity.amounts import GIB, MIB, Amount, Node, Room

_log = logging.getLogger(__name__)

TIMEOUT_S = 30
CLASSES = {"VCPU": "vcpus", "MEMORY_MB": "memory_mib", "PGPU": "gpus", "VGPU": "gpus"}
DISABLED = "COMPUTE_STATUS_DISABLED"
COMPUTE_QUOTAS = {"instances": ("instances", 1), "cores": ("vcpus", 1), "ram": ("memory", MIB)}
VOLUME_QUOTAS = {"gigabytes": ("volumes", GIB), "backup_gigabytes": ("backups", GIB)}
NETWORK_QUOTAS = {"floating_ips": ("floating-ips", 1), "ports": ("ports", 1)}
IPV4 = 4


@dataclass(slots=True)
class Found:
    """What was read of a site."""

    amounts: list[Amount]
    nodes: list[Node] | None
    """None where placement could not be read."""
    up: dict[str, bool]
    """Which sources answered."""


def connect(site: Site) -> Connection:
    """Return a connection to the site's cloud.  Raise BadInputError if clouds.yaml lacks it."""
    try:
        return openstack.connect(cloud=site.cloud, region_name=site.region, api_timeout=TIMEOUT_S)
    except ConfigException as error:
        raise BadInputError(
            f'there are no credentials for the cloud "{site.cloud}"',
            why=str(error),
            remedy="give it an entry in clouds.yaml (OS_CLIENT_CONFIG_FILE)",
        ) from None


def read(cloud: Connection, site: str, projects: Mapping[str, str]) -> Found:
    """Return what the site's cloud says; `projects` are the agencies' ids by name."""
    found = Found([], None, {})

    def placement() -> None:
        found.nodes = list(_nodes(cloud))
        found.amounts += _of_nodes(found.nodes)

    def quotas() -> None:
        found.amounts += [
            one for name, id_ in projects.items() for one in _quotas(cloud, name, id_)
        ]

    def pools() -> None:
        found.amounts += _pools(cloud)

    def addresses() -> None:
        found.amounts += _addresses(cloud)

    sources: dict[str, Callable[[], None]] = {
        "placement": placement,
        "quotas": quotas,
        "pools": pools,
        "addresses": addresses,
    }
    for name, source in sources.items():
        try:
            source()
            found.up[name] = True
        except Exception as error:  # noqa: BLE001 - whatever a cloud answers, the others count
            found.up[name] = False
            _log.warning(
                "%s: %s cannot be read: %s", site, name, " ".join(str(error).split())[:300]
            )
    return found


def _nodes(cloud: Any) -> Iterator[Node]:
    for provider in cloud.placement.resource_providers():
        path = f"/resource_providers/{provider.id}"
        if DISABLED in _json(cloud, f"{path}/traits")["traits"]:
            continue
        inventories = _json(cloud, f"{path}/inventories")["inventories"]
        usages = _json(cloud, f"{path}/usages")["usages"]
        limits = {
            name: (one["total"] - one["reserved"]) * one["allocation_ratio"]
            for name, one in inventories.items()
        }
        if "VCPU" in limits:
            yield Node(_room(limits), _room(usages))


def _json(cloud: Any, path: str) -> Any:
    response = cloud.placement.get(path, microversion="1.6")
    openstack.exceptions.raise_from_response(response)
    return response.json()


def _room(classes: Mapping[str, float]) -> Room:
    return sum(
        (Room(**{CLASSES[name]: amount}) for name, amount in classes.items() if name in CLASSES),
        Room(),
    )


def _of_nodes(nodes: Iterable[Node]) -> list[Amount]:
    nodes = list(nodes)
    limit = sum((one.limit for one in nodes), Room())
    used = sum((one.used for one in nodes), Room())
    return [
        Amount("vcpus", "site", "", used.vcpus, limit.vcpus),
        Amount("memory", "site", "", used.memory_mib * MIB, limit.memory_mib * MIB),
        Amount("gpus", "site", "", used.gpus, limit.gpus),
    ]


def _quotas(cloud: Any, agency: str, project: str) -> Iterator[Amount]:
    compute = cloud.compute.get_quota_set(project, usage=True)
    volumes = cloud.block_storage.get_quota_set(project, usage=True)
    network = cloud.network.get_quota(project, details=True)
    for quota, names in ((compute, COMPUTE_QUOTAS), (volumes, VOLUME_QUOTAS)):
        for field, (resource, size) in names.items():
            limit, used = quota[field], quota.usage[field]
            yield Amount(resource, "agency", agency, used * size, _limited(limit, size))
    for field, (resource, size) in NETWORK_QUOTAS.items():
        one = network[field]
        yield Amount(resource, "agency", agency, one["used"] * size, _limited(one["limit"], size))


def _limited(limit: float, size: int) -> float | None:
    """Return a quota's limit; -1 is none."""
    return None if limit < 0 else limit * size


def _pools(cloud: Any) -> Iterator[Amount]:
    """Yield the pools; of one that calls itself infinite, only what was given out."""
    for pool in cloud.block_storage.backend_pools():
        total, free, given = (
            pool.capabilities.get(f"{one}_capacity_gb") for one in ("total", "free", "allocated")
        )
        if isinstance(total, int | float) and isinstance(free, int | float):
            yield Amount("volumes", "pool", pool.name, (total - free) * GIB, total * GIB)
        elif isinstance(given, int | float):
            yield Amount("volumes", "pool", pool.name, given * GIB, None)


def _addresses(cloud: Any) -> Iterator[Amount]:
    """Yield the IPv4 addresses of each network; of IPv6 there are enough."""
    for network in cloud.network.network_ip_availabilities():
        subnets = [one for one in network.subnet_ip_availability if one["ip_version"] == IPV4]
        if subnets:
            used = sum(one["used_ips"] for one in subnets)
            total = sum(one["total_ips"] for one in subnets)
            yield Amount("addresses", "network", network.network_name, used, total)
