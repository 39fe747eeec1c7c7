"""How an exporter is served."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import bcrypt
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from catalogue.errors import BadInputError, OutsideError
from exporters import serving
from exporters.families import Family


class _Exporter:
    """An exporter of one metric."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reason = ""
        self.reloads = 0
        self.faulty = False
        self.fails = asyncio.Event()
        self.left = False

    def families(self) -> Iterable[Family]:
        family = Family("citydc_power_watts", "gauge", "Power.", ("node",), "watts")
        family.set(("ups-a",), 3.5)
        return [family]

    def routes(self) -> Sequence[BaseRoute]:
        return []

    def unready(self) -> str:
        return self.reason

    async def reload(self) -> None:
        if self.faulty:
            raise BadInputError("the catalogue is unsound")
        self.reloads += 1

    async def run(self) -> None:
        try:
            await self.fails.wait()
            raise OutsideError("the disk is gone")
        finally:
            self.left = True


Talk = Callable[[httpx.AsyncClient, _Exporter], Awaitable[None]]


def _served(talk: Talk, web_config: Path | None = None, ca: Path | None = None) -> _Exporter:
    """Serve on a free port of loopback while `talk` lasts."""

    async def run() -> _Exporter:
        exporter = _Exporter()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            server = serving._Server(exporter, serving.Listening("127.0.0.1", port, web_config))
            task = asyncio.create_task(server.run(listener))
            context = ssl.create_default_context(cafile=ca) if ca else None
            scheme = "https" if ca else "http"
            async with httpx.AsyncClient(
                base_url=f"{scheme}://127.0.0.1:{port}", verify=context or False, trust_env=False
            ) as client:
                await talk(client, exporter)
            server._uvicorn.should_exit = True
            await task
        return exporter

    return asyncio.run(run())


def test_metrics_come_in_the_format_that_is_asked_for() -> None:
    """OpenMetrics for those who accept it, the text format for all others."""

    async def talk(client: httpx.AsyncClient, _exporter: _Exporter) -> None:
        text = await client.get("/metrics")
        assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'citydc_power_watts{node="ups-a"} 3.5\n' in text.text
        assert "process_resident_memory_bytes" in text.text
        wanted = {"accept": "application/openmetrics-text;version=1.0.0"}
        opened = await client.get("/metrics", headers=wanted)
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        assert "# UNIT citydc_power_watts watts\n" in opened.text
        assert opened.text.endswith("# EOF\n")

    assert _served(talk).left


def test_readiness_tells_why_not() -> None:
    """Healthy is who answers; ready is who can tell the truth."""

    async def talk(client: httpx.AsyncClient, exporter: _Exporter) -> None:
        assert (await client.get("/-/ready")).status_code == 200
        exporter.reason = "the ledger's disk is full"
        ready = await client.get("/-/ready")
        assert (ready.status_code, ready.text) == (503, "the ledger's disk is full\n")
        assert (await client.get("/-/healthy")).status_code == 200

    _served(talk)


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_of_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool
) -> None:
    """Where a service manager waits, by a socket of the file system or one without a file."""
    place = f"@{tmp_path}" if abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", place)

    async def talk(client: httpx.AsyncClient, _exporter: _Exporter) -> None:
        await client.get("/-/healthy")

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(place.replace("@", "\0"))
        manager.setblocking(False)
        _served(talk)
        assert manager.recv(64) == b"READY=1"


def test_reload_is_a_post_and_a_faulty_one_changes_nothing() -> None:
    """A GET, as from a link, reloads nothing."""

    async def talk(client: httpx.AsyncClient, exporter: _Exporter) -> None:
        assert (await client.get("/-/reload")).status_code == 405
        assert (await client.post("/-/reload")).status_code == 200
        exporter.faulty = True
        refused = await client.post("/-/reload")
        assert (refused.status_code, exporter.reloads) == (500, 1)
        assert "the catalogue is unsound" in refused.text

    _served(talk)


def test_exporter_that_fails_ends_the_serving_with_its_error() -> None:
    """What no longer works must not look as if it did."""

    async def talk(_client: httpx.AsyncClient, exporter: _Exporter) -> None:
        exporter.fails.set()
        await asyncio.sleep(0)

    with pytest.raises(OutsideError, match="the disk is gone"):
        _served(talk)


def test_basic_auth_lets_in_only_users_with_their_passwords(tmp_path: Path) -> None:
    """All paths are guarded, and a reload takes a user's right away."""
    file = tmp_path / "web.yaml"
    hashed = bcrypt.hashpw(b"opens", bcrypt.gensalt(4)).decode()
    file.write_text(f"basic_auth_users: {{prometheus: '{hashed}'}}\n")

    async def talk(client: httpx.AsyncClient, _exporter: _Exporter) -> None:
        assert (await client.get("/-/healthy")).status_code == 401
        for wrong in (("prometheus", "other"), ("nobody", "opens"), ("nobody", "")):
            assert (await client.get("/metrics", auth=wrong)).status_code == 401
        odd = await client.get("/metrics", headers={"authorization": "Basic !"})
        assert odd.status_code == 401
        for _ in range(2):
            right = await client.get("/metrics", auth=("prometheus", "opens"))
            assert right.status_code == 200
        file.write_text(f"basic_auth_users: {{other: '{hashed}'}}\n")
        reloaded = await client.post("/-/reload", auth=("prometheus", "opens"))
        assert reloaded.status_code == 200
        after = await client.get("/metrics", auth=("prometheus", "opens"))
        assert after.status_code == 401

    _served(talk, file)


def _certificate(folder: Path, name: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def test_tls_serves_the_renewed_certificate_after_a_reload(tmp_path: Path) -> None:
    """A renewal needs no restart, and a faulty one leaves the old in use."""
    file = tmp_path / "web.yaml"
    file.write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
    _certificate(tmp_path, "first")
    ca = tmp_path / "ca.pem"
    ca.write_bytes((tmp_path / "cert.pem").read_bytes())

    async def shown(client: httpx.AsyncClient) -> str:
        port = client.base_url.port or 0
        pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
        subject = x509.load_pem_x509_certificate(pem.encode()).subject
        return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    async def talk(client: httpx.AsyncClient, _exporter: _Exporter) -> None:
        assert (await client.get("/metrics")).status_code == 200
        (tmp_path / "key.pem").write_text("no key")
        assert (await client.post("/-/reload")).status_code == 500
        assert await shown(client) == "first"
        _certificate(tmp_path, "second")
        assert (await client.post("/-/reload")).status_code == 200
        assert await shown(client) == "second"

    _served(talk, file, ca)


@pytest.mark.parametrize("text", ["0.0.0.0:9811", "[::]:9811", "10.58.0.1:9811"])
def test_listening_beyond_loopback_without_tls_is_refused(text: str, tmp_path: Path) -> None:
    """Nothing crosses a network in clear; basic auth alone does not help."""
    with pytest.raises(BadInputError, match="no TLS"):
        serving.listening(text)
    file = tmp_path / "web.yaml"
    file.write_text("basic_auth_users: {}\n")
    with pytest.raises(BadInputError, match="no TLS"):
        serving.listening(text, file)
    file.write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
    assert serving.listening(text, file).port == 9811


@pytest.mark.parametrize("text", ["9811", "localhost:9811", "127.0.0.1:", "127.0.0.1:70000"])
def test_what_is_no_place_to_listen_is_told(text: str) -> None:
    """A name is no place either: it may lead anywhere."""
    with pytest.raises(BadInputError, match="no place to listen"):
        serving.listening(text)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("basic_auth_users: {a: opens}", "basic_auth_users.a is no bcrypt hash"),
        ("rate_limit: 5", "rate_limit"),
        ("tls_server_config: {cert_file: a}", "key_file"),
        ("[", "while parsing"),
        (b"\xff", "utf-8"),
    ],
)
def test_faulty_web_configuration_names_what_is_wrong(
    content: str | bytes, told: str, tmp_path: Path
) -> None:
    """No part of it is passed over, and no hash or password is told."""
    file = tmp_path / "web.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInputError, match=told) as caught:
        serving.listening("127.0.0.1:9811", file)
    assert "opens" not in str(caught.value)
    assert caught.value.place == str(file)
