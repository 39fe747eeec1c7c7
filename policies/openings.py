"""What security groups let pass, and what the city declares that they may."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from catalogue.flows import PartKey, Rule
from infra.graph import Resource
from policies.prefixes import ALL_PORTS, NOTHING, Ranges, everything, prefix_set
from policies.view import View

ICMP = {4: "icmp", 6: "ipv6-icmp"}
_NAMES = {
    "any": "", "0": "", "-1": "",
    "1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp",
    "icmpv6": "ipv6-icmp", "ipv6-icmp": "ipv6-icmp",
}  # fmt: skip
WITH_PORTS = ("tcp", "udp", "sctp")


@dataclass(frozen=True)
class Opening:
    """What one rule of a security group lets pass."""

    rule: Resource
    group: str
    """The group's URN, or its id if it is not of this stack."""
    direction: str
    version: int
    protocol: str
    """Empty: any."""
    ports: Ranges
    """Of ICMP the type.  Of a protocol without ports, none.  Where the protocol is any, all."""
    addresses: Ranges
    """Of the other side; empty where the other side is a group."""

    def passes(self, protocol: str, port: int) -> bool:
        """Return whether a packet of the protocol to the port passes."""
        return self.protocol in ("", protocol) and Ranges(((port, port),)) <= self.ports


def openings(view: View) -> list[Opening]:
    """Return what all rules let pass.  Raise UnknownValueError."""
    return view.memo("openings", lambda: [opening(view, one) for one in view.of("SecGroupRule")])


def opening(view: View, rule: Resource) -> Opening:
    """Return what a rule lets pass: what it leaves out is any.  Raise UnknownValueError."""
    group = view.ref(rule, "securityGroupId", "SecGroup")
    version = 4 if str(view.get(rule, "ethertype")).lower() == "ipv4" else 6
    protocol = protocol_of(view, rule)
    return Opening(
        rule,
        group.urn if group else str(view.get(rule, "securityGroupId")),
        str(view.get(rule, "direction")),
        version,
        protocol,
        ports_of(view, rule, protocol),
        _addresses(view, rule, version),
    )


def protocol_of(view: View, rule: Resource) -> str:
    """Return the rule's protocol by its name, empty for any."""
    said = str(view.get(rule, "protocol") or "").lower()
    return _NAMES.get(said, said)


def ports_of(view: View, rule: Resource, protocol: str) -> Ranges:
    """Return the ports that the rule names; all where it names none and the protocol has ports."""
    low, high = view.get(rule, "portRangeMin"), view.get(rule, "portRangeMax")
    if protocol in ICMP.values() and low is not None:
        return Ranges.of([(int(low), int(low))])
    if protocol and protocol not in WITH_PORTS:
        return NOTHING
    if not protocol or not (low or high):
        return ALL_PORTS
    return Ranges.of([(int(low or 1), int(high or 65535))])


def _addresses(view: View, rule: Resource, version: int) -> Ranges:
    if view.inputs_named(rule, "remoteGroupId"):
        return NOTHING
    if view.inputs_named(rule, "remoteAddressGroupId"):
        group = view.ref(rule, "remoteAddressGroupId", "AddressGroupV2")
        # A group that is not of this stack may hold anything.
        return prefix_set(view.every(group, "addresses"), version) if group else everything(version)
    prefix = view.get(rule, "remoteIpPrefix")
    return prefix_set([prefix], version) if prefix else everything(version)


def together(view: View) -> Mapping[tuple[str, str, int], list[Opening]]:
    """Return the openings by group, direction and IP version."""

    def make() -> Mapping[tuple[str, str, int], list[Opening]]:
        found: dict[tuple[str, str, int], list[Opening]] = defaultdict(list)
        for one in openings(view):
            found[one.group, one.direction, one.version].append(one)
        return found

    return view.memo("together", make)


def who_passes(some: list[Opening], protocol: str, port: int) -> Ranges:
    """Return all addresses that may use the port, whichever rules let them."""
    passing = [one.addresses for one in some if one.passes(protocol, port)]
    return Ranges.of(span for each in passing for span in each.spans)


# -- what is declared


def declared(view: View, group: Resource) -> tuple[Rule, ...] | None:
    """Return what the city declares for a group, None if it knows none like it."""
    said = view.labels(group)
    key = PartKey(said.get("service", ""), said.get("component", ""))
    if key in view.flows.groups:
        return view.flows.groups[key]
    is_baseline = view.get(group, "name") == "baseline" and "service" not in said
    return view.flows.baseline if is_baseline else None


def allowed(view: View, group: Resource) -> Mapping[tuple[str, str, int, int], Ranges] | None:
    """Return whom the city declares for a group, by direction, protocol, port and IP version."""

    def make() -> Mapping[tuple[str, str, int, int], Ranges] | None:
        rules = declared(view, group)
        if rules is None:
            return None
        found: dict[tuple[str, str, int, int], Ranges] = defaultdict(Ranges)
        for rule in rules:
            for version, prefixes in ((4, rule.ipv4), (6, rule.ipv6)):
                key = (rule.direction, *rule.of(version), version)
                found[key] |= prefix_set(map(str, prefixes), version)
        return found

    return view.memo(("allowed", group.urn), make)


def parties(view: View) -> Mapping[str, Mapping[int, Ranges]]:
    """Return the addresses, by IP version, of everyone that the city can name."""

    def make() -> Mapping[str, Mapping[int, Ranges]]:
        found: dict[str, Mapping[int, Ranges]] = {}
        for one in view.catalogue.city.outside:
            found[one.id] = {
                4: prefix_set(map(str, one.ipv4), 4),
                6: prefix_set(map(str, one.ipv6), 6),
            }
        for site in view.catalogue.sites.values():
            for key, network in view.networks(site).items():
                found[f"{key} at {site.id}"] = {
                    4: prefix_set([str(network.ipv4)], 4),
                    6: prefix_set([str(network.ipv6)], 6),
                }
        return {name: sets for name, sets in found.items() if sets[4] and sets[6]}

    return view.memo("parties", make)
