"""How much an agency may use: what the catalogue says it needs at full size, and headroom."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from catalogue import flows, recovery
from catalogue.flows import PartKey, SiteFlows
from catalogue.model import Component, Database, Profile, Service, Site

HEADROOM = 1.5
"""Growth of a year, and old and new servers side by side during an upgrade."""
SPARE = 10
"""Of each countable thing besides: rescue servers, test networks."""
PORTS_OF_A_NETWORK = 5
"""Two of the router, and what the cloud's DHCP and metadata agents take."""
PORTS_OF_A_BALANCER = 3
"""Its address and a pair of amphorae."""


@dataclass(frozen=True)
class Quotas:
    """How many objects; memory in MiB, volumes in GiB."""

    servers: int = 0
    vcpus: int = 0
    ram_mib: int = 0
    volumes: int = 0
    volumes_gib: int = 0
    networks: int = 0
    ports: int = 0
    security_groups: int = 0
    security_group_rules: int = 0
    balancers: int = 0
    members: int = 0
    floating_ips: int = 0

    def __add__(self, other: "Quotas") -> "Quotas":
        return Quotas(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )


def limits(needs: Iterable[Quotas]) -> Quotas:
    """Return the limits for an agency whose services need that much."""
    total = sum(needs, Quotas())
    return Quotas(
        **{
            one.name: math.ceil(getattr(total, one.name) * HEADROOM) + SPARE
            for one in fields(total)
        }
    )


def need(site: Site, service: Service, profile: Profile, open_: SiteFlows) -> Quotas:
    """
    Return what `service` needs at `site` when it runs there at full size.

    A standby site has the same limits as the primary, so that a takeover meets none.
    """
    parts = (
        part for part in recovery.parts(service) if PartKey(service.id, part.id) in open_.groups
    )
    return sum((_part(site, service, one, profile, open_) for one in parts), Quotas())


def _part(
    site: Site, service: Service, part: Component | Database, profile: Profile, open_: SiteFlows
) -> Quotas:
    count = recovery.size(part, profile)
    flavor = next(one for one in site.flavors if one.id == part.flavor)
    image = next(one for one in site.images if one.id == part.image)
    sizes = data_volumes(part, profile)
    kept = data_volumes(part, profile, keeps_backups=True)
    rules = open_.groups[PartKey(service.id, part.id)]
    balancers = 2 if flows.balanced_port(part, site) else 0
    return Quotas(
        servers=count,
        vcpus=count * flavor.vcpus,
        ram_mib=count * flavor.ram_mib,
        volumes=count * (1 + len(sizes)) + len(kept) - len(sizes),
        volumes_gib=count * (image.min_disk_gib + sum(sizes.values()))
        + sum(kept.values())
        - sum(sizes.values()),
        networks=1,
        ports=count + PORTS_OF_A_NETWORK + balancers * PORTS_OF_A_BALANCER,
        security_groups=1 + balancers,
        security_group_rules=sum(len(rule.ipv4) + len(rule.ipv6) for rule in rules),
        balancers=balancers,
        members=balancers * count,
        floating_ips=balancers // 2,
    )


def data_volumes(
    part: Component | Database, profile: Profile, *, keeps_backups: bool = False
) -> dict[str, int]:
    """Return the sizes, in GiB, of the data volumes that a server of the part has."""
    if isinstance(part, Component):
        return {one.id: one.size_gib.of(profile) for one in part.volumes}
    found = {"data": part.size_gib.of(profile)}
    if keeps_backups and part.backups_gib:
        found["backups"] = part.backups_gib.of(profile)
    return found
