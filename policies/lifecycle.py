"""What is there can be trusted, kept, replaced and taken away in order."""

import re
from collections.abc import Iterator

from infra.graph import Resource
from policies.frameworks import cis, guide, iso, tcvn
from policies.model import Book, about
from policies.view import View, kind_of

BOOK = Book([])

CONFIGURED = (iso("8.9", "8.32"),)
TRUSTED = (iso("8.19"), guide("management/integrity-life-cycle"))
MOVING = re.compile(r"/(latest|current|daily|testing|sid)/|-(latest|daily)[.-]")
LABEL_OF_DATA = "volume"


@BOOK.each(
    about(
        "lifecycle-protect",
        "critical",
        "What holds data is protected from deletion",
        "Tài nguyên chứa dữ liệu được bảo vệ khỏi bị xóa",
        "One wrong line in a change that deletes a service's data.",
        "Set protect on data volumes and containers; the production profile does.",
        *CONFIGURED,
        iso("8.13"),
        tcvn("7.2.4"),
        by_state="the protection",
    ),
    "Volume",
    "Container",
)
def protect(view: View, one: Resource) -> Iterator[str]:
    """Judge the real city; a server's system volume holds nothing that is not made again."""
    system = view.labels(one).get(LABEL_OF_DATA) == "system"
    if view.production and not one.protect and not system:
        yield "can be deleted by a deploy"


@BOOK.each(
    about(
        "lifecycle-force-destroy",
        "high",
        "Containers with objects in them cannot be deleted",
        "Không thể xóa kho đối tượng khi còn dữ liệu",
        "Backups deleted together with the container that a change removed.",
        "Set force_destroy to false; the production profile does.",
        *CONFIGURED,
        cis("11.3"),
        by_state="force_destroy",
    ),
    "Container",
)
def force_destroy(view: View, container: Resource) -> Iterator[str]:
    """Judge the real city."""
    if view.production and view.get(container, "forceDestroy"):
        yield "is deleted with all that it holds"


@BOOK.each(
    about(
        "lifecycle-image-checksum",
        "high",
        "Every image has the checksum that its publisher gives",
        "Mọi ảnh hệ điều hành có mã kiểm tra do nhà phát hành công bố",
        "An operating system that is not the one that was approved.",
        "Give the image's sha512 in the site's file. Only the embedded engine compares it with what"
        " was loaded: under the official CLI look at glance's os_hash_value.",
        *TRUSTED,
    ),
    "Image",
)
def image_checksum(view: View, image: Resource) -> Iterator[str]:
    """Judge the real city: the lab makes its image itself."""
    said = str((view.get(image, "properties") or {}).get("source_sha512", ""))
    if view.production and not re.fullmatch(r"[0-9a-f]{128}", said):
        yield "has no checksum"


@BOOK.each(
    about(
        "lifecycle-image-moving",
        "medium",
        "Images are fetched from an address whose content never changes",
        "Ảnh hệ điều hành lấy từ địa chỉ có nội dung không đổi",
        "Two servers of one component with different systems; a deploy that cannot be repeated.",
        'Name a dated build instead of "latest".',
        *TRUSTED,
        *CONFIGURED,
        by_state="where an image came from",
    ),
    "Image",
)
def image_moving(view: View, image: Resource) -> Iterator[str]:
    """Read the address."""
    url = str(view.get(image, "imageSourceUrl") or "")
    if MOVING.search(url):
        yield f"comes from {url}"


@BOOK.each(
    about(
        "lifecycle-image-known",
        "high",
        "Images are those that the site describes",
        "Ảnh hệ điều hành là ảnh mà trung tâm mô tả",
        "Servers that run what somebody uploaded.",
        "Describe the image in the site's file.",
        *TRUSTED,
        tcvn("7.2.2"),
        by_state="where an image came from",
    ),
    "Image",
    "Volume",
)
def image_known(view: View, one: Resource) -> Iterator[str]:
    """Compare images with the site's, and a system volume with its component's."""
    known = {each.id: each for each in view.site.images}
    if kind_of(one) == "Image":
        described = known.get(one.name)
        if described is None:
            yield "is not described by the site"
            return
        said = (
            view.get(one, "imageSourceUrl"),
            view.get(one, "diskFormat"),
            view.get(one, "minDiskGb"),
        )
        wanted = (
            described.source.of(view.profile),
            described.format,
            described.min_disk_gib,
        )
        if said != wanted:
            yield f"is {said}, described is {wanted}"
        if view.get(one, "containerFormat") != "bare":
            yield f"is packed as {view.get(one, 'containerFormat')}"
        return
    found = view.part(one)
    if found and view.labels(one).get(LABEL_OF_DATA) == "system":
        image = view.ref(one, "imageId", "Image")
        if image is None or image.name != found[1].image:
            yield f"is not made from {found[1].image}"


@BOOK.each(
    about(
        "lifecycle-image-visible",
        "medium",
        "Images are the operator's, for all projects or for one",
        "Ảnh hệ điều hành do bên vận hành quản lý",
        "An image that any project may put beside the approved ones under the same name.",
        'Set visibility to "public" or "private", never "community".',
        *TRUSTED,
    ),
    "Image",
)
def image_visible(view: View, image: Resource) -> Iterator[str]:
    """Look at the visibility and at who makes it."""
    if view.get(image, "visibility") not in {"public", "private", "shared"}:
        yield f"is {view.get(image, 'visibility') or 'of no visibility'}"
    if view.owner(image):
        yield f"is made by {view.owner(image)}"


@BOOK.each(
    about(
        "lifecycle-flavor-deprecated",
        "medium",
        "No flavor is deprecated",
        "Không dùng cấu hình máy chủ đã ngừng khuyến nghị",
        "Servers that cannot be resized, moved or made again next year.",
        "Move the components to a current flavor and remove the old one.",
        *CONFIGURED,
    ),
    "Flavor",
)
def flavor_deprecated(view: View, flavor: Resource) -> Iterator[str]:
    """Read name, description and extra specs."""
    specs = view.get(flavor, "extraSpecs") or {}
    text = f"{view.get(flavor, 'name')} {view.get(flavor, 'description')}".lower()
    marked = any("deprecated" in str(one).lower() for one in (*specs, text))
    if marked or re.match(r"m1\.", str(view.get(flavor, "name"))):
        yield "is deprecated"


@BOOK.each(
    about(
        "lifecycle-switched-off",
        "high",
        "Networks, routers, ports and load balancers are switched on",
        "Mạng, bộ định tuyến, cổng và bộ cân bằng tải đang bật",
        "A standby that is there and does not answer.",
        "Remove admin_state_up: false.",
        *CONFIGURED,
        iso("8.14"),
    ),
    "Network", "Router", "Port", "LoadBalancer", "Listener", "Pool", "Member",
)  # fmt: skip
def switched_off(view: View, one: Resource) -> Iterator[str]:
    """Look at the switch."""
    if view.get(one, "adminStateUp") is False:
        yield "is switched off"


@BOOK.each(
    about(
        "lifecycle-server-off",
        "medium",
        "Servers are meant to run",
        "Máy chủ ở trạng thái hoạt động",
        "A stack that says all is well while its servers are stopped.",
        "Remove power_state, or the server.",
        *CONFIGURED,
    ),
    "Instance",
)
def server_off(view: View, server: Resource) -> Iterator[str]:
    """Look at the power state."""
    if view.get(server, "powerState") not in (None, "active"):
        yield f"is meant to be {view.get(server, 'powerState')}"


@BOOK.each(
    about(
        "lifecycle-orphan",
        "medium",
        "Every port has its server or router",
        "Mọi cổng đều gắn với máy chủ hoặc bộ định tuyến",
        "Addresses and rules kept open for what is long gone.",
        "Remove the port.",
        *CONFIGURED,
    ),
    "Port",
)
def orphan(view: View, port: Resource) -> Iterator[str]:
    """Look for who uses the port."""
    servers = view.pointing("Instance", "networks.port", "Port").get(port.urn, [])
    routers = view.pointing("RouterInterface", "portId", "Port").get(port.urn, [])
    users = [*servers, *routers]
    if not users:
        yield "is used by nothing"
    if len(users) > 1:
        yield f"is used by {', '.join(one.name for one in users)}"


@BOOK.each(
    about(
        "lifecycle-group-unused",
        "low",
        "Security groups of components with servers are used",
        "Nhóm bảo mật của thành phần có máy chủ được sử dụng",
        "Rules that look like protection and protect nothing.",
        "Give the component's servers the group, or remove it.",
        *CONFIGURED,
    ),
    "SecGroup",
)
def group_unused(view: View, group: Resource) -> Iterator[str]:
    """Look for ports of the group's component that are not in it."""
    using = {
        one.urn for one in view.pointing("Port", "securityGroupIds", "SecGroup").get(group.urn, [])
    }
    found = view.part(group)
    if found is None:
        return
    mine = [one for one in view.of("Port") if view.part(one) == found]
    if mine and not using:
        yield "has none of its component's ports"


@BOOK.each(
    about(
        "lifecycle-config-drive",
        "low",
        "Servers read their first settings from a config drive",
        "Máy chủ đọc cấu hình ban đầu từ config drive",
        "A first boot that believes whoever poses as the metadata service on the network.",
        "Set config_drive on the server.",
        iso("8.9"),
        guide("instance-management/security-services-for-instances"),
    ),
    "Instance",
)
def config_drive(view: View, server: Resource) -> Iterator[str]:
    """Look at the switch."""
    if view.get(server, "configDrive") is not True:
        yield "has no config drive"


REFERENCES = {
    "Subnet": (("networkId", "Network"), ("subnetpoolId", "SubnetPool")),
    "Port": (("networkId", "Network"), ("fixedIps.subnetId", "Subnet")),
    "LoadBalancer": (("vipSubnetId", "Subnet"),),
    "Member": (("poolId", "Pool"), ("subnetId", "Subnet")),
    "Monitor": (("poolId", "Pool"),),
    "Pool": (("listenerId", "Listener"),),
    "Listener": (("loadbalancerId", "LoadBalancer"),),
    "RecordSet": (("zoneId", "Zone"),),
    "SecGroupRule": (("securityGroupId", "SecGroup"),),
    "VolumeAttach": (("instanceId", "Instance"), ("volumeId", "Volume")),
    "RouterRoutesV2": (("routerId", "Router"),),
    "RouterInterface": (("routerId", "Router"),),
    "QuotaSetV2": (("projectId", "Project"),),
    "QuotaV2": (("projectId", "Project"),),
    "QuoteSetV3": (("projectId", "Project"),),
    "Quota": (("projectId", "Project"),),
    "RbacPolicyV2": (("objectId", "SecGroup"),),
}


@BOOK.each(
    about(
        "lifecycle-reference",
        "high",
        "What a resource refers to is of this stack",
        "Đối tượng mà tài nguyên tham chiếu thuộc cùng ngăn xếp",
        "Hanging on what somebody else can remove, or what is long gone.",
        "Refer to the stack's own resource.",
        *CONFIGURED,
    ),
    *REFERENCES,
)
def reference(view: View, one: Resource) -> Iterator[str]:
    """Look for what each reference leads to; each family of a server's port has its subnet."""
    for path, kind in REFERENCES[kind_of(one)]:
        head, _, rest = path.partition(".")
        wanted = len(one.inputs.get(head) or ()) if rest else 1
        if len(view.refs(one, path, kind)) != wanted:
            yield f"{path} leads to no {kind} of this stack"
