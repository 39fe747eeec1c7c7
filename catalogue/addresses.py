"""
Which addresses everything has: computed from fixed numbers, so that adding renumbers nothing.

A site's ranges are carved into one network for each part (component or database) of each service:
network number `service.number * 16 + part.number`, in IPv6 a /64, in IPv4 of the site's prefix
length.  Block 0 belongs to no service: a site without an inter-site link joins its routers there.
"""

import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from catalogue.errors import BadInputError
from catalogue.model import Agency, Service, Site

PARTS = 16
GATEWAY = 1
BALANCER = 5
FIRST_SERVER = 16
IPV6_POOL = 0x1_0000


@dataclass(frozen=True, slots=True)
class Pair:
    """One interface's two addresses."""

    ipv4: IPv4Address
    ipv6: IPv6Address


@dataclass(frozen=True, slots=True)
class Span:
    """The first and last addresses, in both families, that a cloud may give out by itself."""

    ipv4: tuple[IPv4Address, IPv4Address]
    ipv6: tuple[IPv6Address, IPv6Address]


@dataclass(frozen=True, slots=True)
class Prefixes:
    """A dual-stack network's two prefixes."""

    ipv4: IPv4Network
    ipv6: IPv6Network

    def at(self, offset: int) -> Pair:
        """Return the addresses `offset` after the networks' own."""
        return Pair(self.ipv4[offset], self.ipv6[offset])

    @property
    def gateway(self) -> Pair:
        """The router's addresses."""
        return self.at(GATEWAY)

    @property
    def balancer(self) -> Pair:
        """The load balancer's addresses."""
        return self.at(BALANCER)

    @property
    def capacity(self) -> int:
        """How many servers have addresses here."""
        return max(0, self._pool_start - FIRST_SERVER)

    def server(self, index: int) -> Pair:
        """
        Return the addresses of the server with that index, from 0.

        Raise BadInputError if the network is too small for it.
        """
        if index >= self.capacity:
            raise BadInputError(
                f"{self.ipv4} has no address for server {index + 1}",
                why=f"a network of this size holds {self.capacity} servers",
                remedy="give the site a shorter ipv4_prefix, or the component fewer servers",
            )
        return self.at(FIRST_SERVER + index)

    @property
    def pool(self) -> Span:
        """What the cloud takes for ports of its own: the last quarter, away from the servers."""
        start = self._pool_start
        return Span(
            (self.ipv4[start], self.ipv4[-2]),
            (self.ipv6[IPV6_POOL], self.ipv6[2 * IPV6_POOL - 1]),
        )

    @property
    def _pool_start(self) -> int:
        return self.ipv4.num_addresses * 3 // 4


def network(site: Site, service: Service, part: int) -> Prefixes:
    """
    Return the network of the service's part with that number.

    Raise BadInputError if the site's ranges don't reach that far.
    """
    whole = block(site, service)
    return Prefixes(
        IPv4Network((int(whole.ipv4[0]) + (part << 32 - site.ipv4_prefix), site.ipv4_prefix)),
        IPv6Network((int(whole.ipv6[0]) + (part << 64), 64)),
    )


def block(site: Site, service: Service) -> Prefixes:
    """
    Return the prefixes that hold all networks of a service, used or not.

    Raise BadInputError if the site's ranges don't reach that far.
    """
    return _block(site, service.number, service.id)


def _block(site: Site, number: int, user: str) -> Prefixes:
    first = number * PARTS
    ipv4 = int(site.ipv4[0]) + (first << 32 - site.ipv4_prefix)
    ipv6 = int(site.ipv6[0]) + (first << 64)
    length = site.ipv4_prefix - 4
    for family, range_, start, size in (
        ("ipv4", site.ipv4, ipv4, 1 << 32 - length),
        ("ipv6", site.ipv6, ipv6, PARTS << 64),
    ):
        if start + size - 1 > int(range_[-1]):
            raise BadInputError(
                f"site {site.id} has no {family} block for {user}",
                why=f"block {number} of its range {range_} lies outside it",
                remedy=f"give the site a wider {family} range, or {user} a lower number",
            )
    return Prefixes(IPv4Network((ipv4, length)), IPv6Network((ipv6, 60)))


def link(site: Site) -> Prefixes:
    """Return the network that joins the agencies' routers: the inter-site link, or block 0's."""
    if site.link:
        return Prefixes(site.link.ipv4, site.link.ipv6)
    inner = _block(site, 0, "its own routers")
    return Prefixes(inner.ipv4, IPv6Network((int(inner.ipv6[0]), 64)))


def link_address(site: Site, agency: Agency) -> Pair:
    """
    Return an agency's router's addresses on the link: host part `site.number`, `agency.number`.

    Raise BadInputError if the link's IPv4 range is too narrow for it.
    """
    prefixes = link(site)
    high = site.number if site.link else 0
    offset = high * 256 + agency.number
    if offset >= prefixes.ipv4.num_addresses - 1:
        raise BadInputError(
            f"the link's range {prefixes.ipv4} has no address for {agency.id} at site {site.id}",
            why="a router's address there is 256 times the site's number plus the agency's",
            remedy="give the link a wider ipv4 range (a /16 always suffices)",
        )
    return Pair(prefixes.ipv4[offset], prefixes.ipv6[(high << 16) + agency.number])


def link_pool(site: Site) -> Span:
    """Return what the cloud may take of the link for itself: addresses of no agency, no peer."""
    prefixes = link(site)
    high = site.number if site.link else 0
    return Span(
        (prefixes.ipv4[high * 256 + 251], prefixes.ipv4[high * 256 + 254]),
        (prefixes.ipv6[(high << 16) + 0x1000], prefixes.ipv6[(high << 16) + 0x1FFF]),
    )


def whole(site: Site) -> Prefixes:
    """Return all that the site has."""
    return Prefixes(site.ipv4, site.ipv6)


def joined(networks: list[Prefixes]) -> list[Prefixes]:
    """Return the fewest prefixes that hold these networks of one site's plan, and nothing else."""
    ipv4 = ipaddress.collapse_addresses(one.ipv4 for one in networks)
    ipv6 = ipaddress.collapse_addresses(one.ipv6 for one in networks)
    return [Prefixes(*both) for both in zip(ipv4, ipv6, strict=True)]
