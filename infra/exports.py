"""What the program exports, in the shape that `infra.outputs` promises."""

from collections.abc import Iterable, Mapping
from typing import Any

from catalogue import flows
from catalogue.model import Component, Listen
from infra import quotas, zones
from infra.ground import Home
from infra.outputs import SCHEMA_VERSION
from infra.services import CityService
from infra.settings import Settings

Values = dict[str, Any]
"""Plain values, with Pulumi's outputs where the cloud decides."""


def outputs(
    settings: Settings, homes: Mapping[str, Home], services: Iterable[CityService]
) -> Values:
    """Return all outputs of the stack by name."""
    services = list(services)
    hosts = [host for service in services for host in _hosts(service)]
    return {
        "schema_version": SCHEMA_VERSION,
        "site": settings.site.id,
        "profile": settings.profile.value,
        "projects": {name: home.agency.project.id for name, home in homes.items()},
        "roles": {
            name: role for home in homes.values() for name, role in home.agency.roles.items()
        },
        "jump_host": next((one["name"] for one in hosts if one["tier"] == "bastion"), None),
        "hosts": hosts,
        "endpoints": [one for service in services for one in _endpoints(service)],
        "networks": [one for service in services for one in _networks(service)],
        "buckets": [one for service in services for one in _buckets(service)],
    }


def _hosts(built: CityService) -> list[Values]:
    service = built.args.service
    return [
        {
            "name": name,
            "id": server.instance.id,
            "site": built.args.ground.site.id,
            "zone": server.zone,
            "agency": service.agency,
            "service": service.id,
            "component": part.id,
            "tier": part.tier if isinstance(part, Component) else "database",
            "role": server.role,
            "recovery_tier": service.recovery.tier.value,
            "security_level": service.security_level,
            "personal_data": service.personal_data,
            "ipv4": str(fleet.addresses[name].ipv4),
            "ipv6": str(fleet.addresses[name].ipv6),
            "image": part.image,
            "image_user": server.user,
            "flavor": part.flavor,
            "power": "on",
            "volumes": [
                {"name": volume, "id": server.volumes[volume].id, "size_gib": size}
                for volume, size in sizes.items()
                if volume in server.volumes
            ],
        }
        for part, fleet in built.parts
        for sizes in [quotas.data_volumes(part, built.args.ground.profile, keeps_backups=True)]
        for name, server in fleet.servers.items()
    ]


def _endpoints(built: CityService) -> list[Values]:
    return [
        _endpoint(built, part.id, listen)
        for part, fleet in built.parts
        if fleet.servers
        for listen in flows.listens(part)
    ]


def _endpoint(built: CityService, part: str, listen: Listen) -> Values:
    """Describe a port; a part's names lead to its balancer, so only what that spreads has them."""
    fleet, tier = built.fleets[part], built.tiers.get(part)
    balancers = tier.balancers if tier and tier.listen == listen else None
    called = [fleet.prefixes.balancer] if balancers else list(fleet.addresses.values())
    floating = balancers.floating if balancers else None
    city, site = built.args.city, built.args.ground.site
    named = balancers or not (tier and tier.balancers)
    leads = [one for one in built.leads if one.target == part] if named else []
    return {
        "site": site.id,
        "service": built.args.service.id,
        "component": part,
        "name": listen.id,
        "protocol": listen.protocol,
        "port": listen.port,
        "ipv4": [str(one.ipv4) for one in called],
        "ipv6": [str(one.ipv6) for one in called],
        "balanced": balancers is not None,
        "public": floating is not None,
        "public_ipv4": floating.address if floating else None,
        "dns_names": [zones.fqdn(city, site, lead.name) for lead in leads if lead.declared],
        "internal_dns_names": [zones.fqdn(city, site, lead.name) for lead in leads if lead.inside],
    }


def _networks(built: CityService) -> list[Values]:
    service = built.args.service
    return [
        {
            "name": f"{service.id}-{part.id}",
            "id": fleet.network.network.id,
            "site": built.args.ground.site.id,
            "agency": service.agency,
            "service": service.id,
            "component": part.id,
            "ipv4": str(fleet.prefixes.ipv4),
            "ipv6": str(fleet.prefixes.ipv6),
        }
        for part, fleet in built.parts
    ]


def _buckets(built: CityService) -> list[Values]:
    service = built.args.service
    return [
        {
            "name": name,
            "agency": service.agency,
            "service": service.id,
            "backup": bucket.backup,
        }
        for name, bucket in built.buckets.items()
    ]
