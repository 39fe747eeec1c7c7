"""
Who may talk to whom at a site: the declared flows, resolved to rules between prefixes.

A component or database says which of its ports are called by whom.  From that follow a rule in at
the one and a rule out at the other; nothing else is open.  What holds for every server (ports of
the city, ports that all may call) is the baseline.  Where a load balancer stands in front of a
port, its servers hear the balancer alone, and the balancer hears the callers.

A component that has no servers in a profile neither calls nor is called there, unless it watches.
One whose servers are absent from a standby site only until a takeover has its rules in place.

Watchers may call every port, here and at the sites on the same link.
"""

import ipaddress
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, NamedTuple

from catalogue import addresses, recovery
from catalogue.addresses import Prefixes
from catalogue.model import (
    Capability,
    Catalogue,
    City,
    Component,
    Database,
    Listen,
    Profile,
    Service,
    Site,
)

Direction = Literal["ingress", "egress"]
BOTH_WAYS: tuple[Direction, Direction] = ("ingress", "egress")
ALL = "all"
ICMP = "icmp"
ECHO = 8
"""The type of an echo request in IPv4 (RFC 792)."""
ECHO_IPV6 = ("ipv6-icmp", 128)
"""Its protocol and type in IPv6 (RFC 4443)."""
INSIDE = ".int"
"""Ends the names by which components call what is public: those of a public service, and this."""
BACKUP_PORT = 8432
"""Where each PostgreSQL server's pgBackRest hears those of its like, by TLS."""


class PartKey(NamedTuple):
    """A component or database of a service."""

    service: str
    part: str

    def __str__(self) -> str:
        return f"{self.service}-{self.part}"


def server_name(key: PartKey, index: int) -> str:
    """Return the name of the part's server with that index, from 0; people count from 1."""
    return f"{key}-{index + 1}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a security group lets pass, in both families."""

    direction: Direction
    protocol: str
    """"tcp", "udp" or "icmp"."""
    port: int
    """Of ICMP the type, as IPv4 numbers it."""
    peer: str
    """The other side's name: "lgsp-gateway", "citizens", "all", "load-balancer", "watchers"..."""
    ipv4: tuple[IPv4Network, ...]
    ipv6: tuple[IPv6Network, ...]

    @property
    def name(self) -> str:
        """What tells the rule from the others of its group."""
        way = "from" if self.direction == "ingress" else "to"
        return f"{way}-{self.peer}-{self.protocol}-{self.port}"

    def of(self, version: int) -> tuple[str, int]:
        """Return the protocol and port, or ICMP's type, in that IP version."""
        is_ipv6_echo = version == 6 and self.protocol == ICMP  # noqa: PLR2004 - IPv6
        return ECHO_IPV6 if is_ipv6_echo else (self.protocol, self.port)


@dataclass(frozen=True, slots=True)
class Callers:
    """Whom a load balancer hears."""

    ipv4: tuple[IPv4Network, ...]
    ipv6: tuple[IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class SiteFlows:
    """All that is open at a site."""

    groups: dict[PartKey, tuple[Rule, ...]]
    """For each component and database that has a network here in the profile."""
    baseline: tuple[Rule, ...]
    """For every server there."""
    balanced: dict[PartKey, Callers]
    routes: dict[str, dict[tuple[str, str], tuple[Prefixes, ...]]]
    """For each agency, what its router reaches through which other router (site, agency)."""


def listens(part: Component | Database) -> list[Listen]:
    """Return the ports that a part's servers listen on; a database has one, named for itself."""
    if isinstance(part, Component):
        return part.listens
    return [Listen.model_validate({"id": part.id, "port": part.port, "from": part.callers})]


def among_servers(part: Component | Database) -> list[Listen]:
    """Return the ports that a part's own servers call each other on between sites."""
    own = listens(part)
    if isinstance(part, Component):
        return [one for one in own if one.counterparts]
    if part.engine != "postgresql":
        return own
    backups = {"id": "backups", "port": BACKUP_PORT, "from": part.callers}
    return [*own, Listen.model_validate(backups)]


def balanced_port(part: Component | Database, site: Site) -> Listen | None:
    """Return the port that a load balancer spreads at `site`, or None."""
    if (
        isinstance(part, Database)
        or not part.load_balancer
        or Capability.LOAD_BALANCER not in site.capabilities
    ):
        return None
    wanted = part.load_balancer.listen
    return next(one for one in part.listens if one.id == wanted)


def is_public(part: Component | Database, listen: Listen, site: Site) -> bool:
    """Return whether a port is called at a floating address at `site`."""
    public = isinstance(part, Component) and part.load_balancer and part.load_balancer.public
    return bool(public) and listen == balanced_port(part, site)


def part_of(service: str, party: str) -> PartKey:
    """Return the part that a party is to `service`: "app" is its own, "lgsp/gateway" another's."""
    named, _, part = party.rpartition("/")
    return PartKey(named or service, part)


def called_from_inside(city: City, listen: Listen) -> bool:
    """Return whether any component of the city may call the port."""
    outside = {one.id for one in city.outside}
    return any(caller not in outside for caller in listen.callers)


def resolve(catalogue: Catalogue, site: Site, profile: Profile) -> SiteFlows:
    """
    Resolve what the catalogue declares to what is open at `site`.

    A flow with a part that does not stand at the site is left out.
    """
    return _Resolver(catalogue, site, profile).run()


class _Slot(NamedTuple):
    """Rules that may be joined: one port, one other service."""

    group: PartKey | None
    direction: Direction
    protocol: str
    port: int
    service: str


@dataclass
class _Resolver:
    catalogue: Catalogue
    site: Site
    profile: Profile
    inner: dict[_Slot, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Rules between parts at this site: the other service's parts."""
    rules: dict[PartKey | None, dict[str, Rule]] = field(default_factory=lambda: defaultdict(dict))
    """Rules with everything else, by name; the baseline's under None."""
    callers: dict[PartKey, list[Prefixes | Callers]] = field(
        default_factory=lambda: defaultdict(list)
    )
    reach: dict[str, dict[tuple[str, str], set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    """For each agency and other router, the services reached."""
    across: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """For each agency that watches, the linked sites."""
    for_all: set[str] = field(default_factory=set)
    """Services that packets pass to or from every other."""

    def __post_init__(self) -> None:
        self.services = {
            service.id: service
            for service in self.catalogue.services.values()
            if recovery.standing(self.catalogue, self.site, service, self.profile).networks
        }
        self.networks = {
            PartKey(service.id, part.id): addresses.network(self.site, service, part.number)
            for service in self.services.values()
            for part in recovery.parts(service)
        }
        self.staffed = {
            PartKey(service.id, part.id)
            for service in self.services.values()
            for part in recovery.staffed(self.catalogue.city, service, self.profile)
        }
        self.outside = {
            one.id: Callers(tuple(one.ipv4), tuple(one.ipv6)) for one in self.catalogue.city.outside
        }
        self.whole = addresses.whole(self.site)
        self.linked = [
            other
            for other in self.catalogue.sites.values()
            if other.id != self.site.id and _linked(self.site, other)
        ]
        self.watchers = [part_of("", one) for one in self.catalogue.city.watchers]

    def run(self) -> SiteFlows:
        for listen in self.catalogue.city.listens:
            self._city_listen(listen)
        for call in self.catalogue.city.calls:
            self._outside(None, "egress", call.protocol, call.port, call.to)
        for service in self.services.values():
            for part in recovery.staffed(self.catalogue.city, service, self.profile):
                self._part(service, part)
            for part in recovery.parts(service):
                self._replication(service, part)
        self._join_inner()
        if self.watchers:
            self._watch()
        return SiteFlows(
            groups={key: self._rules(key) for key in self.staffed},
            baseline=self._rules(None),
            balanced={key: _union(found) for key, found in self.callers.items()},
            routes=self._routes(),
        )

    # -- what is declared

    def _part(self, service: Service, part: Component | Database) -> None:
        key = PartKey(service.id, part.id)
        spread = balanced_port(part, self.site)
        for listen in listens(part):
            if listen == spread:
                network = self.networks[key]
                self._add(key, "ingress", listen, "load-balancer", network)
                self.callers[key].extend(self._callers(service, listen))
            else:
                self._ingress(key, listen)
            self._egress(key, listen)
        if isinstance(part, Component):
            for call in part.calls:
                self._outside(key, "egress", call.protocol, call.port, call.to)

    def _ingress(self, key: PartKey, listen: Listen) -> None:
        for party in listen.callers:
            if party == ALL:
                self._add(key, "ingress", listen, ALL, self.whole)
            elif caller := self._inside(key.service, party):
                self._between(key, "ingress", listen, caller)
            elif party in self.outside:
                self._outside(key, "ingress", listen.protocol, listen.port, party)

    def _egress(self, key: PartKey, listen: Listen) -> None:
        for party in listen.callers:
            if party == ALL:
                self._between(None, "egress", listen, key)
                self.for_all.add(key.service)
            elif caller := self._inside(key.service, party):
                self._between(caller, "egress", listen, key)
                self._reaches(caller.service, key.service)

    def _callers(self, service: Service, listen: Listen) -> Iterator[Prefixes | Callers]:
        for party in listen.callers:
            if party == ALL:
                yield self.whole
            elif caller := self._inside(service.id, party):
                if caller in self.staffed:
                    yield self.networks[caller]
            elif party in self.outside:
                yield self.outside[party]

    def _city_listen(self, listen: Listen) -> None:
        for party in listen.callers:
            if party == ALL:
                self._add(None, "ingress", listen, ALL, self.whole)
                self._add(None, "egress", listen, ALL, self.whole)
            elif caller := self._inside("", party):
                self._between(None, "ingress", listen, caller)
                self._add(caller, "egress", listen, ALL, self.whole)
                self.for_all.add(caller.service)
            elif party in self.outside:
                self._outside(None, "ingress", listen.protocol, listen.port, party)

    def _replication(self, service: Service, part: Component | Database) -> None:
        """Open a part to its own servers, here and at the other sites where it has any."""
        key = PartKey(service.id, part.id)
        here = self._servers(self.site, service, part)
        shared = among_servers(part)
        if isinstance(part, Database) and recovery.size(part, self.profile) > 1:
            for listen, direction in itertools.product(shared, BOTH_WAYS):
                self._add(key, direction, listen, "replication", self.networks[key])
        for other in recovery.peers(self.catalogue, self.site) if shared else ():
            if _linked(self.site, other) and here and self._servers(other, service, part):
                network = addresses.network(other, service, part.number)
                for listen, direction in itertools.product(shared, BOTH_WAYS):
                    self._add(key, direction, listen, f"replication-{other.id}", network)
                self.reach[service.agency][other.id, service.agency].add(service.id)

    def _servers(self, site: Site, service: Service, part: Component | Database) -> int:
        found = recovery.standing(self.catalogue, site, service, self.profile)
        return found.servers[part.id]

    # -- what follows from it

    def _inside(self, service: str, party: str) -> PartKey | None:
        """Return the part that a party is, if it stands at this site."""
        key = part_of(service, party)
        return key if key in self.networks else None

    def _between(
        self, group: PartKey | None, direction: Direction, listen: Listen, other: PartKey
    ) -> None:
        if group is None or group in self.staffed:
            slot = _Slot(group, direction, listen.protocol, listen.port, other.service)
            self.inner[slot].add(other.part)

    def _outside(
        self, group: PartKey | None, direction: Direction, protocol: str, port: int, party: str
    ) -> None:
        found = self.outside[party]
        self._put(group, Rule(direction, protocol, port, party, found.ipv4, found.ipv6))

    def _add(
        self,
        group: PartKey | None,
        direction: Direction,
        listen: Listen,
        peer: str,
        at: Prefixes,
    ) -> None:
        rule = Rule(direction, listen.protocol, listen.port, peer, (at.ipv4,), (at.ipv6,))
        self._put(group, rule)

    def _put(self, group: PartKey | None, rule: Rule) -> None:
        if group is None or group in self.staffed:
            self.rules[group][rule.name] = rule

    def _reaches(self, one: str, other: str) -> None:
        """Note that packets pass between the two services."""
        first, second = self.services[one].agency, self.services[other].agency
        if first != second:
            self.reach[first][self.site.id, second].add(other)
            self.reach[second][self.site.id, first].add(one)

    # -- the results

    def _join_inner(self) -> None:
        """
        Turn the flows between parts into rules; parts whose prefixes join share one.

        Which join does not depend on how many servers they have, so that rules keep their names.
        """
        for slot, parts in self.inner.items():
            everyone = Rule(slot.direction, slot.protocol, slot.port, ALL, (), ()).name
            if everyone in self.rules[slot.group]:
                continue
            networks = {part: self.networks[PartKey(slot.service, part)] for part in parts}
            for joined in addresses.joined(list(networks.values())):
                names = sorted(
                    part for part, own in networks.items() if own.ipv6.subnet_of(joined.ipv6)
                )
                if not any(PartKey(slot.service, part) in self.staffed for part in names):
                    continue
                peer = "-".join([slot.service, *names])
                way = (slot.direction, slot.protocol, slot.port)
                self._put(slot.group, Rule(*way, peer, (joined.ipv4,), (joined.ipv6,)))

    def _watch(self) -> None:
        """Open what no other rule opens between the watchers and what they watch."""
        sites = [self.site, *self.linked]
        watchers = _union(self._network(site, key) for site in sites for key in self.watchers)
        for service in self.services.values():
            for part in recovery.staffed(self.catalogue.city, service, self.profile):
                key, spread = PartKey(service.id, part.id), balanced_port(part, self.site)
                for listen in listens(part):
                    if listen == spread:
                        self.callers[key].append(watchers)
                    else:
                        self._rest(key, "ingress", listen.protocol, listen.port, watchers)
        self._rest(None, "ingress", ICMP, ECHO, watchers)
        for key in self.watchers:
            for (protocol, port), places in self._watched(sites).items():
                self._rest(key, "egress", protocol, port, _union(places))
            self._cross(self.services[key.service])

    def _network(self, site: Site, key: PartKey) -> Prefixes:
        service = self.catalogue.services[key.service]
        part = next(one for one in recovery.parts(service) if one.id == key.part)
        return addresses.network(site, service, part.number)

    def _watched(self, sites: list[Site]) -> dict[tuple[str, int], list[Prefixes | Callers]]:
        """
        Return where each protocol and port is listened on.

        Sites are told as wholes, so that rules are few: where a port is, it has rules of its own.
        """
        found: dict[tuple[str, int], list[Prefixes | Callers]] = defaultdict(list)
        for site in sites:
            found[ICMP, ECHO].append(addresses.whole(site))
            for service in self.catalogue.services.values():
                standing = recovery.standing(self.catalogue, site, service, self.profile)
                for part in recovery.staffed(self.catalogue.city, service, self.profile):
                    for listen in listens(part) if standing.networks else ():
                        places = found[listen.protocol, listen.port]
                        places.append(addresses.whole(site))
                        if site.floating_ipv4 and is_public(part, listen, site):
                            places.append(Callers((site.floating_ipv4,), ()))
        return found

    def _cross(self, service: Service) -> None:
        """
        Let a watching service reach all agencies at the linked sites, and these answer.

        Its agency's router there knows the ways to the others: one route to the whole site does.
        """
        self.for_all.add(service.id)
        for other in self.linked:
            self.across[service.agency].add(other.id)
            for agency in {one.agency for one in self.services.values()}:
                self.reach[agency][other.id, service.agency].add(service.id)

    def _rest(
        self,
        group: PartKey | None,
        direction: Direction,
        protocol: str,
        port: int,
        wanted: Callers,
    ) -> None:
        """Open a port to what no other rule of the group opens it to: neutron refuses doubles."""
        same = [
            one
            for one in self.rules[group].values()
            if (one.direction, one.protocol, one.port) == (direction, protocol, port)
        ]
        open4 = [to for one in same for to in one.ipv4]
        open6 = [to for one in same for to in one.ipv6]
        ipv4 = tuple(one for one in wanted.ipv4 if not any(map(one.subnet_of, open4)))
        ipv6 = tuple(one for one in wanted.ipv6 if not any(map(one.subnet_of, open6)))
        if ipv4 or ipv6:
            peer = "watchers" if direction == "ingress" else "watched"
            self._put(group, Rule(direction, protocol, port, peer, ipv4, ipv6))

    def _rules(self, group: PartKey | None) -> tuple[Rule, ...]:
        return tuple(self.rules[group][name] for name in sorted(self.rules[group]))

    def _routes(self) -> dict[str, dict[tuple[str, str], tuple[Prefixes, ...]]]:
        self._reach_everyone()
        return {
            agency: {
                router: self._blocks(agency, router, found)
                for router, found in sorted(routers.items())
            }
            for agency, routers in sorted(self.reach.items())
        }

    def _reach_everyone(self) -> None:
        """Let every agency reach the services that all may call, and these every service."""
        owned = defaultdict(set)
        for service in self.services.values():
            owned[service.agency].add(service.id)
        for called in self.for_all:
            server = self.services[called].agency
            for agency in owned.keys() - {server}:
                self.reach[agency][self.site.id, server].add(called)
        for server in {self.services[called].agency for called in self.for_all}:
            for agency in owned.keys() - {server}:
                self.reach[server][self.site.id, agency] |= owned[agency]

    def _blocks(
        self, agency: str, router: tuple[str, str], services: set[str]
    ) -> tuple[Prefixes, ...]:
        at = self.catalogue.sites[router[0]]
        if router[1] == agency and at.id in self.across[agency]:
            return (addresses.whole(at),)
        blocks = [addresses.block(at, self.services[one]) for one in services]
        return tuple(addresses.joined(blocks))


def _linked(one: Site, other: Site) -> bool:
    """Return whether the two sites are on the same VLAN."""
    return all(site.link and Capability.VLAN_NETWORKS in site.capabilities for site in (one, other))


def _union(found: Iterable[Prefixes | Callers]) -> Callers:
    """Return the fewest prefixes that hold all that is found, each family for itself."""
    ipv4: list[IPv4Network] = []
    ipv6: list[IPv6Network] = []
    for one in found:
        if isinstance(one, Prefixes):
            ipv4.append(one.ipv4)
            ipv6.append(one.ipv6)
        else:
            ipv4.extend(one.ipv4)
            ipv6.extend(one.ipv6)
    return Callers(
        tuple(ipaddress.collapse_addresses(ipv4)), tuple(ipaddress.collapse_addresses(ipv6))
    )
