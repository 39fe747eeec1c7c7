"""Where the devices of a lab listen, and what they ask for."""

import secrets
from pathlib import Path

import yaml

import catalogue
from catalogue.model import Device
from exporters.devices.profile import named
from lab import files
from lab.certificates import certify
from lab.openstack.sites import HOST

FIRST_PORT = 23000
"""The first port of a lab whose devices are at the catalogue's own addresses."""
CREDENTIALS = "devices.yaml"
AUTHORITY = "devices-ca.pem"
CERTIFICATE = "devices.pem"  # with its key
TCP = frozenset({"modbus", "redfish", "nut", "prometheus"})
UDP = frozenset({"snmp", "ipmi"})


def port_of(device: Device, first: int) -> int:
    """Return a device's port in a lab whose first port is `first`: as far up as the lab is."""
    return int(device.address.lab.rpartition(":")[2]) + first - FIRST_PORT


def ports(first: int, protocols: frozenset[str] = TCP | UDP) -> dict[str, dict[int, str]]:
    """Return, by site, the ports of a lab's devices with these protocols, and what is there."""
    found: dict[str, dict[int, str]] = {}
    for site in catalogue.load().sites.values():
        there = found.setdefault(site.id, {})
        for device in site.devices:
            if named(device.profile).protocol in protocols:
                there.setdefault(port_of(device, first), device.id)
    return found


def folder(home: Path, site: str) -> Path:
    """Return the folder of a site's devices."""
    return home / site / "devices"


def clear(home: Path) -> None:
    """Remove the sockets of NUT's drivers, which were ended."""
    for path in home.glob("*/devices/*/dummy-ups-*"):
        path.unlink()


def prepare(home: Path) -> None:
    """Make the devices' credentials and certificate in the lab's home, unless they are there."""
    credentials = home / CREDENTIALS
    if not (home / CERTIFICATE).exists():
        certify(home / AUTHORITY, home / CERTIFICATE, "devices of the lab", [HOST])
    if not credentials.exists():
        given = {
            "snmp-v2c": {"community": _secret()},
            "snmp-v3": {
                "username": "citydc",
                "password": _secret(),
                "privacy_password": _secret(),
            },
            "redfish": {
                "username": "citydc",
                "password": _secret(),
                "ca": str(home / AUTHORITY),
            },
            "ipmi": {"username": "citydc", "password": _secret()},
            "nut": {"username": "citydc", "password": _secret()},
        }
        files.write(credentials, yaml.safe_dump(given))


def _secret() -> str:
    return secrets.token_hex(8)  # IPMI takes no more than 16 characters
