"""What is secret stays secret: at rest, on the way, and in the stack itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra import capabilities
from infra.graph import Resource
from policies.frameworks import cis, cite, guide, iso, tcvn
from policies.model import Book, about
from policies.openings import opening
from policies.prefixes import Ranges
from policies.view import View

BOOK = Book([])

AT_REST = (
    iso("8.24"),
    tcvn("7.2.4"),
    cis("3.11"),
    guide("tenant-data/data-encryption"),
    cite("Decree 13/2023/ND-CP", "art. 26"),
)
IN_TRANSIT = (iso("8.24"), cis("3.10"), guide("secure-communication/introduction-to-ssl-and-tls"))
SECRETS = (iso("5.17"), guide("secrets-management"))
CLEARTEXT = {
    ("tcp", 20): "FTP", ("tcp", 21): "FTP", ("tcp", 23): "Telnet", ("udp", 69): "TFTP",
    ("tcp", 80): "HTTP", ("tcp", 110): "POP3", ("tcp", 143): "IMAP", ("tcp", 389): "LDAP",
    ("tcp", 512): "rexec", ("tcp", 513): "rlogin", ("tcp", 514): "rsh", ("tcp", 1883): "MQTT",
    ("udp", 161): "SNMP", ("tcp", 8080): "HTTP",
}  # fmt: skip
OPEN_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(pass(word|wd)?|secret|token|api[_-]?key)\b\s*[:=]\s*\S"
    r"|://[^/\s:@]+:[^/\s@]+@"
    r"|\bAKIA[0-9A-Z]{16}\b",
    re.IGNORECASE,
)
SECRET_NAME = re.compile(
    r"(^|_|-)(pass(word|wd|phrase)?|secret|token|private_key)($|_|-)", re.IGNORECASE
)
PUBLIC = (".r:", ".rlistings", "*:*")
TLS = {"TLSv1.2", "TLSv1.3"}
LOOPBACK = re.compile(r"https?://(127\.|\[::1\]|localhost)")


@BOOK.each(
    about(
        "encryption-volume",
        "high",
        "All volumes are of the encrypted type",
        "Mọi ổ đĩa thuộc loại được mã hóa",
        "Data of disks that leave the building, for repair or for good.",
        "Give the volume the site's encrypted_volume_type.",
        *AT_REST,
        guide("block-storage"),
    ),
    "Volume",
)
def volume(view: View, one: Resource) -> Iterator[str]:
    """Compare the type with the one that the site has for it."""
    wanted = capabilities.volume_type(view.site)
    if view.get(one, "volumeType") != wanted:
        yield f"is of the type {view.get(one, 'volumeType') or 'default'}, not {wanted}"


@BOOK.stack(
    about(
        "encryption-level",
        "high",
        "A site without encrypted volumes has no service of level 3 or with personal data",
        "Trung tâm không có ổ đĩa mã hóa không chứa dịch vụ cấp 3 trở lên hoặc dữ liệu cá nhân",
        "Data of high levels in the clear because a cloud could not do better.",
        "Let the site offer encrypted volumes and a key manager, or move the service.",
        *AT_REST,
        cite("Decree 85/2016/ND-CP", "art. 4"),
    )
)
def level(view: View) -> Iterator[tuple[Resource, str]]:
    """Look at the volumes' services, whatever the type of the volumes."""
    encrypted = view.site.encrypted_volume_type
    if capabilities.volume_type(view.site) == encrypted:
        return
    for one in view.of("Volume"):
        found = view.part(one)
        if found and (found[0].security_level >= 3 or found[0].personal_data):  # noqa: PLR2004 - Decree 85
            yield one, f"holds data of {found[0].id}, level {found[0].security_level}"


@BOOK.each(
    about(
        "encryption-boot-volume",
        "high",
        "Servers boot from volumes of the stack",
        "Máy chủ khởi động từ ổ đĩa do ngăn xếp quản lý",
        "System disks on a hypervisor's own disk, in the clear and gone with it.",
        "Boot from a volume that the stack makes from the image.",
        *AT_REST,
    ),
    "Instance",
)
def boot_volume(view: View, server: Resource) -> Iterator[str]:
    """Look at the block devices, and for an image or flavor that brings a local disk."""
    devices = server.inputs.get("blockDevices") or []
    volumes = view.refs(server, "blockDevices.uuid", "Volume")
    if len(volumes) != len(devices) or not devices:
        yield "has a disk that is not a volume of this stack"
    if view.every(server, "blockDevices.bootIndex").count(0) != 1:
        yield "does not say which disk it boots from"
    if set(view.every(server, "blockDevices.sourceType")) != {"volume"}:
        yield "makes a disk from an image, of a type that nobody chose"
    if set(view.every(server, "blockDevices.destinationType")) != {"volume"}:
        yield "has a disk on the hypervisor"
    if view.inputs_named(server, "imageId") or view.inputs_named(server, "imageName"):
        yield "boots from an image"


@BOOK.each(
    about(
        "encryption-local-disk",
        "medium",
        "No flavor brings a local disk",
        "Không cấu hình máy chủ nào có ổ đĩa cục bộ",
        "Swap and scratch space with personal data on a hypervisor's own disk.",
        "Set disk, swap and ephemeral to 0.",
        *AT_REST,
    ),
    "Flavor",
)
def local_disk(view: View, flavor: Resource) -> Iterator[str]:
    """Look at the three kinds of local disk."""
    for name in ("disk", "swap", "ephemeral"):
        if view.get(flavor, name):
            yield f"has {name} on the hypervisor"


@BOOK.each(
    about(
        "encryption-provider-secret",
        "critical",
        "Passwords of providers are secrets in the state",
        "Mật khẩu của nhà cung cấp được mã hóa trong trạng thái",
        "The operator's password in a state file, in a log, in a preview.",
        "Pass the password as pulumi.Output.secret.",
        *SECRETS,
        by_state="the providers",
    ),
    "openstack",
)
def provider_secret(view: View, provider: Resource) -> Iterator[str]:
    """Look at what the state encrypts, where the source tells."""
    if provider.secrets is None:
        return
    for name in ("password", "token", "applicationCredentialSecret"):
        if view.inputs_named(provider, name) and name not in provider.secrets:
            yield f"{name} is not a secret"


@BOOK.each(
    about(
        "encryption-provider-tls",
        "high",
        "The cloud is reached by TLS, and its certificate is checked",
        "Kết nối tới API đám mây qua TLS và kiểm tra chứng thư",
        "The operator's password in the clear, or given to who pretends to be the cloud.",
        "Use an https auth_url and give cacert; a cloud on this machine is left out.",
        *IN_TRANSIT,
        by_state="the providers",
    ),
    "openstack",
)
def provider_tls(view: View, provider: Resource) -> Iterator[str]:
    """Let a cloud on loopback pass."""
    url = str(view.get(provider, "authUrl"))
    if LOOPBACK.match(url):
        return
    if not url.startswith("https://"):
        yield f"reaches the cloud by {url.partition(':')[0]}"
    if str(view.get(provider, "insecure")).lower() == "true":
        yield "does not check the cloud's certificate"


@BOOK.each(
    about(
        "encryption-open-secret",
        "critical",
        "Nothing that looks like a secret stands in the clear",
        "Không thông tin bí mật nào để dạng rõ",
        "Keys and passwords that any reader of metadata, tags or cloud-init finds.",
        "Put it into the key manager, and give the server what fetches it.",
        *SECRETS,
        tcvn("7.2.4"),
    ),
    "Instance", "Volume", "Network", "Subnet", "Port", "Router", "SecGroup", "SecGroupRule",
    "Container", "Project", "GroupV3", "LoadBalancer", "Listener", "Pool", "Member", "Zone",
    "RecordSet", "Image", "FloatingIp", "Flavor", "SubnetPool",
)  # fmt: skip
def open_secret(view: View, one: Resource) -> Iterator[str]:
    """Read all text of the resource, and the names of its metadata."""
    del view
    for path, value in _texts(one.inputs):
        name = path.rpartition(".")[2]
        if OPEN_TEXT.search(value) or (SECRET_NAME.search(name) and value):
            yield f"{path} looks like a secret"


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(one, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, path)
    elif isinstance(value, str) and value:
        yield path, value


@BOOK.each(
    about(
        "encryption-plain-input",
        "critical",
        "What is a secret by its nature is one in the state",
        "Giá trị bí mật được mã hóa trong trạng thái",
        "Keys and passwords in a state file that many can read.",
        "Pass it as a secret (pulumi.Output.secret, or a secret of the configuration).",
        *SECRETS,
        by_state="which inputs are sealed",
    ),
    "SecretV1", "User", "ApplicationCredential", "SiteConnection", "Instance",
)  # fmt: skip
def plain_input(view: View, one: Resource) -> Iterator[str]:
    """Look at what the state encrypts, where the source tells."""
    for name in ("payload", "password", "secret", "psk", "adminPass"):
        if one.secrets is not None and view.inputs_named(one, name) and name not in one.secrets:
            yield f"{name} is not a secret"


@BOOK.each(
    about(
        "encryption-listener-plain",
        "high",
        "No load balancer speaks HTTP in the clear",
        "Không bộ cân bằng tải nào dùng HTTP không mã hóa",
        "Citizens' data and session cookies readable on the way.",
        "Pass TLS through (TCP), or end it at the balancer with a certificate.",
        *IN_TRANSIT,
    ),
    "Listener",
)
def listener_plain(view: View, listener: Resource) -> Iterator[str]:
    """Look at the protocol, and at ports whose protocols have no encryption."""
    protocol, port = str(view.get(listener, "protocol")), view.get(listener, "protocolPort")
    clear = CLEARTEXT.get((protocol.lower(), int(port or 0)))
    if protocol == "HTTP" or clear:
        yield f"speaks {clear or 'HTTP'} on port {port}"


@BOOK.each(
    about(
        "encryption-listener-tls",
        "high",
        "Load balancers that end TLS use 1.2 or 1.3, with a certificate",
        "Bộ cân bằng tải kết thúc TLS dùng TLS 1.2 hoặc 1.3, có chứng thư",
        "Old versions of TLS whose traffic can be read.",
        "Set tls_versions to TLSv1.2 and TLSv1.3 and default_tls_container_ref.",
        *IN_TRANSIT,
    ),
    "Listener",
)
def listener_tls(view: View, listener: Resource) -> Iterator[str]:
    """Judge listeners that end TLS."""
    if view.get(listener, "protocol") != "TERMINATED_HTTPS":
        return
    versions = set(view.every(listener, "tlsVersions"))
    if not versions or versions - TLS:
        yield f"accepts {', '.join(sorted(versions - TLS)) or 'every version of TLS'}"
    if not view.inputs_named(listener, "defaultTlsContainerRef"):
        yield "has no certificate"


@BOOK.each(
    about(
        "encryption-cleartext-port",
        "high",
        "No port of a protocol without encryption is open",
        "Không mở cổng của giao thức không mã hóa",
        "Passwords and personal data readable on the way.",
        "Use the protocol's port with TLS.",
        *IN_TRANSIT,
        tcvn("7.2.4"),
    ),
    "SecGroupRule",
)
def cleartext_port(view: View, rule: Resource) -> Iterator[str]:
    """Look at single ports in; wide ranges have a rule of their own."""
    found = opening(view, rule)
    if found.direction != "ingress":
        return
    for (protocol, port), name in CLEARTEXT.items():
        if found.protocol == protocol and found.ports == Ranges(((port, port),)):
            yield f"{name} ({protocol} {port}) has no encryption"


@BOOK.each(
    about(
        "encryption-container-public",
        "critical",
        "Containers that are declared public can be read by all, and only those",
        "Chỉ kho đối tượng được khai báo công khai mới đọc được công khai",
        "Personal data and backups on the Internet for everyone.",
        "Remove container_read, or declare the bucket `public_read`.",
        iso("8.3"),
        tcvn("7.2.4"),
        cis("3.3"),
        guide("object-storage"),
        cite("Decree 13/2023/ND-CP", "art. 26"),
    ),
    "Container",
)
def container_public(view: View, container: Resource) -> Iterator[str]:
    """Compare with the buckets that the catalogue declares public."""
    public = {
        bucket.id
        for service in view.catalogue.services.values()
        for bucket in service.buckets
        if bucket.public_read
    }
    read = str(view.get(container, "containerRead") or "")
    if view.get(container, "name") in public:
        if read not in {".r:*", ".r:*,.rlistings"}:
            yield f"is declared public, but is read by {read or 'nobody'}"
    elif any(mark in read for mark in PUBLIC):
        yield f"everyone reads it ({read})"
    elif read:
        yield f"other projects read it ({read})"


@BOOK.each(
    about(
        "encryption-container-write",
        "critical",
        "Nobody outside the project writes to a container",
        "Không ai ngoài dự án được ghi vào kho đối tượng",
        "Backups overwritten, malware published under the city's name.",
        "Remove container_write and container_sync_to.",
        iso("8.3"),
        cis("3.3", "11.3"),
        guide("object-storage"),
    ),
    "Container",
)
def container_write(view: View, container: Resource) -> Iterator[str]:
    """Look at who writes, and where the container is copied to."""
    for name in ("containerWrite", "containerSyncTo"):
        if view.inputs_named(container, name):
            yield f"has {name}"


@BOOK.each(
    about(
        "encryption-image-http",
        "medium",
        "Images are fetched by TLS",
        "Ảnh hệ điều hành được tải qua TLS",
        "An operating system that was changed on the way.",
        "Give the image's https address.",
        *IN_TRANSIT,
        guide("management/integrity-life-cycle"),
        by_state="where an image came from",
    ),
    "Image",
)
def image_http(view: View, image: Resource) -> Iterator[str]:
    """Let a mirror on loopback pass."""
    url = str(view.get(image, "imageSourceUrl") or "")
    if url and not url.startswith("https://") and not LOOPBACK.match(url):
        yield f"comes from {url}"
