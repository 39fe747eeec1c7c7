"""Where the devices of a lab listen, and what they ask for."""

import datetime as dt
import ipaddress
import secrets
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import catalogue
from catalogue.model import Device
from exporters.devices.profile import named
from lab import files
from lab.openstack.sites import HOST

FIRST_PORT = 23000
"""The first port of a lab whose devices are at the catalogue's own addresses."""
CREDENTIALS = "devices.yaml"
AUTHORITY = "devices-ca.pem"
CERTIFICATE = "devices.pem"  # with its key
YEARS = 10
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
        _certify(home)
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


def _certify(home: Path) -> None:
    """Make an authority that signs the controllers' one certificate and is forgotten."""
    authority = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "devices of the lab")])
    root = _certificate(name, name, authority.public_key(), ca=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    leaf = _certificate(subject, name, key.public_key(), ca=False)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signed = [one.sign(authority, hashes.SHA256()).public_bytes(pem) for one in (root, leaf)]
    files.write(home / AUTHORITY, signed[0].decode())
    files.write(home / CERTIFICATE, (secret + signed[1]).decode())


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    found = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        address = x509.IPAddress(ipaddress.ip_address(HOST))
        found = found.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return found
