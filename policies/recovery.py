"""The other site can take over, and a lost machine or zone takes nothing with it."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from catalogue import flows, recovery
from catalogue.flows import PartKey
from catalogue.model import Component, Database, Profile, RecoveryTier, Service
from infra import parity
from infra.graph import Graph, Resource
from policies.frameworks import cis, guide, iso, tcvn
from policies.model import Book, about
from policies.openings import together, who_passes
from policies.prefixes import prefix_set
from policies.view import View, kind_of

BOOK = Book([])

CONTINUITY = (iso("5.30", "8.14"), tcvn("7.2.4"), cis("11.1"))
BACKUPS = (iso("8.13"), tcvn("7.2.4"), cis("11.2", "11.4"))
BACKUP = "-backup"
LONGEST_TTL_S = 300
LONGEST_OUTAGE_S = 60
APART = {"anti-affinity", "soft-anti-affinity"}


@BOOK.stack(
    about(
        "recovery-counterpart",
        "critical",
        "What a service's recovery tier asks for stands at the other site",
        "Thành phần mà mức phục hồi yêu cầu có mặt tại trung tâm còn lại",
        "A takeover that finds servers, data or rules missing.",
        "Deploy the other site's stack from the same catalogue.",
        *CONTINUITY,
    )
)
def counterpart(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare the two sites' stacks by name."""
    here = {one.name: one for one in reversed(view.graph.resources)}
    for site, peer in view.peers.items():
        primary = view.site.role == "primary"
        pair = (view.graph, peer) if primary else (peer, view.graph)
        for service in parity.compare(*pair, view.catalogue.city.recovery):
            for missing in service.missing:
                where = site if primary else view.site.id
                named = here.get(missing.partition(" ")[2], view.stack)
                yield named, f"{missing} of {service.service} is missing at {where}"


@BOOK.stack(
    about(
        "recovery-backup",
        "critical",
        "Every service has a container for its backups, at both sites",
        "Mọi dịch vụ có kho sao lưu tại cả hai trung tâm",
        "Backups that burn with the site that they are of.",
        "Declare the service in the catalogue: the containers follow.",
        *BACKUPS,
    )
)
def backup(view: View) -> Iterator[tuple[Resource, str]]:
    """Look for each service's container here and in the other stacks."""
    if "object-storage" not in view.site.capabilities:
        yield view.stack, "the site offers no object storage for backups"
        return
    services = _services(view)
    for site, graph in ((view.site.id, view.graph), *view.peers.items()):
        names = {
            str(one.inputs.get("name")) for one in graph.resources if kind_of(one) == "Container"
        }
        for service, one in services.items():
            if f"{service}{BACKUP}" not in names:
                yield one, f"{service} has no container for backups at {site}"


def _services(view: View) -> dict[str, Resource]:
    """Return a resource of each service that has data or servers in the stack."""
    found: dict[str, Resource] = {}
    for one in view.of("Container", "Volume", "Instance"):
        if service := view.labels(one).get("service"):
            found.setdefault(service, one)
    return found


@BOOK.each(
    about(
        "recovery-backup-versions",
        "high",
        "Containers for backups keep old versions",
        "Kho sao lưu giữ các phiên bản cũ",
        "Ransomware that overwrites the backups too.",
        "Set versioning on the container.",
        *BACKUPS,
        cis("11.3"),
        guide("object-storage"),
    ),
    "Container",
)
def backup_versions(view: View, container: Resource) -> Iterator[str]:
    """Look at containers for backups and at those that are declared versioned."""
    wanted = {
        bucket.id
        for service in view.catalogue.services.values()
        for bucket in service.buckets
        if bucket.versioned
    }
    name = str(view.get(container, "name"))
    if (name.endswith(BACKUP) or name in wanted) and view.get(container, "versioning") is not True:
        yield "keeps no old versions"


@BOOK.each(
    about(
        "recovery-backup-private",
        "critical",
        "Nobody outside the project reads backups",
        "Không ai ngoài dự án đọc được bản sao lưu",
        "All of a service's data, in one file, for who reads the container.",
        "Remove container_read from the container.",
        iso("8.3", "8.13"),
        cis("11.3"),
        guide("object-storage"),
    ),
    "Container",
)
def backup_private(view: View, container: Resource) -> Iterator[str]:
    """Look at containers for backups."""
    if str(view.get(container, "name")).endswith(BACKUP) and view.inputs_named(
        container, "containerRead"
    ):
        yield f"is read by {container.inputs['containerRead']}"


@BOOK.each(
    about(
        "recovery-apart",
        "high",
        "Servers of a component are kept on different machines",
        "Máy chủ của cùng thành phần đặt trên các máy vật lý khác nhau",
        "One broken machine that ends a whole service.",
        "Put the server into its component's server group, with anti-affinity.",
        *CONTINUITY,
    ),
    "Instance",
)
def apart(view: View, server: Resource) -> Iterator[str]:
    """Look at the server's group, and at its policy."""
    groups = view.refs(server, "schedulerHints.group", "ServerGroup")
    if not groups:
        yield "is in no server group of this stack"
    for group in groups:
        policy = view.get(group, "policies")
        policies = set(policy) if isinstance(policy, list) else {policy}
        if not policies & APART:
            yield f"is in {group.name}, whose policy is {policy or 'none'}"
        found = view.part(server)
        if found and group.name != f"{found[0].id}-{found[1].id}":
            yield f"is in {group.name}, the group of another component"


@BOOK.each(
    about(
        "recovery-database-apart",
        "critical",
        "A database's primary and standbys never share a machine",
        "Máy chủ chính và dự phòng của cơ sở dữ liệu không bao giờ chung máy vật lý",
        "Primary and standby lost together.",
        "Give the database's server group the strict anti-affinity policy.",
        *CONTINUITY,
    ),
    "Instance",
)
def database_apart(view: View, server: Resource) -> Iterator[str]:
    """Judge databases of the real city; the lab has one machine."""
    found = view.part(server)
    if not view.production or not found or not isinstance(found[1], Database):
        return
    for group in view.refs(server, "schedulerHints.group", "ServerGroup"):
        if view.get(group, "policies") not in ("anti-affinity", ["anti-affinity"]):
            yield f"may share a machine with another of {group.name}"


@BOOK.stack(
    about(
        "recovery-zones",
        "high",
        "Servers of a component are spread over the site's zones",
        "Máy chủ của thành phần được trải đều các vùng sẵn sàng",
        "A zone's power or cooling lost, and the service with it.",
        "Give the servers zones in turn.",
        *CONTINUITY,
    )
)
def zones(view: View) -> Iterator[tuple[Resource, str]]:
    """Count each component's servers by zone: no zone has two more than another."""
    parts: dict[str, list[Resource]] = defaultdict(list)
    for server in view.of("Instance"):
        zone = view.get(server, "availabilityZoneHints")
        if zone not in view.site.zones:
            yield server, f"is in the zone {zone or 'of none'}, which the site does not have"
        found = view.part(server)
        if found:
            parts[f"{found[0].id}-{found[1].id}"].append(server)
    for name, servers in parts.items():
        count = Counter(str(view.get(one, "availabilityZoneHints")) for one in servers)
        held = [count.get(zone, 0) for zone in view.site.zones]
        if max(held) - min(held) > 1:
            yield servers[0], f"{name} has {dict(sorted(count.items()))} servers by zone"


@BOOK.stack(
    about(
        "recovery-volume-zone",
        "high",
        "Volumes lie in the zones of their servers",
        "Ổ đĩa nằm cùng vùng sẵn sàng với máy chủ của nó",
        "A zone lost that takes the disks of servers in another one with it.",
        "Leave the zones of volumes to the program; where the block storage has none, let the"
        " site's file say so (zoned_volumes).",
        *CONTINUITY,
    )
)
def volume_zones(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare the zones of servers and of their volumes, where those have zones."""
    if not view.site.zoned_volumes or view.profile is not Profile.PRODUCTION:
        return
    pairs = [
        (server, volume)
        for server in view.of("Instance")
        for volume in view.refs(server, "blockDevices.uuid", "Volume")
    ]
    for attached in view.of("VolumeAttach"):
        server = view.ref(attached, "instanceId", "Instance")
        volume = view.ref(attached, "volumeId", "Volume")
        if server and volume:
            pairs.append((server, volume))
    for server, volume in pairs:
        zone = view.get(volume, "availabilityZone")
        wanted = view.get(server, "availabilityZoneHints")
        if zone != wanted:
            yield (
                volume,
                f"is in the zone {zone or 'of none'}, its server {server.name} in {wanted}",
            )


@BOOK.stack(
    about(
        "recovery-replication",
        "critical",
        "Databases at both sites can replicate, both ways",
        "Cơ sở dữ liệu hai trung tâm nhân bản được theo cả hai chiều",
        "A standby that stopped following and that nobody noticed until it was needed.",
        "Leave the rules for replication to the catalogue, and the link in place.",
        *CONTINUITY,
    )
)
def replication(view: View) -> Iterator[tuple[Resource, str]]:
    """Look for what opens a database to its own servers at the other sites."""
    groups = {one.name: one for one in view.of("SecGroup")}
    here = _with_servers(view.graph)
    there = {site: _with_servers(peer) for site, peer in view.peers.items()}
    for key, (service, part) in view.parts.items():
        group = groups.get(str(key))
        if not isinstance(part, Database) or group is None or str(key) not in here:
            continue
        for site, parts in there.items():
            if str(key) not in parts:
                continue
            network = view.networks(view.catalogue.sites[site])[PartKey(service.id, part.id)]
            for version, prefix in ((4, network.ipv4), (6, network.ipv6)):
                for direction in flows.BOTH_WAYS:
                    some = together(view).get((group.urn, direction, version), [])
                    open_ = who_passes(some, "tcp", part.port)
                    if not prefix_set([str(prefix)], version) <= open_:
                        what = f"{direction} tcp {part.port} is closed to {prefix} at {site}"
                        yield group, what


def _with_servers(graph: Graph) -> set[str]:
    return {one.name.rpartition("-")[0] for one in graph.of("Instance")}


@BOOK.stack(
    about(
        "recovery-promise",
        "high",
        "The recovery tier can keep the promised RTO and RPO",
        "Mức phục hồi đáp ứng được RTO và RPO đã cam kết",
        "A promise to the People's Committee that the design cannot keep.",
        "Choose a stronger tier, or promise less.",
        iso("5.30"),
        tcvn("7.2.4"),
    )
)
def promise(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare each service's promise with its tier's best, and the tier with what stands here."""
    classes = {one.tier: one for one in view.catalogue.city.recovery}
    servers = Counter(view.labels(one).get("service", "") for one in view.of("Instance"))
    for name, one in _services(view).items():
        service = view.catalogue.services.get(name)
        if service is None:
            continue
        best, promised = classes[service.recovery.tier], service.recovery
        if promised.rto_minutes < best.rto_minutes:
            yield (
                one,
                f"{name} promises an RTO of {promised.rto_minutes} min, {best.tier} needs \
{best.rto_minutes}",
            )
        if promised.rpo_minutes < best.rpo_minutes:
            yield (
                one,
                f"{name} promises an RPO of {promised.rpo_minutes} min, {best.tier} needs \
{best.rpo_minutes}",
            )
        if (
            view.site.role == "standby"
            and best.servers
            and not servers[name]
            and _runs(view, service)
        ):
            yield one, f"{name} is {best.tier}, but has no server here"


def _runs(view: View, service: Service) -> bool:
    return any(recovery.size(part, view.profile) for part in recovery.parts(service))


@BOOK.stack(
    about(
        "recovery-server-count",
        "high",
        "Each component has as many servers as the catalogue says for the site",
        "Mỗi thành phần có đủ số máy chủ theo danh mục cho trung tâm",
        "Too few servers to carry the load after a takeover; too many that nobody pays for.",
        "Deploy the stack; change counts in the catalogue.",
        *CONTINUITY,
        iso("8.6"),
    )
)
def server_count(view: View) -> Iterator[tuple[Resource, str]]:
    """Count servers by component."""
    count: Counter[str] = Counter()
    for server in view.of("Instance"):
        found = view.part(server)
        count[f"{found[0].id}-{found[1].id}" if found else ""] += 1
    for network in view.of("Network"):
        found = view.part(network)
        if found:
            service, part = found
            standing = recovery.standing(view.catalogue, view.site, service, view.profile)
            name, wanted = f"{service.id}-{part.id}", standing.servers[part.id]
            if count[name] != wanted:
                yield network, f"{name} has {count[name]} servers, planned are {wanted}"


@BOOK.stack(
    about(
        "recovery-quota",
        "high",
        "Quotas of the standby site hold what runs there after a takeover",
        "Hạn mức tại trung tâm dự phòng đủ cho mọi dịch vụ sau khi tiếp quản",
        "A takeover that stops at a quota in the middle of the night.",
        "Leave quotas to the catalogue: they follow from the services at full size.",
        iso("5.30", "8.6"),
    )
)
def quota(view: View) -> Iterator[tuple[Resource, str]]:
    """Add up every agency's services at full size, at either site."""
    flavors = {one.id: one for one in view.site.flavors}
    needed: dict[str, Counter[str]] = defaultdict(Counter)
    for service in view.catalogue.services.values():
        if recovery.standing(view.catalogue, view.site, service, view.profile).networks:
            for part in recovery.parts(service):
                size = recovery.size(part, view.profile)
                needed[service.agency] += Counter(
                    instances=size,
                    cores=size * flavors[part.flavor].vcpus,
                    ram=size * flavors[part.flavor].ram_mib,
                )
    for one in view.of("QuotaSetV2"):
        project = view.ref(one, "projectId", "Project")
        need = needed[str(view.get(project, "name"))] if project else Counter()
        for name, wanted in need.items():
            held = view.get(one, name)
            if held is not None and -1 < held < wanted:
                yield one, f"{name} is {held}, a takeover needs {wanted}"


@BOOK.each(
    about(
        "recovery-name-ttl",
        "medium",
        "Names can move to the other site within minutes",
        "Tên miền chuyển sang trung tâm còn lại trong vài phút",
        "Callers that keep asking the lost site for hours.",
        f"Set a TTL of at most {LONGEST_TTL_S} s.",
        iso("5.30"),
    ),
    "RecordSet",
    "Zone",
)
def name_ttl(view: View, one: Resource) -> Iterator[str]:
    """Look at the TTL; a record set without one has the zone's."""
    ttl = view.get(one, "ttl")
    if ttl is None and kind_of(one) == "RecordSet":
        return
    if ttl is None or not 0 < int(ttl) <= LONGEST_TTL_S:
        yield f"has a TTL of {ttl if ttl is not None else 'the cloud'}"


@BOOK.each(
    about(
        "recovery-pool-watched",
        "high",
        "Every pool watches its members and drops a dead one within a minute",
        "Mọi nhóm cân bằng tải giám sát thành viên và loại máy hỏng trong một phút",
        "Every n-th caller that gets no answer until a person notices.",
        "Give the pool a monitor with delay x max_retries of at most a minute.",
        *CONTINUITY,
        iso("8.16"),
    ),
    "Pool",
)
def pool_watched(view: View, pool: Resource) -> Iterator[str]:
    """Look for the pool's monitor."""
    monitors = view.pointing("Monitor", "poolId", "Pool").get(pool.urn, [])
    if not monitors:
        yield "has no monitor"
    for one in monitors:
        delay, tries = int(view.get(one, "delay") or 0), int(view.get(one, "maxRetries") or 0)
        timeout = int(view.get(one, "timeout") or 0)
        if not 0 < delay * tries <= LONGEST_OUTAGE_S or not 0 < timeout <= delay:
            yield f"is watched every {delay} s, {tries} times, each for {timeout} s"
        if view.get(one, "adminStateUp") is False:
            yield "has its monitor switched off"
        udp = view.get(pool, "protocol") == "UDP"
        if view.get(one, "type") not in (
            ("UDP-CONNECT",) if udp else ("TCP", "TLS-HELLO", "HTTPS")
        ):
            yield f"is watched by {view.get(one, 'type')}"


@BOOK.each(
    about(
        "recovery-pool-members",
        "high",
        "A load balancer spreads to all of its component's servers, on its port",
        "Bộ cân bằng tải phân phối tới mọi máy chủ của thành phần, đúng cổng",
        "One server that carries all the load, and takes the service with it.",
        "Make a member for each server, at its address and the listener's port.",
        *CONTINUITY,
    ),
    "Pool",
)
def pool_members(view: View, pool: Resource) -> Iterator[str]:
    """Compare the members with the addresses of the component's servers."""
    listener = view.ref(pool, "listenerId", "Listener")
    balancer = view.ref(listener, "loadbalancerId", "LoadBalancer") if listener else None
    part = view.part(balancer) if balancer else None
    if listener is None or balancer is None or part is None:
        yield "belongs to no component of the catalogue"
        return
    ports = view.memo("ports of parts", lambda: _ports(view))[PartKey(part[0].id, part[1].id)]
    addresses = {str(one) for port in ports for one in view.every(port, "fixedIps.ipAddress")}
    version = ":" if ":" in str(view.get(balancer, "vipAddress")) else "."
    wanted = {one for one in addresses if version in one}
    members = view.pointing("Member", "poolId", "Pool").get(pool.urn, [])
    given = {str(view.get(one, "address")) for one in members}
    for address in sorted(wanted - given):
        yield f"does not spread to {address}"
    for address in sorted(given - wanted):
        yield f"spreads to {address}, which is no server of the component"
    for member in members:
        if view.get(member, "protocolPort") != view.get(listener, "protocolPort"):
            yield f"spreads to port {view.get(member, 'protocolPort')}"
        if view.get(member, "weight") == 0 or view.get(member, "backup"):
            yield f"sends nothing to {view.get(member, 'address')}"
    if view.get(pool, "protocol") != view.get(listener, "protocol"):
        yield f"speaks {view.get(pool, 'protocol')}, its listener {view.get(listener, 'protocol')}"
    spread = part[1].load_balancer if isinstance(part[1], Component) else None
    if spread and view.get(pool, "lbMethod") != spread.algorithm:
        yield f"spreads by {view.get(pool, 'lbMethod')}, declared is {spread.algorithm}"


def _ports(view: View) -> dict[PartKey, list[Resource]]:
    found: dict[PartKey, list[Resource]] = defaultdict(list)
    for port in view.of("Port"):
        if part := view.part(port):
            found[PartKey(part[0].id, part[1].id)].append(port)
    return found


@BOOK.each(
    about(
        "recovery-disk-kept",
        "high",
        "A server's disks outlive the server",
        "Ổ đĩa tồn tại sau khi máy chủ bị xóa",
        "Data that goes with a server that was only to be replaced.",
        "Set delete_on_termination to false.",
        *BACKUPS,
    ),
    "Instance",
)
def disk_kept(view: View, server: Resource) -> Iterator[str]:
    """Look at the block devices."""
    kept = view.every(server, "blockDevices.deleteOnTermination")
    if kept.count(False) != len(server.inputs.get("blockDevices") or []):
        yield "takes a disk with it when it is deleted"


@BOOK.each(
    about(
        "recovery-standby-data",
        "high",
        "Every server of a database has its data volume",
        "Mọi máy chủ cơ sở dữ liệu có ổ dữ liệu",
        "A standby without the disk that the data would be on.",
        "Declare the database's size in the catalogue and deploy.",
        *CONTINUITY,
    ),
    "Instance",
)
def standby_data(view: View, server: Resource) -> Iterator[str]:
    """Look for the attachments that the catalogue asks for."""
    found = view.part(server)
    if not found:
        return
    part = found[1]
    wanted = {"data"} if isinstance(part, Database) else {one.id for one in part.volumes}
    attached = view.pointing("VolumeAttach", "instanceId", "Instance").get(server.urn, [])
    have = {
        view.labels(volume).get("volume")
        for one in attached
        for volume in view.refs(one, "volumeId", "Volume")
        if view.part(volume) == found
    }
    for name in sorted(wanted - have):
        yield f"has no {name} volume"


@BOOK.each(
    about(
        "recovery-backup-only",
        "medium",
        "What only has backups at the standby site has no servers there",
        "Dịch vụ chỉ sao lưu không có máy chủ tại trung tâm dự phòng",
        "Servers without data, power for nothing, and a second copy that nobody guards.",
        "Remove them, or choose a stronger recovery tier.",
        iso("8.6"),
    ),
    "Instance",
    "Volume",
)
def backup_only(view: View, one: Resource) -> Iterator[str]:
    """Judge the standby site."""
    found = view.part(one)
    if view.site.role == "standby" and found:
        tier = found[0].recovery.tier
        kept = {RecoveryTier.BACKUP_ONLY: True, RecoveryTier.PILOT_LIGHT: kind_of(one) != "Volume"}
        if kept.get(tier, False):
            yield f"stands here, but {found[0].id} is {tier.value}"


@BOOK.each(
    about(
        "recovery-listener-pool",
        "high",
        "Every listener has servers to hand its callers to",
        "Mọi cổng lắng nghe có nhóm máy chủ phía sau",
        "A public address that answers nobody.",
        "Keep the listener's pool.",
        *CONTINUITY,
    ),
    "Listener",
)
def listener_pool(view: View, listener: Resource) -> Iterator[str]:
    """Look for the listener's pool."""
    if not view.pointing("Pool", "listenerId", "Listener").get(listener.urn):
        yield "has no pool"
