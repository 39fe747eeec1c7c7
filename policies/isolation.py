"""Agencies do not meet but where the catalogue lets them."""

import ipaddress
import itertools
from collections.abc import Iterator

from catalogue import addresses
from catalogue.model import Capability
from infra.graph import Resource
from policies.frameworks import cis, cite, guide, iso, tcvn
from policies.model import Book, about
from policies.prefixes import Ranges, prefix_set, shown
from policies.view import UNKNOWN, View, kind_of

BOOK = Book([])

APART = (
    iso("8.22"),
    tcvn("7.2.1"),
    cis("3.12", "12.2"),
    guide("networking/services-security-best-practices"),
)
OWNED = (
    "Network", "Subnet", "Router", "Port", "SecGroup", "Instance", "Volume", "LoadBalancer",
    "FloatingIp", "Container",
)  # fmt: skip


@BOOK.each(
    about(
        "isolation-project",
        "critical",
        "What belongs to an agency is in that agency's project",
        "Tài nguyên của cơ quan nào nằm trong dự án của cơ quan đó",
        "One agency's people and quota over another's servers and data.",
        "Use the provider that works in the agency's project.",
        *APART,
    ),
    *OWNED,
)
def project(view: View, one: Resource) -> Iterator[str]:
    """Compare the label with the provider's project, or the project that is given."""
    agency = view.labels(one).get("agency")
    given = view.ref(one, "tenantId", "Project")
    owner = str(view.get(given, "name")) if given else view.owner(one)
    if agency and owner != agency:
        yield f"is {agency}'s, but in the project of {owner or 'the operator'}"
    if not agency and (owner or one.provider not in view.by_urn):
        yield f"is the operator's, but made by {one.provider.rpartition('::')[2] or 'nobody'}"


@BOOK.each(
    about(
        "isolation-provider",
        "critical",
        "Every provider of an agency works in that agency's project",
        "Mỗi nhà cung cấp của cơ quan làm việc trong dự án của cơ quan đó",
        "A whole agency deployed into another's project by one wrong reference.",
        "Give the provider the id of its own agency's project as tenant_id.",
        *APART,
        by_state="the providers",
    ),
    "openstack",
)
def provider(view: View, one: Resource) -> Iterator[str]:
    """Compare the provider's name with its project's."""
    if one.inputs.get("tenantId"):
        found = view.ref(one, "tenantId", "Project")
        if found is None or view.get(found, "name") != one.name:
            yield f"works in {view.get(found, 'name') if found else 'a project of nobody'}"
    if view.inputs_named(one, "tenantName") and one.name != "admin":
        yield "names its project, which can be another domain's"


@BOOK.each(
    about(
        "isolation-network-shared",
        "critical",
        "No network is shared with other projects",
        "Không mạng nào được chia sẻ với dự án khác",
        "Servers of another agency in the same broadcast domain.",
        "Remove `shared` and `external`; what agencies exchange goes through routers and rules.",
        *APART,
    ),
    "Network",
    "RbacPolicyV2",
)
def network_shared(view: View, one: Resource) -> Iterator[str]:
    """Look at a network's switches, and at shares of networks."""
    for name in ("shared", "external"):
        if view.get(one, name):
            yield f"is {name}"
    if view.get(one, "objectType") == "network":
        yield f"shares a network with {view.get(one, 'targetTenant')}"


@BOOK.each(
    about(
        "isolation-share-narrow",
        "high",
        "Only the baseline group is shared with all projects",
        "Chỉ nhóm bảo mật nền được chia sẻ cho mọi dự án",
        "An object of one agency that all others can use, and hang their own on.",
        "Name the one project that needs it as target_tenant.",
        *APART,
    ),
    "RbacPolicyV2",
)
def share_narrow(view: View, share: Resource) -> Iterator[str]:
    """Look at shares with everyone."""
    if view.get(share, "targetTenant") != "*":
        return
    group = view.ref(share, "objectId", "SecGroup")
    if view.get(share, "objectType") != "security_group" or group is None:
        yield f"shares a {view.get(share, 'objectType')} with everyone"
    elif view.part(group) or view.get(group, "name") != "baseline":
        yield f"shares {group.name} with everyone"
    if view.get(share, "action") != "access_as_shared":
        yield f"gives {view.get(share, 'action')} to everyone"


@BOOK.each(
    about(
        "isolation-component-network",
        "high",
        "A network holds the ports and subnets of one component",
        "Mỗi mạng chỉ chứa cổng và mạng con của một thành phần",
        "Traffic between components that no router and no rule sees.",
        "Put the server into its own component's network.",
        *APART,
    ),
    "Port",
    "Subnet",
)
def component_network(view: View, one: Resource) -> Iterator[str]:
    """Compare what the port or subnet says with what its network says."""
    network = view.ref(one, "networkId", "Network")
    if network is None:
        yield "is on a network that is not of this stack"
    elif view.part(network) != view.part(one):
        yield f"is on {network.name}, which is not its component's"


@BOOK.each(
    about(
        "isolation-router",
        "critical",
        "A router joins networks of its own agency",
        "Bộ định tuyến chỉ nối các mạng của cơ quan mình",
        "Two agencies' networks joined behind the link's routers, past all routes.",
        "Join the subnet to its own agency's router.",
        *APART,
    ),
    "RouterInterface",
)
def router(view: View, interface: Resource) -> Iterator[str]:
    """Compare the labels of the router with those of the subnet or port."""
    found = view.ref(interface, "routerId", "Router")
    ends = [
        *view.refs(interface, "subnetId", "Subnet"),
        *view.refs(interface, "portId", "Port"),
    ]
    if found is None or not ends:
        yield "joins what is not of this stack"
        return
    agency = view.labels(found).get("agency")
    for end in ends:
        if view.labels(end).get("agency") != agency:
            yield f"joins {end.name} to the router of {agency}"


@BOOK.each(
    about(
        "isolation-link-routers",
        "critical",
        "Only routers are on the inter-site link",
        "Chỉ bộ định tuyến nối vào liên kết giữa hai trung tâm",
        "A server that sees and answers what passes between all agencies and both sites.",
        "Move the port to its component's network; the link is the operator's.",
        *APART,
    ),
    "Port",
)
def link_routers(view: View, port: Resource) -> Iterator[str]:
    """Look at ports on networks of no component."""
    network = view.ref(port, "networkId", "Network")
    is_routers = port.urn in view.pointing("RouterInterface", "portId", "Port")
    if network and not view.part(network) and not is_routers:
        yield f"is on {network.name}, where only routers are"


@BOOK.each(
    about(
        "isolation-link-addresses",
        "high",
        "Each router has its planned addresses on the link",
        "Mỗi bộ định tuyến có địa chỉ đúng quy hoạch trên liên kết",
        "A router that takes the traffic of another agency or of the other site.",
        "Leave the addresses to the catalogue: the site's number, then the agency's.",
        *APART,
    ),
    "Port",
)
def link_addresses(view: View, port: Resource) -> Iterator[str]:
    """Compare the addresses of routers' ports with the plan."""
    if port.urn not in view.pointing("RouterInterface", "portId", "Port"):
        return
    agency = view.labels(port).get("agency")
    known = {one.id: one for one in view.catalogue.city.agencies}
    if agency not in known:
        yield "belongs to no agency of the city"
        return
    planned = addresses.link_address(view.site, known[agency])
    given = {str(ipaddress.ip_address(str(one))) for one in view.every(port, "fixedIps.ipAddress")}
    if given != {str(planned.ipv4), str(planned.ipv6)}:
        yield f"has {', '.join(sorted(given))}, planned are {planned.ipv4} and {planned.ipv6}"


@BOOK.each(
    about(
        "isolation-provider-network",
        "high",
        "Only the inter-site link is a network of the data centre's own wiring",
        "Chỉ liên kết giữa hai trung tâm gắn trực tiếp vào hạ tầng mạng vật lý",
        "A component on a VLAN of the data centre, past routers and rules.",
        "Remove `segments`: the cloud chooses where a component's network lies.",
        *APART,
    ),
    "Network",
)
def provider_network(view: View, network: Resource) -> Iterator[str]:
    """Compare segments with the site's link; components' networks have none."""
    if view.part(network) or not view.site.link:
        if view.inputs_named(network, "segments"):
            yield "lies on a physical network"
        return
    said = (
        view.every(network, "segments.physicalNetwork"),
        view.every(network, "segments.networkType"),
        [int(one) for one in view.every(network, "segments.segmentationId")],
    )
    link = view.site.link
    there = Capability.VLAN_NETWORKS in view.site.capabilities
    if said != (([link.physical_network], ["vlan"], [link.vlan]) if there else ([], [], [])):
        yield f"is not on VLAN {link.vlan} of {link.physical_network}"


@BOOK.each(
    about(
        "isolation-routes",
        "high",
        "A router knows the ways that declared flows need, and no other",
        "Bộ định tuyến chỉ có các tuyến mà luồng đã khai báo cần",
        "Ways between agencies that were never asked for, or a takeover without a way.",
        "Leave the routes to the catalogue's flows.",
        *APART,
        cite("Decree 85/2016/ND-CP", "art. 4"),
    ),
    "RouterRoutesV2",
)
def routes(view: View, one: Resource) -> Iterator[str]:
    """Compare with what the flows resolve to, hop by hop."""
    owner = view.ref(one, "routerId", "Router")
    agency = view.labels(owner).get("agency", "") if owner else ""
    known = {each.id: each for each in view.catalogue.city.agencies}
    wanted = set()
    for (site, other), blocks in view.flows.routes.get(agency, {}).items():
        hop = addresses.link_address(view.catalogue.sites[site], known[other])
        for block in blocks:
            wanted |= {(str(block.ipv4), str(hop.ipv4)), (str(block.ipv6), str(hop.ipv6))}
    given = set(
        zip(
            map(str, view.every(one, "routes.destinationCidr")),
            map(str, view.every(one, "routes.nextHop")),
            strict=True,
        )
    )
    for what, some in (("not declared", given - wanted), ("missing", wanted - given)):
        for destination, through in sorted(some)[:3]:
            yield f"the way to {destination} by {through} is {what}"


@BOOK.each(
    about(
        "isolation-address-scope",
        "medium",
        "Private addresses are in an address scope of their own",
        "Địa chỉ riêng nằm trong phạm vi địa chỉ (address scope) riêng",
        "Private networks that the external network routes to, without translation or rules.",
        "Give the IPv4 pool the site's address scope; an IPv6 pool needs none.",
        *APART,
    ),
    "SubnetPool",
)
def address_scope(view: View, pool: Resource) -> Iterator[str]:
    """Look at pools of IPv4, and that a pool holds the site's addresses only."""
    prefixes = [str(one) for one in view.every(pool, "prefixes")]
    version = ipaddress.ip_network(prefixes[0]).version if prefixes else 6
    if version == 4 and not view.refs(pool, "addressScopeId", "AddressScope"):  # noqa: PLR2004 - IPv4
        yield "is in no address scope"
    for scope in view.refs(pool, "addressScopeId", "AddressScope"):
        if view.get(scope, "ipVersion") != version or view.get(scope, "shared") is not True:
            yield f"is in {scope.name}, a scope that is not all agencies' or of another family"
    link = addresses.link(view.site)
    own = prefix_set(map(str, (view.site.ipv4, view.site.ipv6, link.ipv4, link.ipv6)), version)
    given = prefix_set(prefixes, version)
    if beyond := given - own:
        yield f"gives out {shown(beyond, version)}, which is not the site's"
    if short := own - given:
        yield f"does not give out {shown(short, version)}"
    if view.get(pool, "shared") is not True:
        yield "is not all agencies'"
    lengths = tuple(view.get(pool, f"{name}Prefixlen") for name in ("min", "default", "max"))
    if version == 6:  # noqa: PLR2004 - IPv6
        planned = (64, 64, 64)
    else:
        own_length, links = view.site.ipv4_prefix, link.ipv4.prefixlen
        planned = (min(links, own_length), own_length, max(links, own_length))
    if lengths != planned:
        yield f"gives out prefixes of {lengths}, planned are {planned}"


@BOOK.stack(
    about(
        "isolation-overlap",
        "high",
        "No two subnets overlap",
        "Không hai mạng con nào chồng lấn",
        "Packets for one agency that arrive at another.",
        "Take prefixes from the address plan, all from the site's pools.",
        *APART,
    )
)
def overlap(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare neighbours in the order of their prefixes, in each family."""
    for version in (4, 6):
        found: list[tuple[Ranges, Resource]] = []
        for subnet in view.of("Subnet"):
            if view.get(subnet, "cidr") is not None:
                some = prefix_set([str(view.get(subnet, "cidr"))], version)
                found += [(some, subnet)] if some else []
        found.sort(key=lambda pair: (pair[0].spans, pair[1].name))
        for (before, first), (after, second) in itertools.pairwise(found):
            if before.meets(after):
                yield second, f"overlaps {first.name}"


@BOOK.each(
    about(
        "isolation-gateway",
        "medium",
        "Routers leave by the site's external network, and translate IPv4",
        "Bộ định tuyến đi ra qua mạng ngoài của trung tâm và chuyển đổi địa chỉ IPv4",
        "Private addresses on the outside, or a way out that is not the city's.",
        "Give the router the site's external network and leave its translation on.",
        *APART,
    ),
    "Router",
)
def gateway(view: View, one: Resource) -> Iterator[str]:
    """All routers have the same way out."""
    ways = {str(each.inputs.get("externalNetworkId")) for each in view.of("Router")}
    if not view.inputs_named(one, "externalNetworkId"):
        yield "has no way out"
    elif len(ways) > 1 and one.inputs["externalNetworkId"] is not UNKNOWN:
        others = [
            each
            for each in view.of("Router")
            if each.inputs.get("externalNetworkId") == one.inputs["externalNetworkId"]
        ]
        if len(others) * 2 <= len(view.of("Router")):
            yield "leaves by another network than the other routers"
    if view.get(one, "enableSnat") is False:
        yield "does not translate IPv4"


OPERATORS = (
    "AddressScope", "SubnetPool", "Flavor", "Image", "Keypair", "Project", "GroupV3",
    "RoleAssignment", "QuotaSetV2", "QuotaV2", "QuoteSetV3", "Quota", "RbacPolicyV2", "Zone",
    "RecordSet",
)  # fmt: skip
HANGS_ON = {
    "SecGroupRule": ("securityGroupId", "SecGroup"),
    "Listener": ("loadbalancerId", "LoadBalancer"),
    "Pool": ("listenerId", "Listener"),
    "Monitor": ("poolId", "Pool"),
    "Member": ("poolId", "Pool"),
    "VolumeAttach": ("instanceId", "Instance"),
    "RouterRoutesV2": ("routerId", "Router"),
    "RouterInterface": ("subnetId", "Subnet"),
}
"""What has no labels of its own, and what it is part of."""


@BOOK.each(
    about(
        "isolation-operator",
        "high",
        "What all agencies share is the operator's",
        "Tài nguyên dùng chung do bên vận hành quản lý",
        "An agency that changes roles, quotas, names or flavors for all.",
        "Use the operator's provider.",
        *APART,
        iso("8.2"),
    ),
    *OPERATORS,
)
def operator(view: View, one: Resource) -> Iterator[str]:
    """Look at who makes what has no agency."""
    if one.provider not in view.by_urn:
        yield "is made by a provider that is not of this stack"
    elif owner := view.owner(one):
        yield f"is made in the project of {owner}"


@BOOK.each(
    about(
        "isolation-same-project",
        "high",
        "Parts are in the project of what they are part of",
        "Thành phần con nằm trong cùng dự án với đối tượng cha",
        "A rule or listener that only another agency can see, change or remove.",
        "Use the provider of what it is part of.",
        *APART,
    ),
    *HANGS_ON,
    "ServerGroup",
)
def same_project(view: View, one: Resource) -> Iterator[str]:
    """Compare the providers."""
    if one.provider not in view.by_urn:
        yield "is made by a provider that is not of this stack"
        return
    if kind_of(one) == "ServerGroup":
        part = view.named_part(one.name)
        if part and view.owner(one) != view.parts[part][0].agency:
            yield f"is in the project of {view.owner(one) or 'the operator'}"
        return
    path, kind = HANGS_ON[kind_of(one)]
    for whole in view.refs(one, path, kind):
        if view.owner(one) != view.owner(whole):
            yield f"is not in the project of {whole.name}"


@BOOK.each(
    about(
        "isolation-link-subnet",
        "high",
        "The inter-site link has its planned subnets, without gateway or DHCP",
        "Liên kết giữa hai trung tâm có mạng con đúng quy hoạch, không có cổng ra và DHCP",
        "A link that gives addresses to whoever joins it, or collides with the other site.",
        "Leave the link to the program.",
        *APART,
    ),
    "Subnet",
)
def link_subnet(view: View, subnet: Resource) -> Iterator[str]:
    """Judge subnets of no component."""
    if view.part(subnet):
        return
    prefixes, pool = addresses.link(view.site), addresses.link_pool(view.site)
    version = view.get(subnet, "ipVersion")
    planned = prefixes.ipv4 if version == 4 else prefixes.ipv6  # noqa: PLR2004 - IPv4
    span = pool.ipv4 if version == 4 else pool.ipv6  # noqa: PLR2004 - IPv4
    if str(view.get(subnet, "cidr")) != str(planned):
        yield f"is {view.get(subnet, 'cidr')}, planned is {planned}"
    if view.get(subnet, "noGateway") is not True or view.get(subnet, "enableDhcp") is not False:
        yield "has a gateway or DHCP"
    given = (
        view.every(subnet, "allocationPools.start"),
        view.every(subnet, "allocationPools.end"),
    )
    if given != ([str(span[0])], [str(span[1])]):
        yield f"gives out {given[0]} to {given[1]}, planned are {span[0]} to {span[1]}"


@BOOK.each(
    about(
        "isolation-routes-missing",
        "high",
        "Every router has the routes that declared flows need",
        "Mọi bộ định tuyến có các tuyến mà luồng đã khai báo cần",
        "Services of two agencies, or of the two sites, that cannot reach each other.",
        "Deploy the stack; leave the routes to the catalogue's flows.",
        iso("8.21"),
    ),
    "Router",
)
def routes_missing(view: View, one: Resource) -> Iterator[str]:
    """Look for the router's routes and for its port on the link."""
    agency = view.labels(one).get("agency", "")
    routed = view.pointing("RouterRoutesV2", "routerId", "Router").get(one.urn, [])
    if any(view.flows.routes.get(agency, {}).values()) and not routed:
        yield "has no routes"
    joined = view.pointing("RouterInterface", "routerId", "Router").get(one.urn, [])
    if not any(view.inputs_named(each, "portId") for each in joined):
        yield "is not on the link"


@BOOK.each(
    about(
        "isolation-baseline-shared",
        "high",
        "The baseline is shared with every agency",
        "Nhóm bảo mật nền được chia sẻ cho mọi cơ quan",
        "Servers that cannot be in the baseline, and agencies that make one of their own.",
        "Keep the share of the baseline group.",
        *APART,
    ),
    "SecGroup",
)
def baseline_shared(view: View, group: Resource) -> Iterator[str]:
    """Look for the share of the group of no component."""
    shares = view.pointing("RbacPolicyV2", "objectId", "SecGroup").get(group.urn, [])
    if not view.part(group) and not any(view.get(one, "targetTenant") == "*" for one in shares):
        yield "is not shared with all agencies"
