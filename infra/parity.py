"""
Whether the standby site can take over: what stands in for what there, and what is missing.

The two sites' programs give the same thing the same name, so a resource's counterpart is the one of
the same type and name.  Which ones a service must have follows from its recovery tier.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from catalogue.model import RecoveryClass, RecoveryTier
from infra.graph import Graph, Resource

SERVICE = "citydc:service:CityService"
TIER, DATABASE = "citydc:service:Tier", "citydc:service:Database"
SERVER = "citydc:server:Server"
BALANCERS = "citydc:network:Balancers"
NAME = "citydc:dns:DualStackName"
BACKUP = "-backup"
REPLICATION = re.compile(r"-(from|to)-replication-.+-(tcp|udp)-")
"""Rules for replication name the other site, so that counterparts have different names."""


@dataclass(frozen=True)
class StandIn:
    """Objects of one type of one component, or of the service itself."""

    component: str
    """Empty for what belongs to no component."""
    type: str
    """The type's last part, such as "Instance"."""
    primary: tuple[str, ...]
    standby: tuple[str, ...]
    missing: tuple[str, ...]
    """What the recovery tier asks for and the standby site has not."""


@dataclass(frozen=True)
class ServiceParity:
    """How a service stands at the two sites."""

    service: str
    tier: RecoveryTier
    stand_ins: tuple[StandIn, ...]

    @property
    def missing(self) -> list[str]:
        """Return what is missing: "Instance lgsp-gateway-1"..."""
        return [f"{one.type} {name}" for one in self.stand_ins for name in one.missing]


def compare(
    primary: Graph, standby: Graph, classes: Iterable[RecoveryClass]
) -> list[ServiceParity]:
    """
    Return how each service of the primary site stands at the standby site, by name.

    `classes` says what each recovery tier asks for.
    """
    asked = {one.tier: one for one in classes}
    here, there = _Index(primary), _Index(standby)
    return [_service(name, here, there, asked) for name in sorted(here.services)]


def _service(
    name: str, here: "_Index", there: "_Index", asked: Mapping[RecoveryTier, RecoveryClass]
) -> ServiceParity:
    tier = here.tier(name)
    share = asked[tier]
    servers: dict[str, int] = defaultdict(int)
    for one in here.services[name]:
        if one.kind == "Instance":
            servers[one.component] += 1
    found: dict[tuple[str, str], list[_Item]] = defaultdict(list)
    for one in here.services[name]:
        found[one.component, one.kind].append(one)
    have = {one.key for one in there.services.get(name, ())}
    return ServiceParity(
        name,
        tier,
        tuple(
            StandIn(
                component,
                kind,
                primary=tuple(one.name for one in items),
                standby=tuple(one.name for one in items if one.key in have),
                missing=tuple(
                    one.name
                    for one in items
                    if one.key not in have
                    and _needed(one, share, servers[component])
                    and there.knows(one.peer, here)
                ),
            )
            for (component, kind), items in sorted(found.items())
        ),
    )


def _needed(one: "_Item", share: RecoveryClass, servers: int) -> bool:
    """Return whether the tier asks for that resource of a component with so many servers."""
    if one.backup:
        return True
    if share.servers:
        return one.server is None or one.server <= math.ceil(servers * share.servers)
    if one.kind == "Volume" and not one.running:
        return share.data and (not one.database or one.server == 1)
    return share.data and not one.running


@dataclass(frozen=True)
class _Item:
    """A resource of a service."""

    kind: str
    name: str
    component: str
    database: bool
    server: int | None
    """Which of the component's servers it belongs to, from 1."""
    running: bool
    """Whether it is there for servers that run, and not for data or takeover."""
    backup: bool
    peer: str
    """Whom a security group's rule names, or empty."""

    @property
    def key(self) -> tuple[str, str]:
        """What it shares with its counterpart; a rule for replication names the other site."""
        return self.kind, REPLICATION.sub(r"-\1-peer-\2-", self.name)


class _Index:
    """A graph by services."""

    def __init__(self, graph: Graph) -> None:
        self._by_urn = {one.urn: one for one in graph.resources}
        self.services: dict[str, list[_Item]] = defaultdict(list)
        self._said: dict[str, Resource] = {}
        for resource in graph.resources:
            above = {one.type: one for one in self._above(resource)}
            if SERVICE in above and not resource.type.startswith("citydc:"):
                service = above[SERVICE].name
                self.services[service].append(_item(resource, above))
                if "Container" in resource.type or "Network" in resource.type:
                    self._said.setdefault(service, resource)

    def _above(self, resource: Resource) -> Iterator[Resource]:
        parent = self._by_urn.get(resource.parent)
        while parent:
            yield parent
            parent = self._by_urn.get(parent.parent)

    def tier(self, service: str) -> RecoveryTier:
        """Return the recovery tier that the service's resources say."""
        inputs = self._said[service].inputs
        said = {
            name.replace("-", "_"): text for name, text in (inputs.get("metadata") or {}).items()
        }
        said |= dict(tag.split("=", 1) for tag in inputs.get("tags") or () if "=" in tag)
        return RecoveryTier(said["recovery_tier"])

    @cached_property
    def _networks(self) -> Sequence[str]:
        """The services that have networks, the longest names first."""
        having = [
            service
            for service, items in self.services.items()
            if any(one.kind == "Network" for one in items)
        ]
        return sorted(having, key=len, reverse=True)

    def service_of(self, peer: str) -> str | None:
        """Return the service whose component a rule's peer is."""
        return next((one for one in self._networks if peer.startswith(f"{one}-")), None)

    def knows(self, peer: str, other: "_Index") -> bool:
        """Return whether a rule's peer, at the other site, can be here too."""
        service = other.service_of(peer)
        return service is None or service in self._networks


def _item(resource: Resource, above: Mapping[str, Resource]) -> _Item:
    kind = resource.type.rpartition(":")[2]
    part = above.get(DATABASE) or above.get(TIER)
    component = part.name if part else ""
    running = bool({SERVER, BALANCERS, NAME} & above.keys()) or kind == "ServerGroup"
    return _Item(
        kind=kind,
        name=resource.name,
        component=component,
        database=DATABASE in above,
        server=_server(resource, above, component, kind),
        running=running,
        backup=kind == "Container" and resource.name == f"{above[SERVICE].name}{BACKUP}",
        peer=_peer(resource) if kind == "SecGroupRule" else "",
    )


def _server(
    resource: Resource, above: Mapping[str, Resource], component: str, kind: str
) -> int | None:
    name = above[SERVER].name if SERVER in above else ""
    if kind == "Member":
        name = str(resource.inputs["name"])
    if kind == "Volume":
        name = resource.name
    number = re.match(rf"{re.escape(component)}-(\d+)(-|$)", name)
    return int(number[1]) if number else None


def _peer(rule: Resource) -> str:
    said = re.fullmatch(r"(from|to)-(.+)-(tcp|udp)-\d+", str(rule.inputs["description"]))
    return said[2] if said else ""
