"""
The typed model of the city: what a catalogue file may say.

One class a kind of file (`City`, `Site`, `Service`, `Targets`, `Factors`) and their parts.  Here a
value is checked by itself; what several files must agree on is checked in `catalogue.check`.
"""

import ipaddress
from datetime import date
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    StringConstraints,
)

Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,31}$")]
Party = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,31}(/[a-z][a-z0-9-]{1,31})?$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
DomainName = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(gt=0, le=100)]
Positive = Annotated[int, Field(ge=1)]


def _on_the_calendar(text: str) -> str:
    """Return `text`, a date that may leave out its day or month.  Raise ValueError if none."""
    date.fromisoformat(text + "0000-01-01"[len(text) :])
    return text


Date = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$"),
    AfterValidator(_on_the_calendar),
]


class Model(BaseModel):
    """A part of a catalogue file: unknown fields are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Profile(StrEnum):
    """For which size of cloud a site is built."""

    PRODUCTION = "production"
    LAB = "lab"


class Name(Model):
    """What people call a thing, in both languages."""

    vi: Text
    en: Text


class Source(Model):
    """Where a figure comes from."""

    document: Text
    """The document's number, such as "327/BDKH-PTCBT", or who published it."""
    date: Date
    """
    When it was issued (a news item: last seen), as precisely as is known: "2024-03-19" or "2025".
    """
    confidence: Literal["official", "news", "draft"]
    url: Text | None = None
    note: Text | None = None


class Assumption(Model):
    """Why figures stand here that no document gives."""

    fields: Annotated[list[Text], Field(min_length=1)]
    """Dotted paths of the figures meant; `*` stands for any one step, `**` for any number."""
    reason: Text


class Sized(Model):
    """A number that depends on the profile."""

    production: Annotated[int, Field(ge=0)]
    lab: Annotated[int, Field(ge=0)]

    def of(self, profile: Profile) -> int:
        """Return the number for `profile`."""
        return self.production if profile is Profile.PRODUCTION else self.lab


# -- the city -------------------------------------------------------------------------------------


class Agency(Model):
    """A body of the city that owns services; it has a project of its own in each cloud."""

    id: Id
    number: Annotated[int, Field(ge=1, le=250)]
    """Fixed for good: addresses are derived from it."""
    name: Name
    cite: Text | None = None


class Outside(Model):
    """A party outside the data centres that calls or is called."""

    id: Id
    name: Name
    ipv4: list[ipaddress.IPv4Network]
    ipv6: list[ipaddress.IPv6Network]


class Listen(Model):
    """A port that a component's servers listen on, and who may call it: nobody else can."""

    id: Id
    port: Port
    protocol: Literal["tcp", "udp"] = "tcp"
    callers: Annotated[list[Party], Field(alias="from", min_length=1)]
    """A component of this service ("app"), of another ("lgsp/gateway"), a party outside
    ("citizens"), or "all": every component of every service."""
    counterparts: bool = False
    """Whether the component's own servers at the other sites call it too."""


class Call(Model):
    """A party outside that a component calls."""

    to: Id
    port: Port
    protocol: Literal["tcp", "udp"] = "tcp"


class RecoveryTier(StrEnum):
    """How a service stands at the standby site while the primary site runs."""

    ACTIVE = "active"
    WARM_STANDBY = "warm-standby"
    PILOT_LIGHT = "pilot-light"
    BACKUP_ONLY = "backup-only"


class RecoveryClass(Model):
    """What a recovery tier means at the standby site."""

    tier: RecoveryTier
    name: Name
    servers: Ratio
    """Share of the primary site's servers that run at the standby site, rounded up."""
    data: bool
    """Whether databases, data volumes and buckets have their counterparts there."""
    rto_minutes: Positive
    """The shortest recovery time objective that a service of this tier may promise."""
    rpo_minutes: Annotated[int, Field(ge=0)]
    """The shortest recovery point objective that a service of this tier may promise."""


class City(Model):
    """city.yaml: the city, its agencies, and what holds for all services."""

    id: Id
    name: Name
    domain: DomainName
    """The zone under which the sites' zones lie."""
    plan: Source
    agencies: Annotated[list[Agency], Field(min_length=1)]
    outside: list[Outside]
    recovery: list[RecoveryClass]
    listens: list[Listen] = []
    """Ports that every server listens on, such as SSH from the bastion."""
    calls: list[Call] = []
    """Parties outside that every server calls, such as the package mirror."""
    watchers: list[Party] = []
    """Components ("operations/monitoring") that may call every port that a component or database
    listens on, and send echo requests to every server, at all sites on the inter-site link.  Their
    networks and security groups stand in every profile."""
    assumptions: list[Assumption] = []


# -- a service ------------------------------------------------------------------------------------


class Recovery(Model):
    """What is promised when the primary site is lost."""

    tier: RecoveryTier
    rto_minutes: Positive
    rpo_minutes: Annotated[int, Field(ge=0)]


class Volume(Model):
    """A data volume that each server of a component has, of the encrypted type."""

    id: Id
    size_gib: Sized


class LoadBalancer(Model):
    """A load balancer in front of a component's servers."""

    listen: Id
    """Which of the component's ports it spreads; callers reach the balancer on the same port."""
    public: bool = False
    """Whether it has an address on the external network."""
    algorithm: Literal["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"] = "LEAST_CONNECTIONS"


class Component(Model):
    """A tier of a service: like servers on a network of their own."""

    id: Id
    number: Annotated[int, Field(ge=0, le=15)]
    """Fixed for good within the service: addresses are derived from it."""
    tier: Literal["web", "application", "worker", "broker", "gpu", "bastion", "infrastructure"]
    flavor: Id
    image: Id
    count: Sized
    volumes: list[Volume] = []
    listens: list[Listen] = []
    calls: list[Call] = []
    load_balancer: LoadBalancer | None = None


class Database(Model):
    """A database: a primary server, and standbys that follow it, here and at the other site."""

    id: Id
    number: Annotated[int, Field(ge=0, le=15)]
    """Fixed for good within the service, among the components' numbers."""
    engine: Literal["postgresql", "mariadb", "opensearch", "timescaledb"]
    version: Text
    flavor: Id
    image: Id
    primary: Sized
    """1, or 0 where the profile leaves the server out."""
    standbys: Sized
    """Standbys at the primary site."""
    size_gib: Sized
    backups_gib: Sized | None = None
    """Volume for the store of backups, which the first standby at another site has."""
    port: Port
    callers: Annotated[list[Party], Field(alias="from", min_length=1)]


class Bucket(Model):
    """An object container."""

    id: Id
    quota_gib: Sized
    versioned: bool = False
    public_read: bool = False


class Record(Model):
    """A DNS name under the site's zone for a component or database."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
    target: Id


class Service(Model):
    """services/ID.yaml: a system that runs in the data centre."""

    id: Id
    number: Annotated[int, Field(ge=1, le=4095)]
    """Fixed for good: addresses are derived from it."""
    name: Name
    cite: Text
    """The part of the Plan that asks for it, such as "58/KH-UBND II.2.b"."""
    agency: Id
    security_level: Annotated[int, Field(ge=1, le=5)]
    """Decree 85/2016/ND-CP."""
    personal_data: bool
    """
    Whether it holds personal data (Decree 13/2023/ND-CP; since 2026 Law 91/2025/QH15).
    """
    recovery: Recovery
    availability: Percent
    """The objective, in percent of a month."""
    growth: Annotated[float, Field(ge=0, le=10)]
    """Of load and data, as a ratio per year: 0.2 is 20 %."""
    components: list[Component] = []
    databases: list[Database] = []
    buckets: list[Bucket] = []
    dns: list[Record] = []
    assumptions: list[Assumption] = []


# -- a site ---------------------------------------------------------------------------------------


class Capability(StrEnum):
    """What a cloud may offer besides servers, networks and volumes."""

    LOAD_BALANCER = "load-balancer"
    DNS = "dns"
    OBJECT_STORAGE = "object-storage"
    KEY_MANAGER = "key-manager"
    ENCRYPTED_VOLUMES = "encrypted-volumes"
    VLAN_NETWORKS = "vlan-networks"
    GPU = "gpu"


class Link(Model):
    """The inter-site link: a VLAN network that all sites share."""

    physical_network: Text
    vlan: Annotated[int, Field(ge=1, le=4094)]
    ipv4: ipaddress.IPv4Network
    ipv6: ipaddress.IPv6Network


class ImageSource(Model):
    """Where each profile's image is fetched from, by HTTP."""

    production: Text
    lab: Text

    def of(self, profile: Profile) -> str:
        """Return the address for `profile`."""
        return self.production if profile is Profile.PRODUCTION else self.lab


class Image(Model):
    """An operating system image that servers boot from."""

    id: Id
    name: Text
    source: ImageSource
    sha512: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")] | None = None
    """Of the production image, as its publisher gives it; the embedded engine compares it with what
    was loaded, the official CLI does not."""
    format: Literal["raw", "qcow2"] = "raw"
    min_disk_gib: Positive
    user: Id
    """The account that the first SSH key is given to."""

    def name_of(self, profile: Profile) -> str:
        """Return the name that the image service knows it by: of its content, or its id."""
        return PurePosixPath(self.source.of(profile)).stem if self._is_pinned else self.id

    def sha512_of(self, profile: Profile) -> str | None:
        """Return the checksum of the image for `profile`, if it is known."""
        known = profile is Profile.PRODUCTION or self._is_pinned
        return self.sha512 if known else None

    @property
    def _is_pinned(self) -> bool:
        """Whether it is the same for every profile, as `catalogue.images` makes it."""
        return self.source.lab == self.source.production


class Flavor(Model):
    """A server's size."""

    id: Id
    vcpus: Positive
    ram_mib: Positive
    gpus: Annotated[int, Field(ge=0)] = 0
    extra_specs: dict[str, str] = {}
    device_specs: dict[str, str] = {}
    """Extra specs that ask for devices, such as a GPU's PCI alias: only in production, since the
    lab's clouds have none."""


class Node(Model):
    """A kind of physical server in a rack."""

    count: Positive
    vcpus: Positive
    """Threads that may be given out, overcommitment included."""
    ram_gib: Positive
    gpus: Annotated[int, Field(ge=0)] = 0
    idle_w: Positive
    max_w: Positive
    """Watts at the plug, at rest and at full load."""


class Rack(Model):
    """A rack with its power and the physical servers in it."""

    id: Id
    zone: Id
    power_w: Positive
    """What its supply can carry for good, with one feed lost."""
    cooling_w: Positive | None = None
    """Heat that its cooling can carry off for good; None where nobody says."""
    nodes: list[Node]


class Address(Model):
    """Where a device is: a host, and a port unless the protocol's own is meant."""

    production: Annotated[
        str, StringConstraints(pattern=r"^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d{1,5})?$")
    ]
    lab: Annotated[str, StringConstraints(pattern=r"^127\.0\.0\.1:\d{1,5}$")]

    def of(self, profile: Profile) -> str:
        """Return the address for `profile`."""
        return self.production if profile is Profile.PRODUCTION else self.lab


class Device(Model):
    """Something that is read over the network: a meter, a PDU, a UPS, a server's controller."""

    id: Id
    profile: Id
    """How it is read: a file of exporters/devices/profiles, such as "schneider-pm5300"."""
    address: Address
    unit: Text | None = None
    """Which of several at that address: a Modbus unit's number ("1"), a UPS's name in NUT."""
    credentials: Id | None = None
    """Their name in the file of credentials, which is no part of the catalogue."""


class Reads(Model):
    """Which device's channel gives a meter's register and its rate."""

    device: Id
    channel: str = ""
    """As the device's profile names it, such as "outlet-7"; empty for the device as a whole."""
    ct_ratio: Annotated[float, Field(gt=0)] = 1
    """What the device's energy and power are multiplied by: the ratio of current transformers that
    it doesn't know of; 1 where it is set in the device."""


class Meter(Model):
    """A point where energy or water is measured; `parent` feeds it."""

    id: Id
    parent: Id | None = None
    second_parent: Id | None = None
    """The meter of the other feed, where what draws from both is measured once."""
    place: Literal[
        "utility", "generator", "renewable", "ups-output", "pdu-output", "it-input",
        "cooling", "lighting", "other", "water-intake", "heat-reuse",
    ]  # fmt: skip
    carrier: Literal["electricity", "fuel", "chilled-water", "water", "heat"] = "electricity"
    feed: Literal["A", "B"] | None = None
    """Of the two feeds, the one that it is on."""
    accuracy_class: Text
    """With its standard, such as "IEC 62053-21 class 1"."""
    rack: Id | None = None
    rated_w: Positive | None = None
    """What the UPS, PDU or generator that it belongs to can carry for good, W."""
    reads: Reads | None = None
    """Left out where a person reads it."""


class Sensor(Model):
    """Where a device measures the air: what of temperature, humidity and dew point it can."""

    id: Id
    place: Literal["inlet", "outlet", "room"]
    rack: Id | None = None
    """Needed unless it hangs in the room."""
    device: Id
    channel: str = ""


class Band(Model):
    """A tariff's hours: local time, [start, end), "22:00" to "04:00" wraps."""

    name: Literal["peak", "standard", "off-peak"]
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    hours: list[Annotated[str, StringConstraints(pattern=r"^\d\d:\d\d-\d\d:\d\d$")]]


class Tariff(Model):
    """When energy costs what; hours that no band names are standard."""

    source: Source
    bands: list[Band]


class Water(Model):
    """What the site's cooling draws."""

    supply: Literal["potable", "non-potable", "none"]
    cooling: Literal["air", "evaporative", "chilled-water", "liquid"]


class Site(Model):
    """sites/ID.yaml: a data centre, its cloud, its address plan and its power."""

    id: Id
    number: Annotated[int, Field(ge=1, le=250)]
    """Fixed for good: addresses on the inter-site link are derived from it."""
    name: Name
    cite: Text
    role: Literal["primary", "standby"]
    stands_in_for: Id | None = None
    """The primary site that a standby site takes over from."""
    cloud: Text
    """The entry in clouds.yaml."""
    region: Text
    zones: Annotated[list[Id], Field(min_length=1)]
    capabilities: list[Capability]
    external_network: Text
    floating_ipv4: ipaddress.IPv4Network | None = None
    """Where the external network's floating addresses come from: there watchers call what is
    public."""
    volume_type: Text
    """For data that needs no encryption, and where the cloud offers none."""
    zoned_volumes: bool = False
    """Whether the block storage has the servers' zones, so that a server's volumes lie in its own:
    only in production, since the lab's block storage has one zone."""
    encrypted_volume_type: Text | None = None
    ipv4: ipaddress.IPv4Network
    """Carved into one network for each component; private."""
    ipv4_prefix: Annotated[int, Field(ge=16, le=28)] = 26
    """Length of a component's IPv4 prefix."""
    ipv6: ipaddress.IPv6Network
    """Carved into one /64 for each component; global."""
    link: Link | None = None
    name_servers: list[IPvAnyAddress] = []
    """What the networks' servers resolve names with, in this order."""
    public_key: Text
    """The first SSH key of every server: "ssh-ed25519 AAAA... comment"."""
    images: Annotated[list[Image], Field(min_length=1)]
    flavors: Annotated[list[Flavor], Field(min_length=1)]
    racks: list[Rack]
    devices: list[Device] = []
    meters: list[Meter]
    sensors: list[Sensor] = []
    tariff: Tariff | None = None
    water: Water
    assumptions: list[Assumption] = []


# -- targets and factors --------------------------------------------------------------------------


class Target(Model):
    """A figure that a site or service is held against."""

    id: Id
    name: Name
    indicator: Text
    """What is measured: "PUE", "WUE", "availability", "inlet-temperature"..."""
    comparison: Literal["<=", ">="]
    value: float
    unit: Text
    applies_to: Text
    reference: bool = False
    """Whether it is there to compare with, not to meet."""
    source: Source


class Targets(Model):
    """targets.yaml."""

    targets: list[Target]


class Factor(Model):
    """A factor that turns one figure into another, for one year."""

    id: Id
    name: Name
    value: float
    unit: Text
    year: int
    source: Source


class Factors(Model):
    """factors.yaml."""

    factors: list[Factor]


class Catalogue(Model):
    """All files together."""

    city: City
    sites: dict[str, Site]
    services: dict[str, Service]
    targets: Targets
    factors: Factors
