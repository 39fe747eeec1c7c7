"""What can be reached from where."""

import ipaddress
from collections.abc import Iterator

from catalogue import flows
from catalogue.model import Component
from infra.graph import Resource
from policies.frameworks import cis, cite, guide, iso, tcvn
from policies.model import Book, about
from policies.openings import (
    ICMP,
    WITH_PORTS,
    allowed,
    declared,
    opening,
    protocol_of,
    together,
    who_passes,
)
from policies.prefixes import ALL_PORTS, Ranges, everything, is_internet, prefix_set, shown
from policies.view import View

BOOK = Book([])

NETWORK = (iso("8.20", "8.22"), tcvn("7.2.1"), cis("13.4"), guide("networking/services"))
ADMIN_PORTS = {
    ("tcp", 22): "SSH", ("tcp", 23): "Telnet", ("udp", 161): "SNMP", ("udp", 623): "IPMI",
    ("tcp", 2375): "Docker", ("tcp", 2376): "Docker", ("tcp", 3389): "RDP", ("tcp", 5900): "VNC",
    ("tcp", 5985): "WinRM", ("tcp", 5986): "WinRM", ("tcp", 6443): "Kubernetes",
    ("tcp", 10250): "kubelet", ("tcp", 16509): "libvirt",
}  # fmt: skip
DATA_PORTS = {
    ("tcp", 1433): "SQL Server", ("tcp", 1521): "Oracle", ("tcp", 2379): "etcd",
    ("tcp", 3306): "MariaDB", ("tcp", 5432): "PostgreSQL", ("tcp", 6379): "Redis",
    ("tcp", 9042): "Cassandra", ("tcp", 9092): "Kafka", ("tcp", 9200): "OpenSearch",
    ("tcp", 9300): "OpenSearch", ("tcp", 11211): "memcached", ("udp", 11211): "memcached",
    ("tcp", 27017): "MongoDB",
}  # fmt: skip
MANY_PORTS = 100
SHARE = 1000
"""A rule that gives less than this part of what is open is not why it is the Internet."""
ICMP_TYPES = {4: {0, 3, 8, 11, 12}, 6: {1, 2, 3, 4, 128, 129, 144, 145, 146, 147}}
"""RFC 4890, 4.3: errors, echo and mobility pass; IPv4's the same without mobility."""


def _from_the_internet(
    view: View, ports: dict[tuple[str, int], str]
) -> Iterator[tuple[Resource, str]]:
    """Yield each rule that helps to open one of the ports to the Internet, with others or alone."""
    for (_, direction, version), some in together(view).items():
        for (protocol, port), name in ports.items() if direction == "ingress" else ():
            reach = who_passes(some, protocol, port)
            if is_internet(reach, version):
                at = shown(reach, version)
                for one in some:
                    if one.passes(protocol, port) and one.addresses.size * SHARE > reach.size:
                        yield one.rule, f"{name} ({protocol} {port}) is open to {at}"


@BOOK.stack(
    about(
        "exposure-admin-port",
        "critical",
        "No administration port is open to the Internet",
        "Không cổng quản trị nào mở ra Internet",
        "Guessing of passwords and use of fresh flaws in SSH, RDP and the like by anyone at all.",
        "Let the bastion's network alone in; administrators come over the VPN.",
        *NETWORK,
    )
)
def admin_ports(view: View) -> Iterator[tuple[Resource, str]]:
    """Join the rules of a group: halves of the address space open the whole."""
    yield from _from_the_internet(view, ADMIN_PORTS)


@BOOK.stack(
    about(
        "exposure-data-port",
        "critical",
        "No database or message port is open to the Internet",
        "Không cổng cơ sở dữ liệu hay hàng đợi nào mở ra Internet",
        "Theft of whole databases that listen where anyone can reach them.",
        "Name the calling components in the catalogue; nobody else needs the port.",
        *NETWORK,
        cis("3.3"),
    )
)
def data_ports(view: View) -> Iterator[tuple[Resource, str]]:
    """Join the rules of a group, as for administration ports."""
    yield from _from_the_internet(view, DATA_PORTS)


@BOOK.each(
    about(
        "exposure-any-protocol",
        "high",
        "Every rule of a security group names its protocol",
        "Mọi quy tắc của nhóm bảo mật nêu rõ giao thức",
        "A rule without a protocol opens every port of every protocol, also those not thought of.",
        "Name tcp or udp and the port.",
        *NETWORK,
    ),
    "SecGroupRule",
)
def any_protocol(view: View, rule: Resource) -> Iterator[str]:
    """Look at both directions."""
    if not protocol_of(view, rule):
        yield f"{view.get(rule, 'direction')} passes every protocol"


@BOOK.stack(
    about(
        "exposure-any-port",
        "high",
        "No group opens all ports, or a wide range of them",
        "Không nhóm nào mở mọi cổng hoặc một dải cổng rộng",
        "Whatever a server starts to listen on is reachable at once.",
        f"Name single ports; {MANY_PORTS} and more in one group are too many.",
        *NETWORK,
    )
)
def any_port(view: View) -> Iterator[tuple[Resource, str]]:
    """Join the port ranges that a group's rules give to the same addresses."""
    for (_, direction, _version), some in together(view).items():
        for protocol in WITH_PORTS:
            of_protocol = [one for one in some if one.protocol == protocol]
            joined = Ranges.of(span for one in of_protocol for span in one.ports.spans)
            if joined.size >= MANY_PORTS:
                what = "all ports" if joined == ALL_PORTS else f"{joined.size} ports"
                for one in of_protocol:
                    if one.ports.size > 1:
                        yield one.rule, f"{direction} passes {what} of {protocol} in this group"


@BOOK.each(
    about(
        "exposure-undeclared-ingress",
        "high",
        "Nothing comes in but what the catalogue declares",
        "Chỉ luồng vào được khai báo trong danh mục mới được phép",
        "An opening that nobody has asked for, reviewed or remembers.",
        "Declare the caller under `listens` of the component that is called, or remove the rule.",
        *NETWORK,
        cite("Decree 85/2016/ND-CP", "art. 4"),
    ),
    "SecGroupRule",
)
def undeclared_ingress(view: View, rule: Resource) -> Iterator[str]:
    """Compare with the declared flows of the group's component."""
    yield from _undeclared(view, rule, "ingress")


@BOOK.each(
    about(
        "exposure-undeclared-egress",
        "high",
        "Nothing goes out but what the catalogue declares",
        "Chỉ luồng ra được khai báo trong danh mục mới được phép",
        "Data carried off, or commands fetched, by who has taken over a server.",
        "Declare the call under `calls`, or the caller at the component that is called.",
        *NETWORK,
        cite("Decree 85/2016/ND-CP", "art. 4"),
    ),
    "SecGroupRule",
)
def undeclared_egress(view: View, rule: Resource) -> Iterator[str]:
    """Compare with the declared flows of the group's component."""
    yield from _undeclared(view, rule, "egress")


def _undeclared(view: View, rule: Resource, direction: str) -> Iterator[str]:
    found = opening(view, rule)
    group = view.by_urn.get(found.group)
    if found.direction != direction:
        return
    known = allowed(view, group) if group else None
    if known is None:
        yield "the catalogue declares nothing for the rule's group"
        return
    ports = {
        port: who
        for (way, protocol, port, version), who in known.items()
        if (way, protocol, version) == (direction, found.protocol, found.version)
    }
    if not found.ports <= Ranges.of((port, port) for port in ports) or not found.ports:
        yield f"{direction} {_shown(found.protocol, found.ports)} is not declared for its group"
        return
    if not found.addresses:
        yield "the other side is a security group, which no declared flow names"
    for port, who in ports.items():
        beyond = found.addresses - who
        if Ranges(((port, port),)) <= found.ports and beyond:
            at = shown(beyond, found.version)
            yield f"{direction} {found.protocol} {port} is open to {at}, which is not declared"


def _shown(protocol: str, ports: Ranges) -> str:
    spans = ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in ports.spans)
    return f"{protocol or 'any protocol'} {spans}".strip()


@BOOK.each(
    about(
        "exposure-declared-closed",
        "medium",
        "What the catalogue declares is open, in both families",
        "Luồng đã khai báo được mở, cho cả IPv4 và IPv6",
        "A service that cannot be called, or only over one family, found out in a takeover.",
        "Deploy the stack from the catalogue; do not remove rules by hand.",
        iso("8.21"),
        tcvn("7.2.1"),
    ),
    "SecGroup",
)
def declared_closed(view: View, group: Resource) -> Iterator[str]:
    """Compare the declared flows with what the group's rules open together."""
    for rule in declared(view, group) or ():
        for version, prefixes in ((4, rule.ipv4), (6, rule.ipv6)):
            some = together(view).get((group.urn, rule.direction, version), [])
            asked = prefix_set(map(str, prefixes), version)
            closed = asked - who_passes(some, *rule.of(version))
            if closed:
                yield f"{rule.name} is closed to {shown(closed, version)}"


@BOOK.each(
    about(
        "exposure-default-rules",
        "high",
        "Security groups start empty",
        "Nhóm bảo mật bắt đầu rỗng, không giữ quy tắc mặc định",
        "Neutron's own rules let every server call anyone on the Internet.",
        "Set delete_default_rules on the group.",
        *NETWORK,
    ),
    "SecGroup",
)
def default_rules(view: View, group: Resource) -> Iterator[str]:
    """Look at the group's own switch."""
    if view.get(group, "deleteDefaultRules") is not True:
        yield "keeps neutron's default rules, which let everything out"


@BOOK.stack(
    about(
        "exposure-egress-internet",
        "high",
        "No group lets servers call the whole Internet on every port",
        "Không nhóm nào cho máy chủ gọi ra toàn Internet trên mọi cổng",
        "A way out for stolen data and a way in for commands.",
        "Declare what is called: the package mirror, time sources, resolvers.",
        *NETWORK,
    )
)
def egress_internet(view: View) -> Iterator[tuple[Resource, str]]:
    """Join the egress rules of a group whose ports are many."""
    for (_, direction, version), some in together(view).items():
        if direction != "egress":
            continue
        broad = [one for one in some if one.ports.size >= MANY_PORTS]
        reach = Ranges.of(span for one in broad for span in one.addresses.spans)
        for one in broad if is_internet(reach, version) else ():
            yield one.rule, f"egress on {one.ports.size} ports reaches {shown(reach, version)}"


@BOOK.each(
    about(
        "exposure-icmp",
        "medium",
        "ICMP passes by type: errors and echo, nothing that steers hosts",
        "ICMP chỉ cho qua theo loại: báo lỗi và echo, không có loại điều khiển máy chủ",
        "Redirects and router messages from afar that lead a server's traffic elsewhere.",
        "Name the type (port_range_min): 1 to 4, 128 and 129 in IPv6; 0, 3, 8, 11, 12 in IPv4.",
        cite("RFC 4890", "4.3"),
        iso("8.20"),
    ),
    "SecGroupRule",
)
def icmp(view: View, rule: Resource) -> Iterator[str]:
    """Judge rules in; without a type, all of them pass."""
    if view.get(rule, "direction") != "ingress":
        return
    for version, protocol in ICMP.items():
        if protocol_of(view, rule) == protocol:
            kind = view.get(rule, "portRangeMin")
            if kind is None:
                yield f"every type of {protocol} passes"
            elif int(kind) not in ICMP_TYPES[version]:
                yield f"type {int(kind)} of {protocol} passes"


@BOOK.each(
    about(
        "exposure-listener-callers",
        "critical",
        "A load balancer hears the declared callers, and only those",
        "Bộ cân bằng tải nghe đúng các bên gọi đã khai báo",
        "A service for agencies that everyone on the Internet can use.",
        "Leave allowed_cidrs to the catalogue's `from`; without it octavia hears everyone.",
        *NETWORK,
    ),
    "Listener",
)
def listener_callers(view: View, listener: Resource) -> Iterator[str]:
    """Compare allowed_cidrs, which means everyone when it is left out, with the declared."""
    balancer = view.ref(listener, "loadbalancerId", "LoadBalancer")
    found = view.part(balancer) if balancer else None
    if balancer is None or found is None:
        yield "belongs to no component of the catalogue"
        return
    service, part = found
    version = ipaddress.ip_address(str(view.get(balancer, "vipAddress"))).version
    callers = view.flows.balanced.get(flows.PartKey(service.id, part.id))
    known = [*callers.ipv4, *callers.ipv6] if callers else []
    own = view.networks(view.site)[flows.PartKey(service.id, part.id)]
    given = view.every(listener, "allowedCidrs")
    hears = prefix_set(given, version) if given else everything(version)
    beyond = hears - prefix_set(map(str, [*known, own.ipv4, own.ipv6]), version)
    if beyond:
        yield f"hears {shown(beyond, version)}, which is not declared"
    if deaf := prefix_set(map(str, known), version) - hears:
        yield f"does not hear {shown(deaf, version)}, which is declared"


@BOOK.each(
    about(
        "exposure-listener-port",
        "high",
        "A load balancer spreads the port that is declared",
        "Bộ cân bằng tải chỉ phân phối cổng đã khai báo",
        "A second, forgotten door to a service.",
        "Name the port under `load_balancer.listen` of the component.",
        iso("8.20"),
        tcvn("7.2.1"),
    ),
    "Listener",
)
def listener_port(view: View, listener: Resource) -> Iterator[str]:
    """Compare port and protocol with the component's."""
    balancer = view.ref(listener, "loadbalancerId", "LoadBalancer")
    found = view.part(balancer) if balancer else None
    spread = flows.balanced_port(found[1], view.site) if found else None
    here = (str(view.get(listener, "protocol")).lower(), view.get(listener, "protocolPort"))
    if found and (spread is None or here != (spread.protocol, spread.port)):
        yield f"spreads {here[0]} {here[1]}, which is not declared"


@BOOK.each(
    about(
        "exposure-port-security",
        "critical",
        "Port security is on",
        "Bảo vệ cổng mạng (port security) luôn bật",
        "Without it no security group holds, and a server may send as any other.",
        "Remove port_security_enabled: false.",
        *NETWORK,
    ),
    "Port",
    "Network",
)
def port_security(view: View, one: Resource) -> Iterator[str]:
    """Look at networks, whose switch is the ports' default, and at ports."""
    if view.get(one, "portSecurityEnabled") is False:
        yield "port security is off"


@BOOK.each(
    about(
        "exposure-port-without-group",
        "critical",
        "Every server's port is in its component's group and in the baseline",
        "Mọi cổng máy chủ thuộc nhóm bảo mật của thành phần và nhóm nền",
        "A server that hears everyone on its network, or the openings of another component.",
        "Give the port its component's security group and the baseline, and no other.",
        *NETWORK,
    ),
    "Port",
)
def port_without_group(view: View, port: Resource) -> Iterator[str]:
    """Leave out routers' ports, which have no groups."""
    if port.urn in view.pointing("RouterInterface", "portId", "Port"):
        return
    groups = view.refs(port, "securityGroupIds", "SecGroup")
    if view.get(port, "noSecurityGroups") or not groups:
        yield "has no security group"
        return
    mine = view.part(port)
    parts = [view.part(one) for one in groups]
    for group, part in zip(groups, parts, strict=True):
        if part and part != mine:
            yield f"is in the group {group.name} of another component"
    if mine not in parts:
        yield "is not in its component's group"
    if None not in parts:
        yield "is not in the baseline"


@BOOK.each(
    about(
        "exposure-address-pairs",
        "high",
        "No port may send from addresses that are not its own",
        "Không cổng nào được gửi từ địa chỉ không phải của mình",
        "A server that answers for others: address pairs switch the check of senders off.",
        "Give single addresses in allowed_address_pairs, such as a shared virtual one.",
        *NETWORK,
    ),
    "Port",
)
def address_pairs(view: View, port: Resource) -> Iterator[str]:
    """Let single addresses pass."""
    for pair in view.every(port, "allowedAddressPairs.ipAddress"):
        network = ipaddress.ip_network(str(pair), strict=False)
        if network.num_addresses > 1:
            yield f"may send from {network}"


@BOOK.each(
    about(
        "exposure-floating-ip",
        "critical",
        "Only public load balancers have floating addresses",
        "Chỉ bộ cân bằng tải công cộng có địa chỉ floating IP",
        "A server that stands on the Internet by itself, past the load balancer's callers.",
        "Publish the component through a public load balancer in the catalogue.",
        *NETWORK,
    ),
    "FloatingIp",
    "FloatingIpAssociate",
)
def floating_ip(view: View, address: Resource) -> Iterator[str]:
    """Look for servers' ports, and at what the catalogue publishes."""
    if view.inputs_named(address, "portId") and view.inputs_of_kind(address, "portId", "Port"):
        yield "leads to a server's own port"
        return
    found = view.part(address)
    balancer = found[1].load_balancer if found and isinstance(found[1], Component) else None
    if not balancer or not balancer.public:
        yield "leads to what the catalogue does not publish"


@BOOK.each(
    about(
        "exposure-direct-network",
        "critical",
        "Servers are on their component's network, by a port of the stack",
        "Máy chủ chỉ nối vào mạng của thành phần, qua cổng do ngăn xếp quản lý",
        "A server on the external network, or on a port that no rule here has judged.",
        "Give the server `networks` with one port of the stack, and no access address.",
        *NETWORK,
    ),
    "Instance",
)
def direct_network(view: View, server: Resource) -> Iterator[str]:
    """Every network of a server is a port that this stack makes."""
    networks = server.inputs.get("networks") or []
    ports = view.refs(server, "networks.port", "Port")
    if len(ports) != len(networks) or not networks:
        yield "has a network that is not by a port of this stack"
    for port in ports:
        if view.part(port) != view.part(server):
            yield f"uses {port.name}, another component's port"


@BOOK.each(
    about(
        "exposure-family",
        "medium",
        "Every rule names its family and direction, and its prefix is of that family",
        "Mọi quy tắc nêu rõ họ địa chỉ, chiều, và tiền tố đúng họ địa chỉ",
        "A rule that opens the other family than the one that was meant.",
        "Give ethertype IPv4 or IPv6, a direction, and a prefix of the family.",
        iso("8.20"),
        tcvn("7.2.1"),
    ),
    "SecGroupRule",
)
def family(view: View, rule: Resource) -> Iterator[str]:
    """Compare ethertype and prefix."""
    version = {"IPv4": 4, "IPv6": 6}.get(str(view.get(rule, "ethertype")))
    prefix = view.get(rule, "remoteIpPrefix")
    if version is None:
        yield f"is of the family {view.get(rule, 'ethertype') or 'that is the default'}"
    elif prefix and ipaddress.ip_network(str(prefix), strict=False).version != version:
        yield f"has {prefix} in a rule for IPv{version}"
    if view.get(rule, "direction") not in {"ingress", "egress"}:
        yield f"has the direction {view.get(rule, 'direction')}"
