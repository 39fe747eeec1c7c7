"""Agencies do not meet but where the catalogue lets them."""

import ipaddress
from collections.abc import Iterator

from catalogue import addresses
from infra.graph import Resource
from policies.frameworks import cis, cite, guide, iso, tcvn
from policies.model import Book, about
from policies.prefixes import Ranges, prefix_set, shown
from policies.view import UNKNOWN, View

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


@BOOK.each(
    about(
        "isolation-provider",
        "critical",
        "Every provider of an agency works in that agency's project",
        "Mỗi nhà cung cấp của cơ quan làm việc trong dự án của cơ quan đó",
        "A whole agency deployed into another's project by one wrong reference.",
        "Give the provider the id of its own agency's project as tenant_id.",
        *APART,
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
    """A port on a network of no component is a router's."""
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
    if said not in (([], [], []), ([link.physical_network], ["vlan"], [link.vlan])):
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
        for destination, hop in sorted(some)[:3]:
            yield f"the way to {destination} by {hop} is {what}"


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
    link = addresses.link(view.site)
    own = prefix_set(map(str, (view.site.ipv4, view.site.ipv6, link.ipv4, link.ipv6)), version)
    beyond = prefix_set(prefixes, version) - own
    if beyond:
        yield f"gives out {shown(beyond, version)}, which is not the site's"


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
        for (before, first), (after, second) in zip(found, found[1:], strict=False):
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
