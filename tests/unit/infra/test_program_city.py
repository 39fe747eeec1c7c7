"""What the program declares for the city, in the lab's size."""

from collections import Counter
from ipaddress import ip_address, ip_network

import pytest
from graphs import city, labels, of_city, one

from catalogue import addresses, flows, recovery
from catalogue.model import Profile
from infra.graph import Graph, Resource

SITES = ["main", "backup"]
LABELS = {
    "agency",
    "service",
    "component",
    "tier",
    "security_level",
    "site",
    "recovery_tier",
}


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest) -> str:
    """Return each of the two sites."""
    return str(request.param)


@pytest.fixture
def graph(site: str) -> Graph:
    """Return what is declared for it."""
    return of_city(site)


def test_every_rule_has_its_twin(graph: Graph) -> None:
    """What passes over IPv4 passes over IPv6 too, and the other way round."""
    families: dict[tuple[str, ...], set[str]] = {}
    for rule in graph.of("SecGroupRule"):
        said = ("securityGroupId", "direction", "description")
        what = tuple(str(rule.inputs[name]) for name in said)
        families.setdefault(what, set()).add(rule.inputs["ethertype"])
        prefix = ip_network(rule.inputs["remoteIpPrefix"])
        assert rule.inputs["ethertype"] == f"IPv{prefix.version}"
        last = None if "icmp" in rule.inputs["protocol"] else rule.inputs["portRangeMin"]
        assert rule.inputs.get("portRangeMax") == last
    assert families
    assert all(found == {"IPv4", "IPv6"} for found in families.values())


def test_groups_hold_the_resolved_flows_and_nothing_else(site: str, graph: Graph) -> None:
    """Each rule is one of a flow's; groups start without neutron's own."""
    open_ = flows.resolve(city(), city().sites[site], Profile.LAB)
    wanted = {
        (f"SecGroup/{group}", rule.direction, *rule.of(version), str(prefix))
        for group, rules in [*open_.groups.items(), ("baseline", open_.baseline)]
        for rule in rules
        for version, prefixes in ((4, rule.ipv4), (6, rule.ipv6))
        for prefix in prefixes
    }
    found = {
        (
            rule.inputs["securityGroupId"],
            rule.inputs["direction"],
            rule.inputs["protocol"],
            rule.inputs["portRangeMin"],
            rule.inputs["remoteIpPrefix"],
        )
        for rule in graph.of("SecGroupRule")
    }
    assert found == wanted
    assert len(graph.of("SecGroupRule")) == len(wanted)
    assert all(group.inputs["deleteDefaultRules"] is True for group in graph.of("SecGroup"))
    assert len(graph.of("SecGroup")) == len(open_.groups) + 1


def test_every_server_is_guarded_apart_and_encrypted(site: str, graph: Graph) -> None:
    """Its port has its group and the baseline, its system volume is LUKS, its group is apart."""
    for server in graph.of("Instance"):
        fleet = server.name.rpartition("-")[0]
        port = one(graph, "Port", server.inputs["networks"][0]["port"].partition("/")[2])
        assert port.inputs["portSecurityEnabled"] is True
        assert port.inputs["securityGroupIds"] == [f"SecGroup/{fleet}", "SecGroup/baseline"]
        apart = one(graph, "ServerGroup", fleet)
        assert server.inputs["schedulerHints"] == [{"group": apart.id}]
        assert apart.inputs["policies"] == "soft-anti-affinity"
        disk = server.inputs["blockDevices"]
        assert disk == [
            {
                "uuid": f"Volume/{server.name}-system",
                "sourceType": "volume",
                "destinationType": "volume",
                "bootIndex": 0,
                "deleteOnTermination": False,
            }
        ]
        system = one(graph, "Volume", f"{server.name}-system")
        assert system.inputs["imageId"] == "Image/debian-12"
        assert server.inputs["availabilityZoneHints"] in city().sites[site].zones
    assert {volume.inputs["volumeType"] for volume in graph.of("Volume")} == {"luks"}


def test_objects_say_what_they_are(graph: Graph) -> None:
    """Agency, service, component, tier, levels, site; a server its role, a volume its use."""
    for kind in ("Network", "Subnet", "SecGroup", "Port", "LoadBalancer"):
        for resource in graph.of(kind):
            if "service" in labels(resource):
                assert labels(resource).keys() == LABELS, resource.urn
                assert "citydc" in resource.inputs["tags"]
    for server in graph.of("Instance"):
        assert labels(server).keys() == LABELS | {"role"}
        assert labels(server)["service"] in server.name
    for volume in graph.of("Volume"):
        assert labels(volume).keys() == LABELS | {"volume"}
    for bucket in graph.of("Container"):
        assert labels(bucket).keys() - {"quota_bytes"} == LABELS - {"component", "tier"}


def test_addresses_are_as_planned(site: str, graph: Graph) -> None:
    """Subnets, gateways, servers and balancers lie where the plan has them."""
    here = city().sites[site]
    for service in city().services.values():
        for part in recovery.parts(service):
            name = f"{service.id}-{part.id}"
            if any(network.name == name for network in graph.of("Network")):
                plan = addresses.network(here, service, part.number)
                for family, cidr, gateway in (
                    ("ipv4", plan.ipv4, plan.gateway.ipv4),
                    ("ipv6", plan.ipv6, plan.gateway.ipv6),
                ):
                    subnet = one(graph, "Subnet", f"{name}-{family}")
                    assert subnet.inputs["cidr"] == str(cidr)
                    assert subnet.inputs["gatewayIp"] == str(gateway)
                    assert subnet.inputs["subnetpoolId"] == f"SubnetPool/city-{family}"
                    assert one(graph, "RouterInterface", f"{name}-{family}")
    for server in graph.of("Instance"):
        fixed = one(graph, "Port", server.name).inputs["fixedIps"]
        assert [ip_address(address["ipAddress"]).version for address in fixed] == [4, 6]
    for balancer in graph.of("LoadBalancer"):
        subnet = one(graph, "Subnet", balancer.name)
        assert ip_address(balancer.inputs["vipAddress"]) in ip_network(subnet.inputs["cidr"])


def test_balancers_hear_the_declared_callers_of_their_family(site: str, graph: Graph) -> None:
    """Only those, or their own network alone where there are none; all servers are behind."""
    balanced = flows.resolve(city(), city().sites[site], Profile.LAB).balanced
    callers = {str(key): found for key, found in balanced.items()}
    for listener in graph.of("Listener"):
        fleet, _, family = listener.name.rpartition("-")
        subnet = one(graph, "Subnet", f"{fleet}-{family}")
        assert listener.inputs["allowedCidrs"] == [
            str(prefix) for prefix in getattr(callers[fleet], family) or [subnet.inputs["cidr"]]
        ]
    assert len(graph.of("Monitor")) == len(graph.of("Pool")) == len(graph.of("LoadBalancer"))
    members = Counter(member.inputs["poolId"] for member in graph.of("Member"))
    assert all(members[pool.id] == 1 for pool in graph.of("Pool"))


def test_the_lab_is_small_and_whole() -> None:
    """At most 24 hosts on both sites; every service has one at the primary."""
    hosts = {site: of_city(site).of("Instance") for site in SITES}
    assert sum(len(found) for found in hosts.values()) <= 24
    assert {labels(host)["service"] for host in hosts["main"]} == set(city().services)


def test_each_service_is_deployed_by_its_agency(graph: Graph) -> None:
    """Only names in the operator's zone are not; what all share is the operator's."""
    by_urn = {resource.urn: resource for resource in graph.resources}
    providers = {one.urn: one.name for one in graph.of("openstack")}
    owners = {service.id: service.agency for service in city().services.values()}
    for resource in graph.resources:
        if resource.provider:
            above: Resource | None = resource
            while above and above.type != "citydc:service:CityService":
                above = by_urn.get(above.parent)
            owner = owners[above.name] if above else None
            kind = resource.type.rpartition(":")[2]
            if owner and kind != "RecordSet":
                assert providers[resource.provider] == owner, resource.urn
            elif kind not in ("Router", "RouterRoutesV2"):
                assert providers[resource.provider] == "admin", resource.urn


def test_order_is_said_where_no_data_flows(graph: Graph) -> None:
    """Roles and quotas, the baseline's share, the link's interfaces, the balancer's leg."""
    for provider in graph.of("openstack"):
        if provider.name != "admin":
            kinds = Counter(urn.split("::")[2].rpartition(":")[2] for urn in provider.dependencies)
            assert kinds["RoleAssignment"] == 3
            assert {"QuotaSetV2", "QuotaV2", "QuoteSetV3", "Quota"} <= kinds.keys()
    share = graph.of("RbacPolicyV2")[0]
    for server in graph.of("Instance"):
        assert share.urn in one(graph, "Port", server.name).dependencies
    for routes in graph.of("RouterRoutesV2"):
        joined = one(graph, "RouterInterface", f"{routes.name}-link")
        assert joined.urn in routes.dependencies
    for floating in graph.of("FloatingIp"):
        assert one(graph, "RouterInterface", f"{floating.name}-ipv4").urn in floating.dependencies


def test_routes_lead_to_the_other_routers_on_the_link(site: str, graph: Graph) -> None:
    """Each next hop is another router's address there; the own prefixes are not routed."""
    here = city().sites[site]
    known = {
        str(address)
        for other in city().sites.values()
        for agency in city().city.agencies
        for pair in [addresses.link_address(other, agency)]
        for address in (pair.ipv4, pair.ipv6)
    }
    ranges = [prefix for other in city().sites.values() for prefix in (other.ipv4, other.ipv6)]
    for routes in graph.of("RouterRoutesV2"):
        own = {
            address["ipAddress"]
            for address in one(graph, "Port", f"{routes.name}-link").inputs["fixedIps"]
        }
        for route in routes.inputs["routes"]:
            assert route["nextHop"] in known - own
            assert any(
                ip_network(route["destinationCidr"]).version == whole.version
                and ip_network(route["destinationCidr"]).subnet_of(whole)  # type: ignore[arg-type]  # the versions are equal
                for whole in ranges
            )
    assert here.link


def test_names_lead_where_servers_are(site: str, graph: Graph) -> None:
    """A and AAAA in pairs, in the site's zone."""
    zone = graph.of("Zone")[0]
    assert zone.inputs["name"] == f"{site}.{city().city.domain}"
    pairs = Counter(record.inputs["name"] for record in graph.of("RecordSet"))
    assert pairs
    assert set(pairs.values()) == {2}
    assert all(name.endswith(f".{zone.inputs['name']}") for name in pairs)


def test_the_cloud_sees_the_names_that_people_read(graph: Graph) -> None:
    """What has a name has it from the catalogue, never one that Pulumi makes up."""
    for resource in graph.resources:
        if resource.provider and "name" in resource.inputs:
            assert resource.inputs["name"] in (resource.name, *_other_names(resource))


def _other_names(resource: Resource) -> list[str]:
    kind = resource.type.rpartition(":")[2]
    if kind in ("RecordSet", "Zone"):
        return [str(resource.inputs["name"])]
    return [resource.name.split("-")[0], *_member(resource)] if kind == "Member" else []


def _member(resource: Resource) -> list[str]:
    server = str(resource.inputs["name"])
    return [server] if resource.name.startswith(f"{server}-") else []


def test_every_backup_has_a_bucket(graph: Graph) -> None:
    """At every site that stands for the service."""
    names = {bucket.name for bucket in graph.of("Container")}
    assert {f"{service}-backup" for service in city().services} <= names
