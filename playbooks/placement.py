"""
What each host runs besides being hardened: the roles it gets, and what they are told.

Both follow from the catalogue, the stack's outputs and `placement.yaml`; a service's file that is
added needs no more.  Other sites' hosts are known by the address plan, so that a site is configured
before the other exists.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any

import yaml

from catalogue import addresses, flows, recovery
from catalogue.flows import PartKey
from catalogue.model import Catalogue, Component, Database, Listen, Model, Service, Site
from infra.outputs import Endpoint, Host, Outputs

FILE = Path(__file__).parent / "placement.yaml"
LOCAL_PORT = 8080
"""Where an application answers on its own host, whatever else it listens on."""
UPTIME_PORT = 9812
"""Where the observers of uptime ask each other."""
ENGINES = {"postgresql", "mariadb"}
"""Roles that run a database; each is named for its engine."""
SERIAL_LENGTH = 20
"""How much of a volume's id a disk tells as its serial (virtio)."""
LABEL_BITS = {4: 8, 6: 4}
"""How much of an address a label of its reverse name stands for, by the address's version."""
ADDRESS_RECORDS = {4: "A", 6: "AAAA"}

Values = dict[str, Any]


class Match(Model):
    """What is asked of a host's component or database: one of these suffices."""

    tiers: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    """"53/udp"."""

    def meets(self, part: Component | Database) -> bool:
        """Return whether the component or database is meant."""
        if isinstance(part, Database):
            return part.engine in self.engines
        ports = {f"{one.port}/{one.protocol}" for one in part.listens}
        return part.tier in self.tiers or not ports.isdisjoint(self.ports)


class Rule(Match):
    """Which hosts get a role."""

    role: str
    unless: tuple[str, ...] = ()
    """Roles that, given to the host before, rule this one out."""


class LeftOut(Match):
    """Hosts that get no role yet."""

    reason: str


class Placement(Model):
    """placement.yaml."""

    rules: list[Rule]
    data: dict[str, str]
    """Where a role's hosts have their first data volume."""
    left_out: list[LeftOut]

    def roles(self, part: Component | Database) -> list[str]:
        """Return the roles that the part's hosts get, in order."""
        found: list[str] = []
        for rule in self.rules:
            if rule.meets(part) and not set(rule.unless) & set(found):
                found.append(rule.role)
        return found


def load() -> Placement:
    """Read placement.yaml."""
    return Placement.model_validate(yaml.safe_load(FILE.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Placed:
    """What a host gets."""

    roles: list[str]
    variables: Values

    @property
    def groups(self) -> list[str]:
        """The inventory's groups that stand for the roles, and for having data volumes."""
        volumes = ["has_volumes"] if self.variables["volumes_mounts"] else []
        return [*volumes, *(f"runs_{role}" for role in self.roles)]


def placed(outputs: Outputs, catalogue: Catalogue) -> dict[str, Placed]:
    """Return what each host of the stack gets, by its name."""
    city = _City(outputs, catalogue, load())
    return {host.name: city.place(host) for host in outputs.hosts}


@dataclass(frozen=True)
class _Server:
    """A server of a part, at any site."""

    site: str
    name: str
    domain_name: str
    pair: addresses.Pair

    def values(self) -> Values:
        return {
            "site": self.site,
            "name": self.domain_name,
            "ipv4": str(self.pair.ipv4),
            "ipv6": str(self.pair.ipv6),
        }


@dataclass(frozen=True)
class _City:
    outputs: Outputs
    catalogue: Catalogue
    placement: Placement

    @cached_property
    def site(self) -> Site:
        return self.catalogue.sites[self.outputs.site]

    @cached_property
    def sites(self) -> list[Site]:
        """The primary site first."""
        sites = [self.site, *recovery.peers(self.catalogue, self.site)]
        return sorted(sites, key=lambda one: (one.role != "primary", one.number))

    def place(self, host: Host) -> Placed:
        service = self.catalogue.services[host.service]
        part = _part(service, host.component)
        roles = self.placement.roles(part)
        upstream = list(self._upstream(service, part)) if "proxy" in roles else []
        if upstream:
            roles.remove("application")
        variables = self._certificate(host) | {"volumes_mounts": self._mounts(host, roles)}
        if "dns" in roles:
            variables |= self._dns(host)
        if "loghost" in roles:
            variables |= {"loghost_port": 6514, "loghost_senders": self._domains("*.")}
        if "exporters" in roles:
            variables |= self._exporters(service, part, host)
        if "monitoring" in roles:
            variables |= self._monitoring(service, part, host)
        for engine in ENGINES & set(roles):
            variables |= self._cluster(engine, service, part, host)
        if "proxy" in roles:
            variables["proxy_frontends"] = self._frontends(host, part, upstream)
        if "application" in roles:
            ports = [] if "proxy" in roles else [one.port for one in _tcp(part)]
            variables |= self._application(service, part, ports)
        return Placed(roles, variables)

    # -- names

    def _domain_name(self, site: Site, name: str) -> str:
        return f"{name}.{site.id}.{self.catalogue.city.domain}".rstrip(".")

    def _domains(self, prefix: str = "") -> list[str]:
        return [prefix + f"{one.id}.{self.catalogue.city.domain}".rstrip(".") for one in self.sites]

    def _servers(self, site: Site, service: Service, part: Component | Database) -> list[_Server]:
        standing = recovery.standing(self.catalogue, site, service, self.outputs.profile)
        network = addresses.network(site, service, part.number)
        names = [
            flows.server_name(PartKey(service.id, part.id), index)
            for index in range(standing.servers[part.id])
        ]
        return [
            _Server(site.id, name, self._domain_name(site, name), network.server(index))
            for index, name in enumerate(names)
        ]

    def _everywhere(self, service: Service, part: Component | Database) -> list[_Server]:
        return [one for site in self.sites for one in self._servers(site, service, part)]

    def _certificate(self, host: Host) -> Values:
        endpoints = [
            one
            for one in self.outputs.endpoints
            if (one.service, one.component) == (host.service, host.component)
        ]
        balanced = [one for one in endpoints if one.balanced]
        names = [
            self._domain_name(self.site, host.name),
            self._domain_name(self.site, f"{host.service}-{host.component}"),
            *(name for one in endpoints for name in one.dns_names),
        ]
        numbers = [
            host.ipv4,
            host.ipv6,
            *(two for one in balanced for two in (*one.ipv4, *one.ipv6)),
        ]
        return {
            "certificate_common_name": f"{host.name}.{self.site.id}",
            "certificate_names": list(dict.fromkeys(names)),
            "certificate_addresses": list(dict.fromkeys(map(str, numbers))),
        }

    def _mounts(self, host: Host, roles: list[str]) -> list[Values]:
        places = [self.placement.data[role] for role in roles if role in self.placement.data]
        return [
            {
                "device": f"/dev/disk/by-id/virtio-{one.id[:SERIAL_LENGTH]}",
                "path": places[0] if places and not index else f"/srv/{one.name}",
            }
            for index, one in enumerate(host.volumes)
        ]

    # -- what watches

    def _exporters(self, service: Service, part: Component | Database, host: Host) -> Values:
        """
        Describe an observer: its like at the other site, and the routers that prove its paths.

        Where a site has several, each asks the one with its own number.
        """
        index = [one.name for one in self._servers(self.site, service, part)].index(host.name)
        others = [
            servers[index]
            for site in self.sites
            if site != self.site and len(servers := self._servers(site, service, part)) > index
        ]
        peer = others[0] if others else None
        found = {
            "site": self.site.id,
            "sites": [site.id for site in self.sites],
            "peer": {"site": peer.site, "url": f"https://[{peer.pair.ipv6}]:{UPTIME_PORT}"}
            if peer
            else {},
            "self_checks": self_checks(self.sites, service, part),
        }
        return {f"exporters_{name}": value for name, value in found.items()}

    def _monitoring(self, service: Service, part: Component | Database, host: Host) -> Values:
        """Name all that watch, at all sites, and how much of its volume a host may fill."""
        found: Values = {
            "monitoring_servers": [str(one.pair.ipv6) for one in self._everywhere(service, part)]
        }
        if host.volumes:
            size = host.volumes[0].size_gib * 1024 * 4 // 5
            found["monitoring_retention_size"] = f"{size}MB"
        return found

    # -- what is between services

    def _upstream(self, service: Service, part: Component | Database) -> Iterator[Endpoint]:
        """Yield what a proxy leads to: ports of its own service's components that it may call."""
        for component in service.components:
            for listen in component.listens:
                if part.id in listen.callers and listen.protocol == "tcp" and component != part:
                    yield from (
                        one
                        for one in self.outputs.endpoints
                        if (one.service, one.component, one.name)
                        == (service.id, component.id, listen.id)
                    )

    def _frontends(
        self, host: Host, part: Component | Database, upstream: list[Endpoint]
    ) -> list[Values]:
        """Describe the ports that a proxy listens on; all lead to the first thing behind it."""
        if upstream:
            behind = upstream[0]
            verify = self._domain_name(self.site, f"{behind.service}-{behind.component}")
            members = [{"address": str(one), "port": behind.port} for one in behind.ipv6]
        else:
            verify = self._domain_name(self.site, host.name)
            members = [{"address": "::1", "port": LOCAL_PORT}]
        return [
            {"name": one.id, "port": one.port, "members": members, "verify": verify}
            for one in _tcp(part)
        ]

    def _application(
        self, service: Service, part: Component | Database, ports: list[int]
    ) -> Values:
        return {
            "application_service": service.id,
            "application_component": part.id,
            "application_site": self.site.id,
            "application_ports": ports,
            "application_database": self._database(service, part),
        }

    def _database(self, service: Service, part: Component | Database) -> Values:
        """Describe the first database that the part may call, its own service's before others'."""
        services = sorted(self.catalogue.services.values(), key=lambda one: one.id != service.id)
        for owner in services:
            for database in owner.databases:
                servers = self._servers(self.site, owner, database)
                callers = [flows.part_of(owner.id, one) for one in database.callers]
                engine = next(iter(ENGINES & set(self.placement.roles(database))), None)
                if engine and servers and PartKey(service.id, part.id) in callers:
                    return {
                        "engine": engine,
                        "cluster": f"{owner.id}-{database.id}",
                        "name": _identifier(f"{owner.id}-{database.id}"),
                        "user": _identifier(f"{service.id}-{part.id}"),
                        "port": database.port,
                        "servers": [one.values() for one in servers],
                    }
        return {}

    def _cluster(
        self, engine: str, service: Service, part: Component | Database, host: Host
    ) -> Values:
        """Describe a database's servers at all sites; where there are several, the first leads."""
        servers = self._everywhere(service, part)
        own = next(one for one in servers if (one.site, one.name) == (self.site.id, host.name))
        # PostgreSQL says on each server whom it hears; MariaDB's accounts are the same on all.
        sites = self.sites if engine == "mariadb" else [self.site]
        listen = _tcp(part)[0]
        found: Values = {
            "cluster": f"{service.id}-{part.id}",
            "database": _identifier(f"{service.id}-{part.id}"),
            "port": listen.port,
            "role": host.role,
            "self": own.domain_name,
            "servers": [one.values() for one in servers],
            "callers": [
                {"name": _identifier(str(key)), "ipv4": str(at.ipv4), "ipv6": str(at.ipv6)}
                for key in dict.fromkeys(flows.part_of(service.id, one) for one in listen.callers)
                for site in sites
                if (at := self._network(site, key))
            ],
        }
        elsewhere = [one for one in servers if one.site != servers[0].site]
        found["repository"] = elsewhere[0].domain_name if elsewhere else ""
        found["watchers"] = self._watchers()
        if any(volume.name == "backups" for volume in host.volumes):
            found["store"] = "/srv/backups"
        return {f"{engine}_{name}": value for name, value in found.items()}

    def _watchers(self) -> list[Values]:
        """Name the networks of the city's watchers at all sites; they stand in every profile."""
        found = []
        for key in (flows.part_of("", one) for one in self.catalogue.city.watchers):
            service = self.catalogue.services[key.service]
            for site in self.sites:
                at = addresses.network(site, service, _part(service, key.part).number)
                found.append({"ipv4": str(at.ipv4), "ipv6": str(at.ipv6)})
        return found

    def _network(self, site: Site, key: PartKey) -> addresses.Prefixes | None:
        """Return a part's network at a site, if it has one."""
        service = self.catalogue.services.get(key.service)
        if not service:
            return None
        part = _part(service, key.part)
        standing = recovery.standing(self.catalogue, site, service, self.outputs.profile)
        staffed = recovery.size(part, self.outputs.profile) and standing.networks
        return addresses.network(site, service, part.number) if staffed else None

    # -- names of everything

    def _dns(self, host: Host) -> Values:
        """Describe the zones: this site's are kept by its first name server, all others follow."""
        servers = [
            one
            for service in self.catalogue.services.values()
            for part in service.components
            if "dns" in self.placement.roles(part)
            for one in self._everywhere(service, part)
        ]
        first = {one.site: one for one in reversed(servers)}
        keeps = first[self.site.id].name == host.name
        zones = [
            {
                "name": zone,
                "primary": first[site.id].values() if site != self.site or not keeps else {},
                "records": self._records(zone) if keeps and site == self.site else [],
            }
            for site in self.sites
            if site.id in first
            for zone in self._zones(site)
        ]
        return {
            "dns_name": self._domain_name(self.site, host.name),
            "dns_servers": [one.values() for one in servers],
            "dns_zones": zones,
        }

    def _zones(self, site: Site) -> list[str]:
        """Return a site's zone, and those of its addresses."""
        domain = f"{site.id}.{self.catalogue.city.domain}"
        return [domain, *_reverse(site.ipv4), *_reverse(site.ipv6)]

    def _records(self, zone: str) -> list[Values]:
        names = [
            *(
                (name, address)
                for one in self.outputs.endpoints
                for name in one.dns_names
                for address in (*one.ipv4, *one.ipv6)
            ),
            *(
                (self._domain_name(self.site, one.name), address)
                for one in self.outputs.hosts
                for address in (one.ipv4, one.ipv6)
            ),
        ]
        records = dict.fromkeys(
            record
            for name, address in names
            for record in (
                (f"{name}.", ADDRESS_RECORDS[address.version], str(address)),
                (f"{address.reverse_pointer}.", "PTR", f"{name}."),
            )
            if record[0].endswith(f".{zone}")
        )
        pointed = {}
        for name, kind, data in records:
            pointed[name, kind, data if kind != "PTR" else ""] = data
        return [
            {"name": name, "type": kind, "data": data}
            for (name, kind, _), data in sorted(pointed.items())
        ]


def self_checks(
    sites: Iterable[Site], service: Service, part: Component | Database
) -> list[Values]:
    """Return the checks of an observer's own paths: the routers of its part at these sites."""
    return [
        {
            "id": f"router-{site.id}-ipv{address.version}",
            "kind": "icmp",
            "address": str(address),
            "reaches": [site.id],
        }
        for site in sites
        for router in [addresses.network(site, service, part.number).gateway]
        for address in (router.ipv4, router.ipv6)
    ]


def _part(service: Service, name: str) -> Component | Database:
    return next(one for one in recovery.parts(service) if one.id == name)


def _tcp(part: Component | Database) -> list[Listen]:
    return [one for one in flows.listens(part) if one.protocol == "tcp"]


def _identifier(name: str) -> str:
    """Return an SQL name that needs no quotes."""
    return name.replace("-", "_")


def _reverse(network: IPv4Network | IPv6Network) -> list[str]:
    """Return the zones of a prefix's addresses: as many as it takes to end at a label."""
    label = LABEL_BITS[network.version]
    length = -(-network.prefixlen // label) * label
    kept = length // label
    return [
        ".".join(ip_address(one[0]).reverse_pointer.split(".")[-kept - 2 :]) + "."
        for one in network.subnets(new_prefix=length)
    ]
