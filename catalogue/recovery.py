"""What of a service stands at which site: all of it, a share, its data, or only its backups."""

import math
from dataclasses import dataclass

from catalogue.model import (
    Catalogue,
    City,
    Component,
    Database,
    Profile,
    RecoveryClass,
    RecoveryTier,
    Service,
    Site,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a service stands at a site."""

    tier: RecoveryTier | None
    """None at a primary site."""
    networks: bool
    """Whether its networks, security groups and data are there (else: only its backups)."""
    servers: dict[str, int]
    """How many servers each component and database has there."""
    volumes: dict[str, int]
    """For how many servers the data volumes are there, the servers being there or not."""


def parts(service: Service) -> list[Component | Database]:
    """Return the components and databases, by number."""
    return sorted([*service.components, *service.databases], key=lambda part: part.number)


def size(part: Component | Database, profile: Profile) -> int:
    """Return how many servers the part has at a primary site."""
    if isinstance(part, Database):
        return part.primary.of(profile) + part.standbys.of(profile)
    return part.count.of(profile)


def staffed(city: City, service: Service, profile: Profile) -> list[Component | Database]:
    """
    Return the parts that have networks in the profile, by number: those that have servers there.

    Watchers always have: what stands in for their servers watches from their network.
    """
    return [
        part
        for part in parts(service)
        if size(part, profile) or f"{service.id}/{part.id}" in city.watchers
    ]


def standing(catalogue: Catalogue, site: Site, service: Service, profile: Profile) -> Standing:
    """Return how `service` stands at `site`."""
    full = {part.id: size(part, profile) for part in parts(service)}
    if site.role == "primary":
        return Standing(None, networks=True, servers=full, volumes=full)
    tier = service.recovery.tier
    share = _class(catalogue, tier)
    servers = {part: math.ceil(count * share.servers) for part, count in full.items()}
    volumes = servers if share.servers or not share.data else _data(service, full)
    return Standing(
        tier, networks=share.data or share.servers > 0, servers=servers, volumes=volumes
    )


def keeps_backups(site: Site, index: int) -> bool:
    """Return whether a database's server with that index, from 0, has the store of its backups."""
    return site.role != "primary" and index == 0


def _class(catalogue: Catalogue, tier: RecoveryTier) -> RecoveryClass:
    return next(one for one in catalogue.city.recovery if one.tier is tier)


def _data(service: Service, full: dict[str, int]) -> dict[str, int]:
    """Return the volumes kept where no server runs: every component's, and a database's primary."""
    databases = {database.id for database in service.databases}
    return {part: min(count, 1) if part in databases else count for part, count in full.items()}


def peers(catalogue: Catalogue, site: Site) -> list[Site]:
    """Return the other sites that carry the same services: its standbys, or its primary's."""
    primary = site.id if site.role == "primary" else site.stands_in_for
    return [
        other
        for other in sorted(catalogue.sites.values(), key=lambda one: one.number)
        if other.id != site.id and primary in (other.id, other.stands_in_for)
    ]
