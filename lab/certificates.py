"""An authority that signs one certificate and is forgotten."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab import files

YEARS = 10


def certify(authority: Path, certificate: Path, name: str, addresses: Sequence[str]) -> None:
    """Write an authority of that name, and a certificate with its key for these addresses."""
    signer = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    root = _certificate(issuer, issuer, signer.public_key(), ())
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, addresses[0])])
    leaf = _certificate(subject, issuer, key.public_key(), addresses)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signed = [one.sign(signer, hashes.SHA256()).public_bytes(pem) for one in (root, leaf)]
    files.write(authority, signed[0].decode())
    files.write(certificate, (secret + signed[1]).decode())


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, addresses: Sequence[str]
) -> x509.CertificateBuilder:
    """Return a certificate for addresses, or without any, of an authority."""
    now = dt.datetime.now(dt.UTC)
    found = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=not addresses, path_length=None), critical=True)
    )
    if addresses:
        names = [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        found = found.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return found
