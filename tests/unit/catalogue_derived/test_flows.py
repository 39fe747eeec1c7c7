"""What is open at a site is what the catalogue declares, and nothing else."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from small_city import (
    EVERYTHING,
    all_services,
    backup,
    component,
    listen,
    main,
    service,
    small_city,
)

import catalogue
from catalogue import flows, recovery
from catalogue.flows import ECHO, ICMP, PartKey, Rule, SiteFlows
from catalogue.model import (
    Catalogue,
    City,
    Component,
    Database,
    Listen,
    Profile,
    Service,
    Site,
)

CITY = small_city()
Opened = dict[tuple[str, str, int], set[Any]]
"""Prefixes by direction, protocol and port."""


def resolved(
    known: Catalogue = CITY, site: str = "main", profile: Profile = Profile.PRODUCTION
) -> SiteFlows:
    """Resolve a site's flows."""
    return flows.resolve(known, known.sites[site], profile)


def names(rules: Iterable[Rule]) -> list[str]:
    """Return the rules' names."""
    return [one.name for one in rules]


def test_a_call_opens_both_ends() -> None:
    """The caller may go out, the callee lets it in; parts whose prefixes join share a rule."""
    groups = resolved().groups
    assert names(groups[PartKey("shop", "app")]) == [
        "from-desk-app-jobs-tcp-8443",
        "from-shop-web-tcp-8443",
        "to-shop-store-tcp-5432",
    ]
    assert "to-shop-app-tcp-8443" in names(groups[PartKey("shop", "web")])
    assert "to-shop-app-tcp-8443" in names(groups[PartKey("desk", "jobs")])


def test_balanced_servers_hear_the_balancer_alone() -> None:
    """Their callers are the balancer's."""
    found = resolved()
    web = [one for one in found.groups[PartKey("shop", "web")] if one.direction == "ingress"]
    assert names(web) == ["from-load-balancer-tcp-443"]
    assert [str(one) for one in web[0].ipv4] == ["10.1.4.0/26"]
    callers = found.balanced[PartKey("shop", "web")]
    assert [str(one) for one in callers.ipv4] == ["0.0.0.0/0"]
    assert [str(one) for one in callers.ipv6] == ["::/0"]


def test_without_balancers_servers_hear_their_callers() -> None:
    """Where the cloud offers no load balancers."""
    plain = main(capabilities=[one for one in EVERYTHING if one != "load-balancer"])
    found = resolved(small_city(sites=[plain, backup()]))
    assert found.balanced == {}
    web = names(found.groups[PartKey("shop", "web")])
    assert {"from-citizens-tcp-443", "from-desk-app-tcp-443"} <= set(web)


def test_what_all_may_call_is_in_the_baseline() -> None:
    """Names from anywhere, SSH from the bastion, packages from the mirror's every prefix."""
    found = resolved()
    assert names(found.baseline) == [
        "from-ops-bastion-tcp-22",
        "to-mirror-tcp-443",
        "to-ops-dns-udp-53",
    ]
    assert names(found.groups[PartKey("ops", "bastion")]) == ["to-all-tcp-22"]
    assert names(found.groups[PartKey("ops", "dns")]) == ["from-all-udp-53"]
    mirror = found.baseline[1]
    assert len(mirror.ipv4) == 2
    assert len(mirror.ipv6) == 1


def test_a_port_of_every_server_may_be_anyones() -> None:
    """Of all servers, or of a party outside."""
    known = small_city()
    ports = [listen("ping", 7, ["all"]), listen("probe", 9, ["citizens"])]
    wide = City.model_validate({**known.city.model_dump(by_alias=True), "listens": ports})
    found = resolved(known.model_copy(update={"city": wide}))
    assert {"from-all-tcp-7", "to-all-tcp-7", "from-citizens-tcp-9"} <= set(names(found.baseline))


def test_databases_replicate_where_they_have_servers() -> None:
    """Among themselves, and to the other site only if servers follow there."""
    groups = resolved().groups
    store = names(groups[PartKey("shop", "store")])
    assert {"from-replication-tcp-5432", "to-replication-backup-tcp-5432"} <= set(store)
    assert {"from-replication-tcp-8432", "to-replication-backup-tcp-8432"} <= set(store)
    index = names(groups[PartKey("files", "index")])
    assert "to-replication-tcp-5432" in index
    assert "to-replication-backup-tcp-5432" not in index


def test_what_does_not_stand_at_a_site_is_not_called_there() -> None:
    """A service that is only backed up has no group, and nobody's rules name it."""
    more = [
        *all_services(),
        service(
            "gate",
            6,
            "trade",
            "active",
            components=[component("app", 0, 1, listens=[listen("https", 443, ["lab/app"])])],
        ),
    ]
    found = resolved(small_city(services=more), "backup")
    assert PartKey("lab", "app") not in found.groups
    assert found.groups[PartKey("gate", "app")] == ()


def test_a_component_without_servers_in_a_profile_has_no_group() -> None:
    """And nobody calls it; its neighbours' rules keep their names."""
    services = all_services()
    desk = services[1]
    count = desk.components[1].count.model_copy(update={"lab": 0})
    jobs = desk.components[1].model_copy(update={"count": count})
    services[1] = desk.model_copy(update={"components": [desk.components[0], jobs]})
    found = resolved(small_city(services=services), profile=Profile.LAB)
    assert PartKey("desk", "jobs") not in found.groups
    assert "from-desk-app-jobs-tcp-8443" in names(found.groups[PartKey("shop", "app")])


def test_a_new_service_renames_no_rule() -> None:
    """Rules of one service never join with another's."""
    services = all_services()
    neighbour = service("tail", 5, "police", "active", components=[component("app", 0, 1)])
    before, after = resolved(), resolved(small_city(services=[*services, neighbour]))
    for key, rules in before.groups.items():
        assert after.groups[key] == rules
    assert after.baseline == before.baseline


def test_routers_know_the_way_to_whom_they_have_flows_with() -> None:
    """Between agencies here; between the sites of one agency where a database replicates."""
    routes = resolved().routes
    blocks = {
        agency: {router: [str(one.ipv4) for one in found] for router, found in routers.items()}
        for agency, routers in routes.items()
    }
    assert blocks == {
        "police": {("main", "trade"): ["10.1.4.0/22", "10.1.60.0/22"]},
        "trade": {
            ("backup", "trade"): ["10.2.4.0/22"],
            ("main", "police"): ["10.1.8.0/21"],
        },
    }


def test_without_the_shared_vlan_nothing_crosses() -> None:
    """No rule for replication and no route to the other site."""
    plain = backup(capabilities=[one for one in EVERYTHING if one != "vlan-networks"])
    found = resolved(small_city(sites=[main(), plain]))
    assert not [one for one in names(found.groups[PartKey("shop", "store")]) if "backup" in one]
    assert ("backup", "trade") not in found.routes["trade"]


EYE = PartKey("ops", "eye")


def watched(*, sites: list[Site] | None = None, **more: Any) -> Catalogue:
    """Return the city with a component that watches it; in the lab it has no server."""
    *others, ops = all_services()
    eye = component("eye", 2, 2, **more)
    eye["count"] = {"production": 2, "lab": 0}
    ops = ops.model_copy(update={"components": [*ops.components, Component.model_validate(eye)]})
    return small_city(services=[*others, ops], sites=sites, watchers=["ops/eye"])


def prefixes(rules: Iterable[Rule], name: str) -> list[str]:
    """Return the prefixes of the rule with that name."""
    return [str(to) for one in rules if one.name == name for to in (*one.ipv4, *one.ipv6)]


@pytest.mark.parametrize("profile", list(Profile))
def test_watchers_call_every_port_of_every_site(profile: Profile) -> None:
    """From both sites' networks, where no other rule lets them; in each profile alike."""
    found = resolved(watched(), profile=profile)
    store = found.groups[PartKey("shop", "store")]
    both = ["10.1.60.128/26", "10.2.60.128/26", "2001:db8:1:f2::/64", "2001:db8:2:f2::/64"]
    assert prefixes(store, "from-watchers-tcp-5432") == both
    assert prefixes(found.groups[PartKey("ops", "dns")], "from-watchers-udp-53") == both[1::2]
    assert prefixes(found.baseline, "from-watchers-icmp-8") == both
    assert names(one for one in found.groups[EYE] if one.peer == "watched") == [
        "to-watched-icmp-8",
        "to-watched-tcp-443",
        "to-watched-tcp-5432",
        "to-watched-tcp-8443",
        "to-watched-udp-53",
    ]


def test_watchers_reach_only_sites_that_have_the_port() -> None:
    """What is only backed up listens nowhere at the standby site."""
    alone = service(
        "gate", 6, "trade", "backup-only",
        components=[component("app", 0, 1, listens=[listen("gate", 777, ["app"])])],
    )  # fmt: skip
    city = watched()
    city = city.model_copy(update={"services": {**city.services, "gate": alone}})
    for site in ("main", "backup"):
        eye = resolved(city, site).groups[EYE]
        assert prefixes(eye, "to-watched-tcp-777") == ["10.1.0.0/16", "2001:db8:1::/48"]
        assert len(prefixes(eye, "to-watched-tcp-443")) > 2


def test_balancers_hear_watchers_in_the_servers_place() -> None:
    """The servers behind keep to the balancer."""
    city = watched(listens=[listen("https", 443, ["bastion"])], load_balancer={"listen": "https"})
    found = resolved(city)
    assert names(one for one in found.groups[EYE] if one.direction == "ingress") == [
        "from-load-balancer-tcp-443"
    ]
    heard = [str(one) for one in found.balanced[EYE].ipv6]
    assert heard == ["2001:db8:1:f0::/64", "2001:db8:1:f2::/64", "2001:db8:2:f2::/64"]


def test_watchers_call_what_is_public_at_its_floating_address() -> None:
    """As citizens do; ports that are not public are not called there."""
    sites = [main(floating_ipv4="192.0.2.0/24"), backup()]
    eye = resolved(watched(sites=sites)).groups[EYE]
    assert "192.0.2.0/24" in prefixes(eye, "to-watched-tcp-443")
    assert "192.0.2.0/24" not in prefixes(eye, "to-watched-tcp-5432")


def test_routers_know_the_way_between_watchers_and_watched() -> None:
    """To the other site as a whole by the watchers' agency's router there, and back to them."""
    routes = resolved(watched()).routes
    assert [str(one.ipv4) for one in routes["trade"]["backup", "trade"]] == ["10.2.0.0/16"]
    assert [str(one.ipv4) for one in routes["police"]["backup", "trade"]] == ["10.2.60.0/22"]
    assert [str(one.ipv4) for one in routes["trade"]["main", "police"]] == ["10.1.8.0/21"]
    assert ("main", "trade") in routes["police"]


def test_without_the_shared_vlan_watchers_watch_their_own_site() -> None:
    """No rule names the other site, and no route leads there."""
    plain = backup(capabilities=[one for one in EVERYTHING if one != "vlan-networks"])
    found = resolved(watched(sites=[main(), plain]))
    store = found.groups[PartKey("shop", "store")]
    assert prefixes(store, "from-watchers-tcp-5432") == ["10.1.60.128/26", "2001:db8:1:f2::/64"]
    assert not [to for one in found.groups[EYE] for to in one.ipv4 if str(to).startswith("10.2")]
    assert ("backup", "trade") not in found.routes["police"]


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("site", ["main", "backup"])
def test_the_citys_rules_are_its_declared_flows(site: str, profile: Profile) -> None:
    """
    Computed anew, the long way round, every group lets pass what is declared and no more.

    What two parts' joined prefixes add is another declared caller, which has no servers yet.
    """
    known = catalogue.load()
    found = flows.resolve(known, known.sites[site], profile)
    needed = LongWay(known, known.sites[site], profile, absent=False).run()
    declared = LongWay(known, known.sites[site], profile, absent=True).run()
    for key, rules in [*found.groups.items(), (None, found.baseline)]:
        assert covers(opened(rules), needed[key]), key
        assert covers(declared[key], opened(rules)), key


def opened(rules: Iterable[Rule]) -> Opened:
    """Return what the rules let pass."""
    found: Opened = defaultdict(set)
    for rule in rules:
        found[rule.direction, rule.protocol, rule.port] |= {*rule.ipv4, *rule.ipv6}
    return found


def covers(wide: Opened, narrow: Opened) -> bool:
    """Return whether all that is open in `narrow` is open in `wide`."""
    return all(
        any(one.version == other.version and one.subnet_of(other) for other in _joined(wide, way))
        for way in narrow
        for one in narrow[way]
    )


def _joined(found: Opened, way: tuple[str, str, int]) -> list[Any]:
    return [
        one
        for version in (4, 6)
        for one in ipaddress.collapse_addresses(
            one for one in found.get(way, ()) if one.version == version
        )
    ]


@dataclass
class LongWay:
    """What each group, and the baseline (None), may let pass: each caller with each port."""

    known: Catalogue
    site: Site
    profile: Profile
    absent: bool
    """Whether callers without servers count."""
    wanted: dict[PartKey | None, Opened] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )

    def run(self) -> dict[PartKey | None, Opened]:
        """Go through all that is declared."""
        self.parts = {
            PartKey(one.id, part.id): (one, part)
            for one in self.known.services.values()
            if self.site.role == "primary" or one.recovery.tier != "backup-only"
            for part in recovery.parts(one)
        }
        for key, (_, part) in self.parts.items():
            if self.stands(key):
                for port in flows.listens(part):
                    self.port(key, port)
                self.calls(key, part)
        for port in self.known.city.listens:
            for party in port.callers:
                self.city_port(port, PartKey(*party.split("/")))
        for call in self.known.city.calls:
            self.wanted[None]["egress", call.protocol, call.port] |= self.outside(call.to)
        for watcher in self.known.city.watchers:
            self.watch(PartKey(*watcher.split("/")))
        return self.wanted

    def stands(self, key: PartKey) -> bool:
        """Return whether the part is at the site, and has servers in this profile or watches."""
        return key in self.parts and self.staffed(key, self.parts[key][1])

    def staffed(self, key: PartKey, part: Component | Database) -> bool:
        """Return whether the part has servers in this profile or watches."""
        watches = "/".join(key) in self.known.city.watchers
        return watches or recovery.size(part, self.profile) > 0

    def counts(self, key: PartKey) -> bool:
        """Return whether the part may be let in."""
        return self.stands(key) or (self.absent and key in self.parts)

    def prefixes(self, key: PartKey, at: Site | None = None) -> set[Any]:
        """Return the part's two prefixes."""
        site = at or self.site
        owner, part = self.parts[key]
        number, width = owner.number * 16 + part.number, 32 - site.ipv4_prefix
        return {
            ipaddress.ip_network((int(site.ipv4[0]) + (number << width), site.ipv4_prefix)),
            ipaddress.ip_network((int(site.ipv6[0]) + (number << 64), 64)),
        }

    def outside(self, party: str) -> set[Any]:
        """Return the prefixes of a party outside, if it is one."""
        found = [one for one in self.known.city.outside if one.id == party]
        return {prefix for one in found for prefix in (*one.ipv4, *one.ipv6)}

    def port(self, key: PartKey, port: Listen) -> None:
        """Open a port to its callers, or to the balancer; and the callers to the port."""
        part, way = self.parts[key][1], (port.protocol, port.port)
        balanced = isinstance(part, Component) and part.load_balancer
        spread = balanced and balanced.listen == port.id
        if spread:
            self.wanted[key]["ingress", *way] |= self.prefixes(key)
        for party in port.callers:
            caller = PartKey(*(party.split("/") if "/" in party else (key.service, party)))
            if not spread:
                self.wanted[key]["ingress", *way] |= self.heard(party, caller)
            if party == "all":
                self.wanted[None]["egress", *way] |= self.prefixes(key)
            elif self.stands(caller):
                self.wanted[caller]["egress", *way] |= self.prefixes(key)
            if self.absent and self.counts(caller):
                for sibling in self.parts:
                    if sibling.service == key.service and self.declares(sibling, port, party):
                        self.wanted[caller]["egress", *way] |= self.prefixes(sibling)

    def declares(self, key: PartKey, port: Listen, party: str) -> bool:
        """Return whether the part has the same port for the same caller."""
        return any(
            (one.protocol, one.port) == (port.protocol, port.port) and party in one.callers
            for one in flows.listens(self.parts[key][1])
        )

    def heard(self, party: str, caller: PartKey) -> set[Any]:
        """Return the prefixes that a caller calls from."""
        if party == "all":
            return {self.site.ipv4, self.site.ipv6}
        return self.prefixes(caller) if self.counts(caller) else self.outside(party)

    def calls(self, key: PartKey, part: Component | Database) -> None:
        """Open a part to its own kind, and a component to whom it calls outside."""
        own = {(one.protocol, one.port) for one in flows.listens(part)}
        if isinstance(part, Component):
            for call in part.calls:
                self.wanted[key]["egress", call.protocol, call.port] |= self.outside(call.to)
            own = {(one.protocol, one.port) for one in part.listens if one.counterparts}
        elif part.engine == "postgresql":
            own.add(("tcp", 8432))
        followed: set[Any] = set()
        if isinstance(part, Database) and recovery.size(part, self.profile) > 1:
            followed |= self.prefixes(key)
        if self.parts[key][0].recovery.tier in ("active", "warm-standby"):
            other = self.known.sites["backup" if self.site.id == "main" else "main"]
            followed |= self.prefixes(key, other)
        for direction in ("ingress", "egress"):
            for way in own:
                self.wanted[key][direction, *way] |= followed

    def city_port(self, port: Listen, caller: PartKey) -> None:
        """Open a port of every server to a part."""
        if self.stands(caller):
            way = (port.protocol, port.port)
            self.wanted[None]["ingress", *way] |= self.prefixes(caller)
            self.wanted[caller]["egress", *way] |= {self.site.ipv4, self.site.ipv6}

    def watch(self, watcher: PartKey) -> None:
        """Open every port that is not balanced here to it, and it to every port anywhere."""
        nets = {net for site in self.known.sites.values() for net in self.prefixes(watcher, site)}
        self.wanted[None]["ingress", ICMP, ECHO] |= nets
        for site in self.known.sites.values():
            self.wanted[watcher]["egress", ICMP, ECHO] |= {site.ipv4, site.ipv6}
        for key, (_, part) in self.parts.items():
            for port in flows.listens(part) if self.stands(key) else ():
                if flows.balanced_port(part, self.site) != port:
                    self.wanted[key]["ingress", port.protocol, port.port] |= nets
        for owner in self.known.services.values():
            for part in recovery.parts(owner):
                if self.staffed(PartKey(owner.id, part.id), part):
                    for port in flows.listens(part):
                        self.watched(owner, part, port, self.wanted[watcher])

    def watched(
        self, owner: Service, part: Component | Database, port: Listen, opened: Opened
    ) -> None:
        """Open the sites where the port is, and the floating addresses of those that publish it."""
        for site in self.known.sites.values():
            if site.role == "primary" or owner.recovery.tier != "backup-only":
                opened["egress", port.protocol, port.port] |= {site.ipv4, site.ipv6}
                balancer = isinstance(part, Component) and part.load_balancer
                if balancer and balancer.public and balancer.listen == port.id:
                    opened["egress", port.protocol, port.port].add(site.floating_ipv4)
