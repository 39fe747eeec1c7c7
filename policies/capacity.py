"""What is deployed fits the machines, the power and the quotas."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from catalogue import recovery
from catalogue.model import Capability, Database
from infra import quotas
from infra.graph import Resource
from policies.frameworks import iso
from policies.model import Book, about
from policies.view import View, kind_of

BOOK = Book([])

ENOUGH = (iso("8.6"),)
QUOTAS = {
    "QuotaSetV2": ("instances", "cores", "ram"),
    "QuotaV2": ("network", "subnet", "port", "router", "floatingip", "securityGroup",
                "securityGroupRule"),
    "QuoteSetV3": ("volumes", "gigabytes", "backups", "backupGigabytes", "snapshots"),
}  # fmt: skip
COUNTED = {
    "instances": "Instance", "network": "Network", "subnet": "Subnet", "port": "Port",
    "router": "Router", "floatingip": "FloatingIp", "securityGroup": "SecGroup",
    "securityGroupRule": "SecGroupRule", "volumes": "Volume", "loadbalancer": "LoadBalancer",
    "listener": "Listener", "pool": "Pool", "member": "Member", "healthMonitor": "Monitor",
    "serverGroups": "ServerGroup",
}  # fmt: skip
MOST_GIB_PER_VCPU = 16
UNLIMITED = -1
GPU = Capability.GPU


@BOOK.stack(
    about(
        "capacity-nodes",
        "critical",
        "The site's machines carry all servers, with the largest machine lost",
        "Máy vật lý của trung tâm chịu được mọi máy chủ khi mất máy lớn nhất",
        "Servers that do not start, after a deploy or after a machine broke.",
        "Run fewer or smaller servers, or describe the racks that hold them.",
        *ENOUGH,
        iso("8.14"),
    )
)
def nodes(view: View) -> Iterator[tuple[Resource, str]]:
    """Add up what the flavors of the real city's servers take."""
    if not view.production:
        return
    taken: Counter[str] = Counter()
    for server in view.of("Instance"):
        flavor = view.ref(server, "flavorId", "Flavor")
        if flavor:
            taken += Counter(vcpus=int(view.get(flavor, "vcpus")), ram=int(view.get(flavor, "ram")))
    all_nodes = [node for rack in view.site.racks for node in rack.nodes]
    for name, unit, sizes in (
        ("vcpus", "vCPUs", [(one.vcpus, one.count) for one in all_nodes]),
        ("ram", "MiB of memory", [(one.ram_gib * 1024, one.count) for one in all_nodes]),
    ):
        held = sum(size * count for size, count in sizes) - max((s for s, _ in sizes), default=0)
        if taken[name] > held:
            yield view.stack, f"servers take {taken[name]} {unit}, the machines hold {held}"


@BOOK.stack(
    about(
        "capacity-power",
        "high",
        "Agencies together may not use more than the racks can power",
        "Tổng hạn mức của các cơ quan không vượt khả năng cấp điện của tủ rack",
        "Servers within their quotas that trip a rack's breaker.",
        "Lower quotas, or describe the racks and their power that carry them.",
        *ENOUGH,
    )
)
def power(view: View) -> Iterator[tuple[Resource, str]]:
    """Compare the sum of the quotas with the machines that the racks' supplies carry."""
    if not view.production:
        return
    vcpus = ram = 0
    for rack in view.site.racks:
        full = sum(node.count * node.max_w for node in rack.nodes)
        share = min(1.0, rack.power_w / full) if full else 0.0
        vcpus += int(share * sum(node.count * node.vcpus for node in rack.nodes))
        ram += int(share * sum(node.count * node.ram_gib * 1024 for node in rack.nodes))
    for name, held in (("cores", vcpus), ("ram", ram)):
        given = sum(int(view.get(one, name) or 0) for one in view.of("QuotaSetV2"))
        if given > held:
            yield view.stack, f"quotas allow {given} {name}, powered machines hold {held}"


@BOOK.each(
    about(
        "capacity-quota-missing",
        "high",
        "Every project has quotas of servers, network and volumes, each with a number",
        "Mọi dự án có hạn mức máy chủ, mạng và ổ đĩa với con số cụ thể",
        "One agency, or who has taken it over, that takes the whole cloud.",
        "Leave quotas to the program; -1 is no quota.",
        *ENOUGH,
        iso("5.23"),
    ),
    "Project",
)
def quota_missing(view: View, project: Resource) -> Iterator[str]:
    """Look for the project's quotas."""
    for kind, names in QUOTAS.items():
        found = view.pointing(kind, "projectId", "Project").get(project.urn, [])
        if not found:
            yield f"has no {kind}"
        for one in found:
            for name in names:
                if view.get(one, name) in (None, UNLIMITED):
                    yield f"has no limit of {name}"


@BOOK.stack(
    about(
        "capacity-quota-short",
        "high",
        "Every project's quotas hold what the stack puts into it",
        "Hạn mức của dự án đủ cho những gì ngăn xếp triển khai",
        "A deploy that stops half-way at a quota.",
        "Leave quotas to the program: they follow from the catalogue.",
        *ENOUGH,
    )
)
def quota_short(view: View) -> Iterator[tuple[Resource, str]]:
    """Count each project's objects."""
    used = _used(view)
    for kind in (*QUOTAS, "Quota"):
        for one in view.of(kind):
            project = view.ref(one, "projectId", "Project")
            count = used[str(view.get(project, "name"))] if project else Counter()
            for name, taken in count.items():
                limit = view.get(one, name)
                if limit is not None and limit != UNLIMITED and limit < taken:
                    yield one, f"{name} is {limit}, but {taken} are used"


def _used(view: View) -> dict[str, Counter[str]]:
    used: dict[str, Counter[str]] = defaultdict(Counter)
    for name, kind in COUNTED.items():
        for one in view.of(kind):
            if owner := view.owner(one):
                used[owner][name] += 1
    for server in view.of("Instance"):
        flavor, owner = view.ref(server, "flavorId", "Flavor"), view.owner(server)
        if flavor and owner:
            used[owner]["cores"] += int(view.get(flavor, "vcpus"))
            used[owner]["ram"] += int(view.get(flavor, "ram"))
    for volume in view.of("Volume"):
        if owner := view.owner(volume):
            used[owner]["gigabytes"] += int(view.get(volume, "size"))
    return used


@BOOK.each(
    about(
        "capacity-gpu-idle",
        "medium",
        "GPUs are only where they are worked",
        "GPU chỉ cấp cho thành phần thực sự sử dụng",
        "Hundreds of watts for each GPU that waits, against the green targets.",
        "Use a flavor without GPU; give GPUs to components of the tier gpu.",
        *ENOUGH,
    ),
    "Instance",
)
def gpu_idle(view: View, server: Resource) -> Iterator[str]:
    """Look for GPUs in components of another tier, and where a standby only waits."""
    flavor, found = view.ref(server, "flavorId", "Flavor"), view.part(server)
    gpus = {one.id for one in view.site.flavors if one.gpus}
    if not flavor or flavor.name not in gpus or not found:
        return
    part = found[1]
    if isinstance(part, Database) or part.tier != "gpu":
        yield f"has a GPU, but {part.id} is not of the tier gpu"
    if view.site.role == "standby" and found[0].recovery.tier.value != "active":
        yield "has a GPU that waits for a takeover"


@BOOK.each(
    about(
        "capacity-flavor",
        "high",
        "Servers have the flavor that the catalogue gives their component",
        "Máy chủ dùng đúng cấu hình mà danh mục quy định cho thành phần",
        "Servers too small for the load, or larger than was paid for and powered.",
        "Change the flavor in the service's file.",
        *ENOUGH,
    ),
    "Instance",
)
def flavor(view: View, server: Resource) -> Iterator[str]:
    """Compare with the catalogue."""
    found, given = view.part(server), view.ref(server, "flavorId", "Flavor")
    if given is None:
        yield "has a flavor that is not of this stack"
    elif found and given.name != found[1].flavor:
        yield f"is {given.name}, declared is {found[1].flavor}"


@BOOK.each(
    about(
        "capacity-flavor-size",
        "medium",
        "Flavors are as the site describes them, and fit a machine",
        "Cấu hình máy chủ khớp mô tả của trung tâm và vừa một máy vật lý",
        "Flavors that no machine can hold, and memory powered for nothing.",
        f"Correct the site's flavors: at most {MOST_GIB_PER_VCPU} GiB of memory to a vCPU.",
        *ENOUGH,
    ),
    "Flavor",
)
def flavor_size(view: View, one: Resource) -> Iterator[str]:
    """Compare with the site's file and its machines."""
    known = next((each for each in view.site.flavors if each.id == one.name), None)
    if known is None:
        yield "is not described by the site"
        return
    vcpus, ram = int(view.get(one, "vcpus") or 0), int(view.get(one, "ram") or 0)
    if (vcpus, ram) != (known.vcpus, known.ram_mib):
        yield f"has {vcpus} vCPUs and {ram} MiB, described are {known.vcpus} and {known.ram_mib}"
    devices = known.device_specs if view.production and GPU in view.site.capabilities else {}
    specs = {**known.extra_specs, **devices}
    if (view.get(one, "extraSpecs") or {}) != specs:
        yield f"has the extra specs {view.get(one, 'extraSpecs')}, described are {specs}"
    if ram > vcpus * MOST_GIB_PER_VCPU * 1024:
        yield f"has {ram / 1024:.0f} GiB for {vcpus} vCPUs"
    all_nodes = [node for rack in view.site.racks for node in rack.nodes]
    if all_nodes and not any(
        vcpus <= node.vcpus and ram <= node.ram_gib * 1024 for node in all_nodes
    ):
        yield "fits no machine"


@BOOK.each(
    about(
        "capacity-volume-size",
        "medium",
        "Volumes have the size that the catalogue gives them",
        "Ổ đĩa có dung lượng đúng danh mục",
        "A disk that is full years before it was planned to be.",
        "Change the size in the service's file.",
        *ENOUGH,
    ),
    "Volume",
)
def volume_size(view: View, volume: Resource) -> Iterator[str]:
    """Compare data volumes with the service, system volumes with the image."""
    found = view.part(volume)
    if not found:
        return
    which = view.labels(volume).get("volume")
    image = next((one for one in view.site.images if one.id == found[1].image), None)
    planned = {
        **quotas.data_volumes(found[1], view.profile, keeps_backups=True),
        "system": image.min_disk_gib if image else 0,
    }
    if which not in planned:
        yield f"is a volume {which or 'of no name'}, which is not declared"
    elif view.get(volume, "size") != planned[which]:
        yield f"has {view.get(volume, 'size')} GiB, declared are {planned[which]}"


@BOOK.each(
    about(
        "capacity-bucket-quota",
        "medium",
        "Containers have the quota that the catalogue gives them",
        "Kho đối tượng có hạn mức đúng danh mục",
        "One service's uploads that fill the site's object storage.",
        "Change `quota_gib` in the service's file.",
        *ENOUGH,
    ),
    "Container",
)
def bucket_quota(view: View, container: Resource) -> Iterator[str]:
    """Compare with the declared buckets; those for backups have none."""
    sizes = {
        bucket.id: bucket.quota_gib.of(view.profile) << 30
        for service in view.catalogue.services.values()
        for bucket in service.buckets
    }
    wanted = sizes.get(str(view.get(container, "name")))
    given = (view.get(container, "metadata") or {}).get("quota-bytes")
    if wanted is not None and str(given) != str(wanted):
        yield f"may hold {given or 'any number of'} bytes, declared are {wanted}"


PLANNED = {
    "QuotaSetV2": {
        "instances": "servers", "cores": "vcpus", "ram": "ram_mib", "serverGroups": "networks",
        "serverGroupMembers": "servers",
    },
    "QuotaV2": {
        "network": "networks", "port": "ports", "floatingip": "floating_ips",
        "securityGroup": "security_groups", "securityGroupRule": "security_group_rules",
    },
    "QuoteSetV3": {
        "volumes": "volumes", "gigabytes": "volumes_gib", "snapshots": "volumes",
        "backups": "volumes", "backupGigabytes": "volumes_gib",
    },
    "Quota": {
        "loadbalancer": "balancers", "listener": "balancers", "pool": "balancers",
        "healthMonitor": "balancers", "member": "members",
    },
}  # fmt: skip
"""Which figure of the plan each limit is."""


@BOOK.each(
    about(
        "capacity-quota-planned",
        "medium",
        "Quotas are what the agency's services need, with headroom, and no more",
        "Hạn mức bằng nhu cầu của các dịch vụ cộng dự phòng, không hơn",
        "Room for servers that no catalogue has, or too little for next year.",
        "Change the services; quotas follow.",
        *ENOUGH,
        iso("5.23"),
    ),
    *PLANNED,
)
def quota_planned(view: View, quota: Resource) -> Iterator[str]:
    """Compare with what the catalogue comes to."""
    project = view.ref(quota, "projectId", "Project")
    if project is None:
        yield "is of a project that is not of this stack"
        return
    limits = view.memo(("limits", project.name), lambda: _limits(view, project.name))
    for name, figure in PLANNED[kind_of(quota)].items():
        given, wanted = view.get(quota, name), getattr(limits, figure)
        if given != wanted:
            yield f"{name} is {given}, planned are {wanted}"
    extra = {"subnet": 2 * limits.networks, "router": 2} if kind_of(quota) == "QuotaV2" else {}
    for name, wanted in extra.items():
        if view.get(quota, name) != wanted:
            yield f"{name} is {view.get(quota, name)}, planned are {wanted}"


def _limits(view: View, agency: str) -> quotas.Quotas:
    return quotas.limits(
        quotas.need(view.site, one, view.profile, view.flows)
        for one in view.catalogue.services.values()
        if one.agency == agency
        and recovery.standing(view.catalogue, view.site, one, view.profile).networks
    )


@BOOK.each(
    about(
        "capacity-balancer-quota",
        "medium",
        "Every project has a quota of load balancers where there are any",
        "Mọi dự án có hạn mức bộ cân bằng tải",
        "One agency whose load balancers take all amphorae.",
        "Keep the project's quota.",
        *ENOUGH,
    ),
    "Project",
)
def balancer_quota(view: View, project: Resource) -> Iterator[str]:
    """Look for the quota where the cloud offers load balancers."""
    found = view.pointing("Quota", "projectId", "Project").get(project.urn, [])
    if Capability.LOAD_BALANCER in view.site.capabilities and not found:
        yield "has no quota of load balancers"
