"""
The city's certificate authority: a key in a folder that only its owner reads.

A host makes its own key and a request; what is signed here is the request's public key, for the
names and addresses that the inventory gives.  Both sites' hosts trust the one authority.
"""

import fcntl
import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from catalogue.errors import OutsideError

AUTHORITY_DAYS = 3650
HOST_DAYS = 397
RENEWAL_DAYS = 130
"""A certificate that is valid for less than this is issued anew."""
EARLIER = timedelta(hours=1)
"""Hosts' clocks may be behind."""


class Authority(NamedTuple):
    """The authority's certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Chain(NamedTuple):
    """What a host needs besides its key, in PEM."""

    certificate: str
    authority: str


def issue(folder: Path, request: str, names: Sequence[str], addresses: Sequence[str]) -> Chain:
    """
    Return the certificate for a request in PEM: the one issued before, while it holds.

    The authority and what it issued lie in `folder`, which is made if it is missing.
    Raise OutsideError if the folder is open to others or holds something else.
    """
    try:
        asked = x509.load_pem_x509_csr(request.encode())
        with _locked(folder):
            authority = _authority(folder)
            path = folder / "issued" / f"{_common_name(asked)}.crt"
            if not _holds(path, authority, asked, names, addresses):
                issued = _sign(authority, asked, names, addresses)
                path.parent.mkdir(mode=0o700, exist_ok=True)
                _write(path, _pem(issued))
            return Chain(path.read_text(encoding="utf-8"), _pem(authority.certificate).decode())
    except (OSError, ValueError, TypeError) as error:
        raise OutsideError(
            "no certificate could be issued",
            why=str(error),
            remedy="let authority.crt and authority.key be a certificate and its key in PEM, P-256",
            place=str(folder),
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    for one in (folder.parent, folder):
        one.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        raise OutsideError(
            "the authority's folder is open to others",
            why="its key could be read, and certificates of any host be made",
            remedy=f"chmod 700 {folder}",
            place=str(folder),
        )
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _authority(folder: Path) -> Authority:
    """Return the authority that lies in the folder, made now if there is none."""
    certificate, key = folder / "authority.crt", folder / "authority.key"
    if not certificate.exists():
        made = _new_authority()
        _write(
            key,
            made.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        _write(certificate, _pem(made.certificate))
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{key} is no key of an elliptic curve")
    return Authority(x509.load_pem_x509_certificate(certificate.read_bytes()), private)


def _new_authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "citydc certificate authority")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Authority(builder.sign(key, hashes.SHA256()), key)


def _sign(
    authority: Authority,
    asked: x509.CertificateSigningRequest,
    names: Sequence[str],
    addresses: Sequence[str],
) -> x509.Certificate:
    now = datetime.now(UTC)
    issuer = authority.key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=HOST_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .add_extension(_alternatives(names, addresses), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _holds(
    path: Path,
    authority: Authority,
    asked: x509.CertificateSigningRequest,
    names: Sequence[str],
    addresses: Sequence[str],
) -> bool:
    """Return whether the certificate that lies there is what would be issued, and lasts."""
    if not path.exists():
        return False
    issued = x509.load_pem_x509_certificate(path.read_bytes())
    found = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        issued.public_key() == asked.public_key()
        and issued.issuer == authority.certificate.subject
        and found == _alternatives(names, addresses)
        and issued.not_valid_after_utc - datetime.now(UTC) > timedelta(days=RENEWAL_DAYS)
    )


def _alternatives(names: Sequence[str], addresses: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [
            *(x509.DNSName(name) for name in names),
            *(x509.IPAddress(ipaddress.ip_address(one)) for one in addresses),
        ]
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(asked: x509.CertificateSigningRequest) -> str:
    name = str(asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    if "/" in name or name.startswith("."):
        raise ValueError(f"{name} is no host's name")
    return name


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    new.replace(path)
