"""
What is probed: every port of every service at every site, in both families, and every DNS name.

All follows from the catalogue, the stacks' outputs and `probes.yaml`; a service's file that is
added needs no more.  A service is as good as what others call of it: ports that only its own
components call are probed, but not counted, unless no others of it are deployed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from catalogue import flows, recovery
from catalogue.model import Catalogue, Component, Database, Listen, Model, Service
from exporters.outputs import Endpoint, Outputs

FILE = Path(__file__).parent / "probes.yaml"
DNS_PORT = 53

Family = Literal["ipv4", "ipv6"]
FAMILIES: tuple[Family, ...] = ("ipv4", "ipv6")
Kind = Literal["http", "tls", "tcp", "dns", "postgresql", "icmp"]
Address = IPv4Address | IPv6Address


class Match(Model):
    """What is asked of a port: one of these suffices."""

    ids: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    """"53/udp"."""
    protocols: tuple[Literal["tcp", "udp"], ...] = ()
    engines: tuple[str, ...] = ()

    def meets(self, part: Component | Database, listen: Listen) -> bool:
        """Return whether the port of the component or database is meant."""
        if isinstance(part, Database) and part.engine in self.engines:
            return True
        return (
            listen.id in self.ids
            or f"{listen.port}/{listen.protocol}" in self.ports
            or listen.protocol in self.protocols
        )


class Rule(Match):
    """How a port is probed."""

    kind: Kind
    path: str = "/"
    status: tuple[int, ...] = (200,)
    content: dict[str, tuple[str, ...]] = Field({}, alias="json")
    """Fields of the JSON that is answered, with the texts that each may be."""


class LeftOut(Match):
    """Ports that are not probed."""

    reason: str


class Rules(Model):
    """probes.yaml."""

    rules: list[Rule]
    left_out: list[LeftOut]

    def rule(self, part: Component | Database, listen: Listen) -> Rule | None:
        """Return how a port is probed, or None where it is not."""
        if any(one.meets(part, listen) for one in self.left_out):
            return None
        return next((one for one in self.rules if one.meets(part, listen)), None)


def load() -> Rules:
    """Read probes.yaml."""
    return Rules.model_validate(yaml.safe_load(FILE.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Question:
    """What a name server is asked, and what it must answer."""

    name: str
    """Absolute, without the last dot."""
    record: Literal["A", "AAAA", "SOA"]
    answers: frozenset[str]
    """The addresses that are right; empty: any answer of a server with authority."""
    transport: Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is probed, in one family."""

    service: str
    site: str
    name: str
    """Which of the service's things at the site: "gateway/https/10.58.1.5"."""
    kind: Kind
    family: Family
    addresses: tuple[Address, ...]
    """Where it is; of several the first that answers counts, as for a resolver."""
    port: int = 0
    server_name: str = ""
    """The name that its certificate must have."""
    rule: Rule | None = None
    question: Question | None = None

    @property
    def label(self) -> str:
        """What tells it from the service's other targets of its family."""
        return f"{self.site}/{self.name}"

    @property
    def id(self) -> str:
        """What tells it from all others."""
        return f"{self.service}/{self.label}/{self.family}"


Alternatives = tuple[str, ...]
"""Ids of targets of which one suffices: the servers of one port."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is probed, and what of it makes a service good."""

    targets: dict[str, Target]
    services: dict[tuple[str, Family], dict[str, tuple[Alternatives, ...]]]
    """What a service needs at a site to be good there: all of these, each by one of its own."""


def plan(catalogue: Catalogue, stacks: Iterable[Outputs], rules: Rules) -> Plan:
    """Return what is probed of the stacks."""
    stacks = list(stacks)
    deployed = {
        (one.service, one.component, one.name) for outputs in stacks for one in outputs.endpoints
    }
    entries = {
        service.id: {
            (part, listen)
            for part, listen in _entries(service)
            if (service.id, part, listen) in deployed
        }
        for service in catalogue.services.values()
    }
    targets: dict[str, Target] = {}
    services: dict[tuple[str, Family], dict[str, list[Alternatives]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for outputs in stacks:
        for group in _groups(catalogue, outputs, rules, entries):
            targets |= {one.id: one for one in group.targets}
            if group.counted and group.targets:
                first = group.targets[0]
                ids = tuple(one.id for one in group.targets)
                services[first.service, first.family][first.site].append(ids)
    return Plan(
        targets,
        {
            key: {site: tuple(all_) for site, all_ in sites.items()}
            for key, sites in services.items()
        },
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Targets of one service, site and family of which one suffices."""

    targets: list[Target]
    counted: bool


def _groups(
    catalogue: Catalogue,
    outputs: Outputs,
    rules: Rules,
    entries: Mapping[str, Collection[tuple[str, str]]],
) -> Iterator[_Group]:
    site = outputs.site
    domain = f"{site}.{catalogue.city.domain}".rstrip(".")
    name_servers = {
        family: tuple(
            address
            for one in outputs.endpoints
            if (one.port, one.protocol) == (DNS_PORT, "udp")
            for address in _addresses(one, family)
        )
        for family in FAMILIES
    }
    for endpoint in outputs.endpoints:
        service = catalogue.services[endpoint.service]
        part = next(one for one in recovery.parts(service) if one.id == endpoint.component)
        listen = next(one for one in flows.listens(part) if one.id == endpoint.name)
        rule = rules.rule(part, listen)
        known = entries[service.id]
        counted = not known or (part.id, listen.id) in known
        for family in FAMILIES:
            found = list(_ports(endpoint, outputs, domain, rule, family)) if rule else []
            yield _Group(found, counted)
            for name in endpoint.dns_names:
                named = _name(endpoint, site, name, family, name_servers[family])
                yield _Group([named] if named else [], counted)
    for host in outputs.hosts:
        both: dict[Family, Address] = {"ipv4": host.ipv4, "ipv6": host.ipv6}
        for family, address in both.items():
            name = f"{host.name}/icmp"
            yield _Group(
                [Target(host.service, site, name, "icmp", family, (address,))], counted=False
            )


def _entries(service: Service) -> Iterator[tuple[str, str]]:
    """Yield the ports that others than the service's own components call: part, port's id."""
    own = {part.id for part in recovery.parts(service)}
    for part in recovery.parts(service):
        for listen in flows.listens(part):
            if not own.issuperset(listen.callers):
                yield part.id, listen.id


def _ports(
    endpoint: Endpoint, outputs: Outputs, domain: str, rule: Rule, family: Family
) -> Iterator[Target]:
    usual = f"{endpoint.service}-{endpoint.component}.{domain}"
    question = (
        Question(domain, "SOA", frozenset(), endpoint.protocol) if rule.kind == "dns" else None
    )
    for address in _addresses(endpoint, family):
        yield Target(
            service=endpoint.service,
            site=outputs.site,
            name=f"{endpoint.component}/{endpoint.name}/{address}",
            kind=rule.kind,
            family=family,
            addresses=(address,),
            port=endpoint.port,
            server_name=next(iter(endpoint.dns_names), usual),
            rule=rule,
            question=question,
        )


def _name(
    endpoint: Endpoint, site: str, name: str, family: Family, servers: tuple[Address, ...]
) -> Target | None:
    """Return the target of a DNS name, or None where the site has no name server for it."""
    answers = frozenset(map(str, _addresses(endpoint, family)))
    if not servers or not answers:
        return None
    return Target(
        service=endpoint.service,
        site=site,
        name=f"{endpoint.component}/dns/{name}",
        kind="dns",
        family=family,
        addresses=servers,
        port=DNS_PORT,
        question=Question(name, "A" if family == "ipv4" else "AAAA", answers, "udp"),
    )


def _addresses(endpoint: Endpoint, family: Family) -> list[Address]:
    """Return where an endpoint is called: a public one at the address that its names lead to."""
    if family == "ipv6":
        return list(endpoint.ipv6)
    return [endpoint.public_ipv4] if endpoint.public_ipv4 else list(endpoint.ipv4)
