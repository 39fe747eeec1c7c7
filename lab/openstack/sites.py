"""What a site is: a name, a home and a row of ports on loopback."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lab.openstack.credentials import Credentials

HOST = "127.0.0.1"
PORTS_PER_SITE = 100


class Api(NamedTuple):
    """Where a project's API is: its type in the catalog, its port, its endpoint's path."""

    type: str
    offset: int
    path: str = ""


class Uplink(NamedTuple):
    """The prefixes of a site's external network."""

    ipv4: str
    ipv6: str


# In the order in which they start.
PROJECTS = {
    "keystone": Api("identity", 0, "/v3"),
    "placement": Api("placement", 1),
    "glance": Api("image", 2),
    "neutron": Api("network", 3),
    "nova": Api("compute", 4, "/v2.1"),
    "cinder": Api("block-storage", 5, "/v3"),
    "swift": Api("object-store", 6, "/v1/AUTH_$(project_id)s"),
    "barbican": Api("key-manager", 7),
    "octavia": Api("load-balancer", 8),
    "designate": Api("dns", 9),
}

# Ports besides those of the APIs.
PARTS = {
    "mdns": 53,  # designate gives zones to the name server
    "bind9": 54,  # the name server
    "rndc": 55,  # its control channel
    "swift-account": 70,
    "swift-container": 71,
    "swift-object": 72,
    "mirror": 90,  # images over HTTP
}

UPLINKS = {
    "main": Uplink("198.51.100.0/25", "2001:db8:ff00::/64"),
    "backup": Uplink("198.51.100.128/25", "2001:db8:ff01::/64"),
}
NAMES = tuple(UPLINKS)
TEMPLATE = "template"
CREDENTIALS = "credentials.json"
LOGIN = "id_ed25519"  # the key that logs in to all hosts of a lab
ZONES = ("az1", "az2")
OBSERVER = "citydc:observer"  # who has the port from which a site is observed


@dataclasses.dataclass(frozen=True)
class Site:
    """
    One OpenStack cloud.

    `port` is the first of its ports; `home` holds its folders etc, db, log and state; `backups`
    is the backup repository that all sites share.  With `hosts` its servers are real hosts on real
    networks; without, nova's fake ones, and no packet flows.
    """

    name: str
    port: int
    home: Path
    backups: Path
    hosts: bool = False
    computes_per_zone: int = 3

    def port_of(self, service: str) -> int:
        """Give the port of a project's API or of a part."""
        api = PROJECTS.get(service)
        return self.port + (api.offset if api else PARTS[service])

    def url(self, project: str) -> str:
        """Give the endpoint of a project's API."""
        return f"http://{HOST}:{self.port_of(project)}{PROJECTS[project].path}"

    def database(self, name: str) -> str:
        """Give the SQLAlchemy URL of a database."""
        return f"sqlite:///{self.db}/{name}.sqlite"

    def computes(self) -> Iterator[tuple[str, str]]:
        """Give each compute host's name and availability zone."""
        for zone in ZONES:
            for number in range(1, self.computes_per_zone + 1):
                yield f"{self.name}-{zone}-hv{number}", zone

    @property
    def network_host(self) -> str:
        """Name the host of its switch and routers, as neutron knows it."""
        return f"{self.name}-net"

    @property
    def credentials(self) -> Credentials:
        """Its passwords and keys; raise FileNotFoundError before they are made."""
        return Credentials.load(self.home / CREDENTIALS)

    @property
    def uplink(self) -> Uplink:
        """The prefixes of its external network."""
        return UPLINKS[self.name]

    @property
    def etc(self) -> Path:
        """Configuration files, one folder per project."""
        return self.home / "etc"

    @property
    def db(self) -> Path:
        """Databases."""
        return self.home / "db"

    @property
    def log(self) -> Path:
        """Log files, per project: .log, .requests (one line each) and .out (stdout, stderr)."""
        return self.home / "log"

    @property
    def state(self) -> Path:
        """What the projects keep outside databases, one folder per project."""
        return self.home / "state"


def load(home: Path, port: int, *, hosts: bool = False) -> list[Site]:
    """Give the sites whose lab is in `home`, with ports from `port` on."""
    return [
        _site(home, name, port + index * PORTS_PER_SITE, hosts=hosts)
        for index, name in enumerate(NAMES)
    ]


def template(home: Path, port: int) -> Site:
    """Give the site that never runs: its empty databases are what new sites start from."""
    return _site(home, TEMPLATE, port)


def _site(home: Path, name: str, port: int, *, hosts: bool = False) -> Site:
    return Site(name, port, home / name, home / "backups", hosts)
