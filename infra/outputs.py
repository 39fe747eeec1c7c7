"""
The outputs of a stack: the contract with all that comes after it.

Playbooks, exporters, audits and drills read nothing else of a deployment.  A field is only ever
added; whatever changes meaning or goes away raises `SCHEMA_VERSION`.
"""

import ipaddress
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from catalogue.model import Profile, RecoveryTier

SCHEMA_VERSION = 1
SCHEMA = Path(__file__).parent / "outputs.schema.json"


class Model(BaseModel):
    """A part of the outputs."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Volume(Model):
    """A data volume of a server; the system's is not told."""

    name: str
    """The volume's id in the catalogue; a database's is "data"."""
    id: str
    """In the volume API; the first 20 characters are the disk's serial."""
    size_gib: int


class Host(Model):
    """A server."""

    name: str
    """Unique at the site."""
    id: str
    """In the compute API."""
    site: str
    zone: str
    agency: str
    service: str
    component: str
    """The component's or database's id."""
    tier: str
    """The component's tier, or "database"."""
    role: Literal["server", "primary", "standby"]
    """What it is to its service; only databases have a primary and standbys."""
    recovery_tier: RecoveryTier
    security_level: int
    """Decree 85/2016/ND-CP, 1 to 5."""
    personal_data: bool
    ipv4: ipaddress.IPv4Address
    ipv6: ipaddress.IPv6Address
    image: str
    image_user: str
    """The account that the first SSH key is given to."""
    flavor: str
    power: Literal["on", "off"]
    """Whether it is meant to run."""
    volumes: list[Volume] = []


class Endpoint(Model):
    """A port that a component or database is called on."""

    site: str
    service: str
    component: str
    name: str
    """The port's id in the catalogue."""
    protocol: Literal["tcp", "udp"]
    port: int
    ipv4: list[ipaddress.IPv4Address]
    """Where callers inside reach it: the load balancer's address, or every server's."""
    ipv6: list[ipaddress.IPv6Address]
    balanced: bool
    public: bool
    """Whether it is meant for callers on the Internet."""
    public_ipv4: ipaddress.IPv4Address | None
    """The floating address of a public endpoint; its IPv6 address is global anyhow."""
    dns_names: list[str]
    """
    The catalogue's; absolute, without the last dot.  Those of a public endpoint lead to its
    `public_ipv4`.
    """
    internal_dns_names: list[str] = []
    """Those that lead to `ipv4` and `ipv6`: what callers inside use."""


class Network(Model):
    """A component's or database's network."""

    name: str
    id: str
    """In the network API."""
    site: str
    agency: str
    service: str
    component: str
    ipv4: ipaddress.IPv4Network
    ipv6: ipaddress.IPv6Network


class Bucket(Model):
    """An object container."""

    name: str
    agency: str
    service: str
    backup: bool
    """Whether it holds the service's backups."""


class Outputs(Model):
    """What a stack exports."""

    schema_version: Literal[1]
    site: str
    profile: Profile
    projects: dict[str, str]
    """Each agency's project id."""
    roles: dict[str, str] = {}
    """The roles that are given to anybody: their ids by name."""
    jump_host: str | None
    """The name of the host through which the others are reached."""
    hosts: list[Host]
    endpoints: list[Endpoint]
    networks: list[Network]
    buckets: list[Bucket]


def schema() -> dict[str, Any]:
    """Return the outputs' JSON Schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Outputs.model_json_schema(mode="validation"),
    }


def write_schema() -> None:
    """Write the JSON Schema beside this file."""
    SCHEMA.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schema()
