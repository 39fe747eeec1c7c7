"""The city's authority, passwords, and what database servers store of them."""

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, lookup_loader
from ansible.template import Templar
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from catalogue.errors import OutsideError
from playbooks import authority

PLUGINS = Path(authority.__file__).parent / "plugins"
lookup_loader.add_directory(str(PLUGINS / "lookup"))
filter_loader.add_directory(str(PLUGINS / "filter"))


def _request(name: str = "lgsp-gateway-1.main") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def _secret(folder: Path, name: str, given: dict[str, str]) -> Any:
    variables = {"secrets_folder": str(folder), "secrets_given": given}
    found = lookup_loader.get(
        "secret", loader=DataLoader(), templar=Templar(DataLoader(), variables)
    )
    return found.run([name], variables)[0]


def test_certificate_is_for_its_names_and_signed_by_the_authority(tmp_path: Path) -> None:
    """Its names and addresses are those asked for; the authority's key verifies it."""
    made = authority.issue(tmp_path / "a", _request(), ["lgsp.main.example"], ["2001:db8::1"])
    leaf = x509.load_pem_x509_certificate(made.certificate.encode())
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(made.authority.encode()))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["lgsp.main.example"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["2001:db8::1"]


def test_certificate_stays_until_what_it_is_for_changes(tmp_path: Path) -> None:
    """The same request has the same certificate; another key or name has another."""
    folder, request = tmp_path / "a", _request()
    first = authority.issue(folder, request, ["one"], [])
    assert authority.issue(folder, request, ["one"], []) == first
    assert authority.issue(folder, request, ["two"], []).certificate != first.certificate
    assert authority.issue(folder, _request(), ["two"], []).authority == first.authority


def test_certificate_that_ends_soon_is_issued_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with too few days left is replaced."""
    folder, request = tmp_path / "a", _request()
    monkeypatch.setattr(authority, "HOST_DAYS", authority.RENEWAL_DAYS - 1)
    first = authority.issue(folder, request, ["one"], [])
    monkeypatch.undo()
    assert authority.issue(folder, request, ["one"], []).certificate != first.certificate


def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    """The folder and all that it holds of worth are closed to others; an open one is refused."""
    folder = tmp_path / "a"
    authority.issue(folder, _request(), ["one"], [])
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "authority.key").stat().st_mode & 0o077 == 0
    folder.chmod(0o755)
    with pytest.raises(OutsideError, match="open to others"):
        authority.issue(folder, _request(), ["one"], [])


def test_request_that_would_leave_the_folder_is_refused(tmp_path: Path) -> None:
    """A host does not choose where its certificate is written."""
    with pytest.raises(OutsideError, match="no certificate"):
        authority.issue(tmp_path / "a", _request("../../x"), ["one"], [])


def test_secret_is_made_once_and_kept_closed(tmp_path: Path) -> None:
    """The second look gives the same; folder and file are their owner's alone."""
    folder = tmp_path / "secrets"
    made = _secret(folder, "postgresql/lgsp/app", {})
    assert len(made) == 43
    assert _secret(folder, "postgresql/lgsp/app", {}) == made
    assert _secret(folder, "postgresql/lgsp/other", {}) != made
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0


def test_secret_that_the_operator_gives_is_taken(tmp_path: Path) -> None:
    """A given secret is used, and nothing is written."""
    assert _secret(tmp_path / "secrets", "a/b", {"a/b": "mine"}) == "mine"
    assert not (tmp_path / "secrets").exists()


def test_secrets_in_an_open_folder_are_refused(tmp_path: Path) -> None:
    """A folder that others read is no place for secrets."""
    (tmp_path / "secrets").mkdir(mode=0o755)
    with pytest.raises(AnsibleLookupError, match="chmod 700"):
        _secret(tmp_path / "secrets", "a/b", {})


def test_verifier_is_that_of_rfc_7677() -> None:
    """The stored and server keys follow from the password and salt as the standard has it."""
    verifier = filter_loader.get("scram_verifier").j2_function
    told = verifier("pencil", "user")
    assert told == verifier("pencil", "user")
    assert told.startswith("SCRAM-SHA-256$4096:")
    assert told != verifier("pencil", "other")
    assert told != verifier("pencils", "user")


def test_mariadb_stores_what_its_own_function_gives() -> None:
    """The verifier of "password", as PASSWORD() prints it."""
    told = filter_loader.get("mariadb_verifier").j2_function("password")
    assert told == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


@pytest.mark.parametrize(
    ("prefix", "host"),
    [
        ("10.58.60.64/26", "10.58.60.64/255.255.255.192"),
        ("2001:db8:58:f1::/64", "2001:db8:58:f1:%"),
        ("", ""),
    ],
)
def test_mariadb_account_is_for_a_prefix(prefix: str, host: str) -> None:
    """IPv4 has a netmask; IPv6 is compared as text."""
    assert filter_loader.get("mariadb_host").j2_function(prefix) == host


@pytest.mark.parametrize("prefix", ["2001:db8:58::/48", "2001:db8:58::/64", "2001:db8::f1:0:0/96"])
def test_prefix_that_text_does_not_tell_is_refused(prefix: str) -> None:
    """Addresses of such a prefix may be written without its text."""
    with pytest.raises(ValueError, match="can't tell"):
        filter_loader.get("mariadb_host").j2_function(prefix)
