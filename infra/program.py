"""The whole program: what the catalogue says of one site, declared to Pulumi."""

from collections import defaultdict

import pulumi
import pulumi_openstack as openstack

from catalogue import addresses, flows, recovery
from catalogue.addresses import Prefixes
from catalogue.flows import SiteFlows
from catalogue.model import Agency as AgencyData
from catalogue.model import Capability, Service
from catalogue.recovery import Standing
from infra import agencies, capabilities, exports, quotas
from infra.agencies import Agency, AgencyArgs
from infra.credentials import Credentials
from infra.foundation import AddressPlan, Foundation, FoundationArgs
from infra.ground import Ground, Home
from infra.link import InterSiteLink
from infra.networks import AgencyRouter, AgencyRouterArgs, Route
from infra.security import Baseline, SecurityGroupArgs
from infra.services import CityService, CityServiceArgs
from infra.settings import Settings
from infra.zones import SiteZone


def declare(settings: Settings, operator: Credentials) -> None:
    """
    Declare all resources and outputs of the stack's site; `operator` works on its cloud.

    Raise BadInputError if the catalogue does not fit the site.
    """
    catalogue, site, profile = settings.catalogue, settings.site, settings.profile
    open_ = flows.resolve(catalogue, site, profile)
    standings = {
        service.id: recovery.standing(catalogue, site, service, profile)
        for service in sorted(catalogue.services.values(), key=lambda one: one.id)
    }
    for capability, services in capabilities.left_out(catalogue, site, profile).items():
        pulumi.log.warn(capabilities.message(site, capability, services))

    admin = operator.provider("admin")
    ground = _ground(settings, open_, admin)
    homes = _homes(settings, ground, operator, standings)
    built = [
        _service(settings, catalogue.services[name], standing, ground, homes)
        for name, standing in standings.items()
    ]
    for name, value in exports.outputs(settings, homes, built).items():
        pulumi.export(name, value)


def _ground(settings: Settings, open_: SiteFlows, admin: openstack.Provider) -> Ground:
    """Declare what all services of the site share."""
    city, site = settings.catalogue.city, settings.site
    by_operator = pulumi.ResourceOptions(provider=admin)
    return Ground(
        site=site,
        profile=settings.profile,
        open=open_,
        admin=admin,
        foundation=Foundation("foundation", FoundationArgs(site, settings.profile), by_operator),
        plan=AddressPlan("address-plan", site, by_operator),
        baseline=Baseline(
            "baseline",
            SecurityGroupArgs(
                "What every server of the city hears and calls",
                open_.baseline,
                {"site": site.id},
            ),
            by_operator,
        ),
        zone=SiteZone(site.id, city, site, by_operator)
        if capabilities.offers(site, Capability.DNS)
        else None,
    )


def _homes(
    settings: Settings, ground: Ground, operator: Credentials, standings: dict[str, Standing]
) -> dict[str, Home]:
    """Declare a project for each agency that has anything here, and a router for its networks."""
    site, by_operator = settings.site, pulumi.ResourceOptions(provider=ground.admin)
    asked = pulumi.InvokeOptions(provider=ground.admin)
    deployer = openstack.identity.get_auth_scope_output(name="deployer", opts=asked).user_id
    roles = {
        role: openstack.identity.get_role_output(name=role, opts=asked).id
        for role in agencies.roles(site)
    }
    external = openstack.networking.get_network_output(
        name=site.external_network, external=True, opts=asked
    ).id
    link = InterSiteLink("link", site, ground.plan, by_operator)
    homes = {}
    for agency, services in _owners(settings):
        needs = [
            quotas.need(site, one, settings.profile, ground.open)
            for one in services
            if standings[one.id].networks
        ]
        own = Agency(
            agency.id,
            AgencyArgs(site, agency, quotas.limits(needs), operator, deployer, roles),
            by_operator,
        )
        router = None
        if needs:
            router = AgencyRouter(
                agency.id,
                AgencyRouterArgs(
                    site=site,
                    agency=agency,
                    external_network=external,
                    link=link,
                    project=own.project.id,
                    routes=_routes(settings, agency, ground.open),
                    admin=ground.admin,
                ),
                pulumi.ResourceOptions(provider=own.provider),
            )
        homes[agency.id] = Home(own, router)
    return homes


def _owners(settings: Settings) -> list[tuple[AgencyData, list[Service]]]:
    """Return the agencies that own services, with these."""
    owned: dict[str, list[Service]] = defaultdict(list)
    for service in settings.catalogue.services.values():
        owned[service.agency].append(service)
    known = {one.id: one for one in settings.catalogue.city.agencies}
    return [(known[agency], owned[agency]) for agency in sorted(owned)]


def _routes(settings: Settings, agency: AgencyData, open_: SiteFlows) -> list[Route]:
    """Return the agency's router's routes to what lies behind the others on the link."""
    known = {one.id: one for one in settings.catalogue.city.agencies}
    found = []
    for (site, owner), blocks in open_.routes.get(agency.id, {}).items():
        through = addresses.link_address(settings.catalogue.sites[site], known[owner])
        for block in blocks:
            found += _both(block, through)
    return found


def _both(block: Prefixes, through: addresses.Pair) -> list[Route]:
    return [
        Route(str(block.ipv4), str(through.ipv4)),
        Route(str(block.ipv6), str(through.ipv6)),
    ]


def _service(
    settings: Settings,
    service: Service,
    standing: Standing,
    ground: Ground,
    homes: dict[str, Home],
) -> CityService:
    home = homes[service.agency]
    return CityService(
        service.id,
        CityServiceArgs(settings.catalogue.city, service, standing, ground, home),
        pulumi.ResourceOptions(provider=home.agency.provider),
    )
