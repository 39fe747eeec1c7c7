"""What servers reach: names are resolved, routers hold their routes."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from catalogue import addresses, flows, recovery
from catalogue.flows import ALL
from catalogue.loading import Draft
from catalogue.model import Catalogue, Profile, Site
from catalogue.problems import Problem

DNS_PORT = 53
MAX_ROUTES = 30
"""How many routes a router holds: neutron's `max_routes`, as it is where nobody sets it."""


def name_servers_are_servers(draft: Draft) -> Iterator[Problem]:
    """Name servers in the sites' ranges are the site's own servers that answer all (RFC 7766)."""
    catalogue = draft.catalogue()
    if catalogue is None:
        return
    ranges = [range_ for one in catalogue.sites.values() for range_ in (one.ipv4, one.ipv6)]
    for name, site in catalogue.sites.items():
        answering = _answering(catalogue, site)
        for index, address in enumerate(site.name_servers):
            inside = any(address in range_ for range_ in ranges)
            if inside and address not in answering:
                what = f"{address} is no server here that answers on port {DNS_PORT} for all"
                known = ", ".join(map(str, answering))
                remedy = f"write one of: {known}" if known else "describe a component that does"
                yield draft.problem(f"sites/{name}", ("name_servers", index), what, remedy)


def _answering(catalogue: Catalogue, site: Site) -> list[IPv4Address | IPv6Address]:
    """Return the addresses of the production servers at `site` that answer DNS for all."""
    found: list[IPv4Address | IPv6Address] = []
    for service in catalogue.services.values():
        standing = recovery.standing(catalogue, site, service, Profile.PRODUCTION)
        for part in recovery.parts(service):
            open_ = {
                one.protocol
                for one in flows.listens(part)
                if one.port == DNS_PORT and ALL in one.callers
            }
            if open_ == {"udp", "tcp"}:
                network = addresses.network(site, service, part.number)
                pairs = [network.server(index) for index in range(standing.servers[part.id])]
                found += [one for pair in pairs for one in (pair.ipv4, pair.ipv6)]
    return found


def routers_hold_their_routes(draft: Draft) -> Iterator[Problem]:
    """Every agency's router holds the routes, two for each prefix pair, to all that it reaches."""
    catalogue = draft.catalogue()
    if catalogue is None:
        return
    places = {one.id: index for index, one in enumerate(catalogue.city.agencies)}
    for site in catalogue.sites.values():
        routes = {
            profile: {
                agency: 2 * sum(len(blocks) for blocks in reached.values())
                for agency, reached in flows.resolve(catalogue, site, profile).routes.items()
            }
            for profile in Profile
        }
        for agency, index in places.items():
            most = max(found.get(agency, 0) for found in routes.values())
            if most > MAX_ROUTES:
                what = f"needs {most} routes at site {site.id}, but a router holds {MAX_ROUTES}"
                remedy = (
                    "give services of one agency that others reach neighbouring numbers, whose"
                    " ranges join, or let fewer be reached"
                )
                yield draft.problem("city", ("agencies", index), what, remedy)
