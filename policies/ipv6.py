"""Both families everywhere, and equal."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterator

from catalogue import flows
from catalogue.flows import ALL, INSIDE, PartKey
from catalogue.model import Component, Listen
from infra.graph import Resource
from policies.frameworks import cite, iso, tcvn
from policies.model import Book, about
from policies.openings import ICMP, Opening, parties, together, who_passes
from policies.prefixes import NOTHING, Ranges, is_internet, prefix_set
from policies.view import View

BOOK = Book([])

DUAL = (cite("RFC 7381", "3", "4"), iso("8.21"))
LENGTH = 64
PRIVATE = prefix_set(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], 4)
V4, V6 = 4, 6
MANAGED = {"dhcpv6-stateful", "dhcpv6-stateless", "slaac"}


@BOOK.each(
    about(
        "ipv6-single-stack",
        "high",
        "Every network has IPv6: dual stack, or IPv6 alone",
        "Mọi mạng đều có IPv6: song song IPv4/IPv6 hoặc chỉ IPv6",
        "A service that citizens and agencies with IPv6 cannot reach (Plan 239/KH-UBND).",
        "Give the network an IPv6 subnet beside the IPv4 one.",
        *DUAL,
    ),
    "Network",
)
def single_stack(view: View, network: Resource) -> Iterator[str]:
    """Look at the network's subnets."""
    subnets = view.pointing("Subnet", "networkId", "Network").get(network.urn, [])
    versions = {view.get(one, "ipVersion") for one in subnets}
    if V6 not in versions:
        yield "has no IPv6 subnet"


@BOOK.stack(
    about(
        "ipv6-rules-differ",
        "high",
        "What is open to a party in IPv4 is open to it in IPv6, and the reverse",
        "Bên nào được phép theo IPv4 thì cũng được phép theo IPv6, và ngược lại",
        "A door that was closed in one family and forgotten in the other.",
        "Declare the flow once in the catalogue: its rules come in pairs.",
        *DUAL,
        tcvn("7.2.1"),
    )
)
def rules_differ(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare, port by port, which of the city's parties each family lets pass."""
    slots: dict[tuple[str, str, str, Ranges], dict[int, list[Opening]]] = defaultdict(
        lambda: {V4: [], V6: []}
    )
    for (group, direction, version), some in together(view).items():
        for one in some:
            # Each family numbers the types of ICMP for itself.
            is_icmp = one.protocol in ICMP.values()
            protocol, ports = (ICMP[V4], NOTHING) if is_icmp else (one.protocol, one.ports)
            slots[group, direction, protocol, ports][version].append(one)
    for (_, direction, protocol, _ports), found in slots.items():
        named = {version: _named(view, some, version) for version, some in found.items()}
        for version, other in ((V4, V6), (V6, V4)):
            if missing := named[version] - named[other]:
                what = f"{direction} {protocol or 'any protocol'}"
                said = ", ".join(sorted(missing)[:3])
                yield found[version][0].rule, f"{what} passes {said} in IPv{version} only"


def _named(view: View, some: list[Opening], version: int) -> set[str]:
    reach = Ranges.of(span for one in some for span in one.addresses.spans)
    if is_internet(reach, version):
        return {"the Internet"}
    return {name for name, sets in parties(view).items() if reach.meets(sets[version])}


@BOOK.each(
    about(
        "ipv6-ra-modes",
        "medium",
        "IPv6 subnets say how addresses are given, and say it once",
        "Mạng con IPv6 nêu rõ và nhất quán cách cấp địa chỉ",
        "Servers that take addresses nobody planned, or none at all.",
        "Set ipv6_ra_mode and ipv6_address_mode to the same mode.",
        cite("RFC 4861", "6.2.3"),
        iso("8.9"),
    ),
    "Subnet",
)
def ra_modes(view: View, subnet: Resource) -> Iterator[str]:
    """Judge subnets with a gateway; the others have no router that advertises."""
    if view.get(subnet, "ipVersion") != V6 or view.get(subnet, "noGateway"):
        return
    advertised, given = view.get(subnet, "ipv6RaMode"), view.get(subnet, "ipv6AddressMode")
    if advertised not in MANAGED or advertised != given:
        yield f"advertises {advertised or 'nothing'}, gives by {given or 'nothing'}"
    if view.get(subnet, "enableDhcp") is False:
        yield "has DHCP off, so that nothing is advertised"


@BOOK.each(
    about(
        "ipv6-mixed-modes",
        "medium",
        "All IPv6 subnets of a network give addresses in the same way",
        "Mọi mạng con IPv6 của một mạng cấp địa chỉ theo cùng một cách",
        "Hosts that follow one advertisement today and another tomorrow.",
        "Give all IPv6 subnets of the network the same modes.",
        cite("RFC 4861", "6.2.3"),
    ),
    "Network",
)
def mixed_modes(view: View, network: Resource) -> Iterator[str]:
    """Compare the network's IPv6 subnets."""
    subnets = view.pointing("Subnet", "networkId", "Network").get(network.urn, [])
    modes = {
        str(view.get(one, "ipv6RaMode")) for one in subnets if view.get(one, "ipVersion") == V6
    }
    if len(modes) > 1:
        yield f"has subnets of different modes: {', '.join(sorted(modes))}"


@BOOK.each(
    about(
        "ipv6-prefix-length",
        "medium",
        "IPv6 subnets are /64",
        "Mạng con IPv6 có độ dài /64",
        "Address assignment and neighbour discovery that fail in ways hard to find.",
        "Take a /64 from the site's pool.",
        cite("RFC 4291", "2.5.1"),
    ),
    "Subnet",
)
def prefix_length(view: View, subnet: Resource) -> Iterator[str]:
    """Look at the prefix."""
    if view.get(subnet, "ipVersion") == V6:
        network = ipaddress.ip_network(str(view.get(subnet, "cidr")))
        if network.prefixlen != LENGTH:
            yield f"is a /{network.prefixlen}"


@BOOK.each(
    about(
        "ipv6-nat66",
        "high",
        "No IPv6 address is translated",
        "Không chuyển đổi địa chỉ IPv6 (NAT66)",
        "Lost end-to-end addresses: logs and rules that no longer tell who called.",
        "Use global addresses of the site's range on every routed network.",
        cite("RFC 4864", "4"),
    ),
    "Subnet",
    "FloatingIp",
)
def nat66(view: View, one: Resource) -> Iterator[str]:
    """Look for local addresses behind a gateway, which need translation, and for floating ones."""
    if view.inputs_named(one, "cidr"):
        if view.get(one, "ipVersion") == V6 and not view.get(one, "noGateway"):
            network = ipaddress.IPv6Network(str(view.get(one, "cidr")))
            if network.subnet_of(ipaddress.IPv6Network("fc00::/7")):
                yield f"{network} is local, so that callers outside need translation"
        return
    for name in ("address", "fixedIp"):
        if ":" in str(one.inputs.get(name) or ""):
            yield f"translates {one.inputs[name]}"


@BOOK.each(
    about(
        "ipv6-outside-plan",
        "high",
        "Every subnet lies where the address plan has it",
        "Mọi mạng con nằm đúng quy hoạch địa chỉ",
        "Networks that overlap another component's or the other site's, found out in a takeover.",
        "Take the prefix that the catalogue derives from the numbers of service and component.",
        iso("8.9", "8.22"),
    ),
    "Subnet",
)
def outside_plan(view: View, subnet: Resource) -> Iterator[str]:
    """Compare a component's subnet with the plan, and all others with the link."""
    found = view.part(subnet)
    cidr = ipaddress.ip_network(str(view.get(subnet, "cidr")))
    if cidr.version != view.get(subnet, "ipVersion"):
        yield f"{cidr} is not of IPv{view.get(subnet, 'ipVersion')}"
    if found:
        service, part = found
        planned = view.networks(view.site)[PartKey(service.id, part.id)]
        if cidr not in (planned.ipv4, planned.ipv6):
            yield f"{cidr} is not planned for {service.id}-{part.id}"
        if not view.get(subnet, "noGateway"):
            gateway = planned.gateway.ipv4 if cidr.version == V4 else planned.gateway.ipv6
            if str(view.get(subnet, "gatewayIp") or gateway) != str(gateway):
                yield f"has its gateway at {view.get(subnet, 'gatewayIp')}, planned is {gateway}"
    if not view.inputs_named(subnet, "subnetpoolId"):
        yield "does not come from the site's pool"


@BOOK.each(
    about(
        "ipv6-pool-given-out",
        "medium",
        "What the cloud gives out by itself is apart from the planned addresses",
        "Dải địa chỉ cấp tự động tách khỏi các địa chỉ đã quy hoạch",
        "A load balancer or agent that takes a server's address before the server is there.",
        "Leave the allocation pools to the catalogue.",
        iso("8.9"),
    ),
    "Subnet",
)
def pool_given_out(view: View, subnet: Resource) -> Iterator[str]:
    """Compare the allocation pools with the planned part of a component's subnet."""
    found = view.part(subnet)
    if not found:
        return
    service, part = found
    planned = view.networks(view.site)[PartKey(service.id, part.id)]
    version = view.get(subnet, "ipVersion")
    span = planned.pool.ipv4 if version == V4 else planned.pool.ipv6
    pools = zip(
        view.every(subnet, "allocationPools.start"),
        view.every(subnet, "allocationPools.end"),
        strict=True,
    )
    given = Ranges.of((_number(start), _number(end)) for start, end in pools)
    if not given or not given <= Ranges(((int(span[0]), int(span[1])),)):
        yield f"gives out more than {span[0]} to {span[1]}"


def _number(address: object) -> int:
    return int(ipaddress.ip_address(str(address)))


@BOOK.each(
    about(
        "ipv6-server-addresses",
        "high",
        "Every server has its planned IPv4 and IPv6 addresses",
        "Mọi máy chủ có địa chỉ IPv4 và IPv6 đúng quy hoạch",
        "A server reachable in one family only, or at an address that rules give to another.",
        "Give the port one fixed address of each subnet of its network, as planned.",
        *DUAL,
    ),
    "Port",
)
def server_addresses(view: View, port: Resource) -> Iterator[str]:
    """Look at the fixed addresses of servers' ports."""
    found = view.part(port)
    if not found:
        return
    service, part = found
    planned = view.networks(view.site)[PartKey(service.id, part.id)]
    servers = Ranges(((int(planned.server(0).ipv4), int(planned.pool.ipv4[0]) - 1),))
    servers6 = Ranges(((int(planned.server(0).ipv6), int(planned.pool.ipv6[0]) - 1),))
    given = [ipaddress.ip_address(str(one)) for one in view.every(port, "fixedIps.ipAddress")]
    for version, range_ in ((V4, servers), (V6, servers6)):
        mine = [one for one in given if one.version == version]
        if len(mine) != 1:
            yield f"has {len(mine)} IPv{version} addresses"
        for one in mine:
            if not prefix_set([str(one)], version) <= range_:
                yield f"{one} is not planned for a server of {service.id}-{part.id}"
    offsets = {
        int(one) - int((planned.ipv4 if one.version == V4 else planned.ipv6)[0]) for one in given
    }
    if len(given) == 2 and len(offsets) != 1:  # noqa: PLR2004 - one of each family
        yield "has two addresses that are not a pair"
    subnets = view.refs(port, "fixedIps.subnetId", "Subnet")
    networks = {one.urn for one in view.refs(port, "networkId", "Network")}
    for subnet in subnets:
        if {one.urn for one in view.refs(subnet, "networkId", "Network")} != networks:
            yield f"has an address of {subnet.name}, which is of another network"


@BOOK.stack(
    about(
        "ipv6-same-address",
        "high",
        "No two ports have the same address",
        "Không hai cổng nào có cùng địa chỉ",
        "Two servers that take each other's traffic.",
        "Give each server the address of its index.",
        iso("8.9"),
    )
)
def same_address(view: View) -> Iterator[tuple[Resource, str]]:
    """Look at all fixed addresses of the site."""
    seen: dict[str, Resource] = {}
    for port in view.of("Port"):
        for address in map(str, view.every(port, "fixedIps.ipAddress")):
            if address in seen:
                yield port, f"has {address}, as {seen[address].name} has"
            seen[address] = port


@BOOK.each(
    about(
        "ipv6-subnet-unrouted",
        "high",
        "Every subnet with a gateway is on its agency's router, in both families",
        "Mọi mạng con có cổng ra đều nối vào bộ định tuyến, cả hai họ địa chỉ",
        "A network that is reachable in one family only.",
        "Make a router interface for each of the network's subnets.",
        *DUAL,
    ),
    "Subnet",
)
def subnet_unrouted(view: View, subnet: Resource) -> Iterator[str]:
    """Look for the subnet's router interface."""
    joined = view.pointing("RouterInterface", "subnetId", "Subnet").get(subnet.urn, [])
    if not view.get(subnet, "noGateway") and not joined:
        yield "is on no router"


@BOOK.stack(
    about(
        "ipv6-name-single",
        "medium",
        "Every name has A and AAAA records",
        "Mọi tên miền có cả bản ghi A và AAAA",
        "A service whose IPv6 addresses nobody finds.",
        "Give the name both record sets.",
        *DUAL,
    )
)
def name_single(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare the kinds of records of each name."""
    names: dict[str, dict[str, Resource]] = defaultdict(dict)
    for record in view.of("RecordSet"):
        names[str(view.get(record, "name"))][str(view.get(record, "type"))] = record
    for name, kinds in names.items():
        for kind, other in (("A", "AAAA"), ("AAAA", "A")):
            if kind in kinds and other not in kinds:
                yield kinds[kind], f"{name} has no {other} record"
        counts = {len(one.inputs.get("records") or []) for one in kinds.values()}
        if len(kinds) > 1 and len(counts) > 1 and kinds.keys() <= {"A", "AAAA"}:
            yield kinds["A"], f"{name} has more addresses of one family than of the other"


@BOOK.each(
    about(
        "ipv6-name-leads-astray",
        "high",
        "Names lead to addresses of the site, of their own family",
        "Tên miền dẫn tới địa chỉ của trung tâm, đúng họ địa chỉ",
        "Callers that are sent to a host of somebody else.",
        "Leave the records to the catalogue's `dns`.",
        iso("8.21"),
    ),
    "RecordSet",
)
def name_leads_astray(view: View, record: Resource) -> Iterator[str]:
    """Judge A records' private and AAAA records' addresses; a floating address is the cloud's."""
    version = {"A": V4, "AAAA": V6}.get(str(view.get(record, "type")))
    if version is None:
        return
    inside = prefix_set([str(view.site.ipv4), str(view.site.ipv6)], version)
    records = record.inputs.get("records")
    values = records if isinstance(records, list) else []
    if not values and not view.inputs_named(record, "records"):
        yield "leads nowhere"
    for value in values:
        if not isinstance(value, str):
            continue  # a floating address that the cloud is still to choose
        address = ipaddress.ip_address(value)
        floating = version == V4 and not prefix_set([value], V4) <= PRIVATE
        if address.version != version:
            yield f"{value} is no IPv{version} address"
        elif not floating and not prefix_set([value], version) <= inside:
            yield f"{value} is not of this site"


@BOOK.stack(
    about(
        "ipv6-name-unreachable",
        "high",
        "Every declared caller may call an address that the service's names have, in both families",
        "Bên gọi đã khai báo kết nối được tới địa chỉ của tên miền dịch vụ, cả IPv4 và IPv6",
        "A service that components reach by one family alone, or by no name at all.",
        "Give components a name that leads to the balancer's own addresses.",
        *DUAL,
    )
)
def name_unreachable(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare the addresses that a service's names lead to with what its callers let out."""
    groups = _caller_groups(view)
    for key, records in _records(view).items():
        callers = {
            (listen.protocol, listen.port, caller)
            for listen in _listens_named(view, key)
            for caller in listen.callers
        }
        for protocol, port, party in sorted(callers):
            caller = ALL if party == ALL else str(flows.part_of(key.service, party))
            if caller not in groups:
                continue
            for version, some in records.items():
                out = [
                    one
                    for urn in groups[caller]
                    for one in together(view).get((urn, "egress", version), ())
                ]
                reach = who_passes(out, protocol, port)
                if not any(_within(one, reach, version) for one in some):
                    for one in some:
                        view.every(one, "records")
                    yield some[0], f"{caller} may not call what it leads to on {protocol} {port}"


def _caller_groups(view: View) -> dict[str, set[str]]:
    """Return the URNs of the groups that each part's servers are in; everyone's: the baseline."""
    baseline = {
        one.urn
        for one in view.of("SecGroup")
        if view.get(one, "name") == "baseline" and "service" not in view.labels(one)
    }
    found = {ALL: baseline}
    for group in view.of("SecGroup"):
        if part := view.part(group):
            found[str(PartKey(part[0].id, part[1].id))] = baseline | {group.urn}
    return found


def _records(view: View) -> dict[PartKey, dict[int, list[Resource]]]:
    """Return the records that lead to each part, by IP version."""
    zone = f".{view.site.id}.{view.catalogue.city.domain}"
    targets = {
        f"{record.name}{ending}{zone}": PartKey(service.id, record.target)
        for service in view.catalogue.services.values()
        for record in service.dns
        for ending in ("", INSIDE)
    }
    found: dict[PartKey, dict[int, list[Resource]]] = defaultdict(lambda: defaultdict(list))
    for record in view.of("RecordSet"):
        key = targets.get(str(view.get(record, "name")))
        version = {"A": V4, "AAAA": V6}.get(str(view.get(record, "type")))
        if key and version:
            found[key][version].append(record)
    return found


def _listens_named(view: View, key: PartKey) -> list[Listen]:
    """Return the ports that a part's names are for: what its balancer spreads, or all."""
    part = view.parts[key][1]
    spread = flows.balanced_port(part, view.site)
    return [spread] if spread else flows.listens(part)


def _within(record: Resource, reach: Ranges, version: int) -> bool:
    """Return whether all the record's addresses are known and within reach."""
    values = record.inputs.get("records")
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        return False
    return prefix_set(values, version) <= reach


@BOOK.stack(
    about(
        "ipv6-balancer-single",
        "high",
        "Every balanced port has a load balancer in each family",
        "Mọi cổng được cân bằng tải có bộ cân bằng cho cả IPv4 và IPv6",
        "A public service that half of its callers cannot reach.",
        "Give the component a load balancer on its IPv4 and one on its IPv6 subnet.",
        *DUAL,
    )
)
def balancer_single(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare the families of the load balancers of each component and port."""
    found: dict[tuple[object, object], dict[int, Resource]] = defaultdict(dict)
    for listener in view.of("Listener"):
        balancer = view.ref(listener, "loadbalancerId", "LoadBalancer")
        part = view.part(balancer) if balancer else None
        if balancer and part:
            version = ipaddress.ip_address(str(view.get(balancer, "vipAddress"))).version
            key = (str(PartKey(part[0].id, part[1].id)), view.get(listener, "protocolPort"))
            found[key][version] = listener
    for pair in found.values():
        for mine, other in ((V4, V6), (V6, V4)):
            if mine in pair and other not in pair:
                yield pair[mine], f"has no counterpart in IPv{other}"


@BOOK.each(
    about(
        "ipv6-balancer-address",
        "medium",
        "Load balancers and their members have their planned addresses",
        "Bộ cân bằng tải và thành viên có địa chỉ đúng quy hoạch",
        "Traffic that is handed to a host of another component.",
        "Leave vip_address and the members to the catalogue.",
        iso("8.9"),
    ),
    "LoadBalancer",
)
def balancer_address(view: View, balancer: Resource) -> Iterator[str]:
    """Compare the virtual address with the plan, the members with the ports of the component."""
    found = view.part(balancer)
    if not found:
        return
    service, part = found
    planned = view.networks(view.site)[PartKey(service.id, part.id)].balancer
    address = ipaddress.ip_address(str(view.get(balancer, "vipAddress")))
    if address not in (planned.ipv4, planned.ipv6):
        yield f"{address} is not the planned one"
    subnet = view.ref(balancer, "vipSubnetId", "Subnet")
    if subnet and view.part(subnet) != found:
        yield f"stands in {subnet.name}, another component's network"


@BOOK.each(
    about(
        "ipv6-name-servers",
        "medium",
        "Servers resolve names by the site's own name servers",
        "Máy chủ phân giải tên miền qua máy chủ tên miền của trung tâm",
        "Answers from a resolver that nobody chose.",
        "Leave dns_nameservers to the site's file.",
        iso("8.21"),
    ),
    "Subnet",
)
def name_servers(view: View, subnet: Resource) -> Iterator[str]:
    """Compare with the site's name servers of the subnet's family."""
    version = view.get(subnet, "ipVersion")
    wanted = [str(one) for one in view.site.name_servers if one.version == version]
    given = view.every(subnet, "dnsNameservers")
    if view.part(subnet) and given != wanted:
        yield f"names {', '.join(given) or 'none'}, the site has {', '.join(wanted) or 'none'}"


@BOOK.each(
    about(
        "ipv6-zone",
        "high",
        "Names lie in the site's own zone",
        "Tên miền nằm trong vùng DNS của chính trung tâm",
        "Names that nobody is asked for, or that belong to somebody else.",
        "Leave the zone to the program: the site's id under the city's domain.",
        iso("8.21"),
    ),
    "Zone",
    "RecordSet",
)
def zone(view: View, one: Resource) -> Iterator[str]:
    """Compare the zone's name with the site's, a record's with its zone's."""
    planned = f"{view.site.id}.{view.catalogue.city.domain}"
    if view.inputs_named(one, "zoneId"):
        if not str(view.get(one, "name")).endswith(f".{planned}"):
            yield f"{view.get(one, 'name')} is not in {planned}"
    elif view.get(one, "name") != planned or view.get(one, "type") != "PRIMARY":
        yield f"is {view.get(one, 'type')} {view.get(one, 'name')}, planned is PRIMARY {planned}"


@BOOK.stack(
    about(
        "ipv6-public-address",
        "high",
        "Every public service has an IPv4 address outside beside its IPv6 one",
        "Mọi dịch vụ công cộng có địa chỉ IPv4 công cộng bên cạnh IPv6",
        "Citizens with IPv4 alone who cannot reach a public service.",
        "Give the public load balancer its floating address on the external network.",
        *DUAL,
    )
)
def public_address(view: View) -> Iterator[tuple[Resource, str]]:
    """Look for the floating address of each public component's IPv4 balancer."""
    given = [
        view.part(one)
        for one in view.of("FloatingIp")
        if view.inputs_named(one, "portId") and view.get(one, "pool") == view.site.external_network
    ]
    for balancer in view.of("LoadBalancer"):
        found = view.part(balancer)
        spread = found[1].load_balancer if found and isinstance(found[1], Component) else None
        is_ipv4 = ":" not in str(view.get(balancer, "vipAddress"))
        if spread and spread.public and is_ipv4 and found not in given:
            yield balancer, "has no floating address on the external network"
