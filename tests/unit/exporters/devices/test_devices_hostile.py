"""Devices that break, lie or attack: each is down with its reason, the others are read."""

import asyncio
import datetime as dt
import ipaddress
import json
import logging
import ssl
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from catalogue.model import Address, Device
from exporters.devices import DeviceError, Reason, opened
from exporters.devices.credentials import Credentials, trust

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
SECRET = "Tr0ub4dor-and-3"
PATIENCE = 60.0
"""Seconds for what ends by itself, on the busiest machine."""
TIMEOUT = 1.0
"""Seconds for what does not."""
PROFILES = {
    "modbus": "eastron-sdm630",
    "snmp": "ups-mib",
    "redfish": "redfish-legacy",
    "nut": "nut",
    "prometheus": "kepler",
}


def device(protocol: str, port: int) -> Device:
    """Return a device of that protocol on loopback."""
    return Device(
        id=f"a-{protocol}",
        profile=PROFILES[protocol],
        address=Address(production="unused", lab=f"127.0.0.1:{port}"),
        credentials="secret",
    )


async def told(
    protocol: str, port: int, ca: Path | None = None, *, patience: float = PATIENCE
) -> DeviceError:
    """Return why the device on that port can't be read."""
    given = Credentials(
        username=None if protocol == "snmp" else "reader",
        password=SecretStr(SECRET),
        community=SecretStr(SECRET),
        ca=str(ca) if ca else None,
    )
    one = device(protocol, port)
    client = opened(one, one.address.lab, {"secret": given}, timeout=patience)
    try:
        with pytest.raises(DeviceError) as refused:
            await client.read()
    finally:
        await client.close()
    said = "".join(traceback.format_exception(refused.value))
    assert SECRET not in said
    return refused.value


@asynccontextmanager
async def served(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Give the port of a server that treats each connection so."""

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await behaviour(reader, writer)
        writer.close()

    server = await asyncio.start_server(treat, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


# -- behaviours -----------------------------------------------------------------------------------


async def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close at once."""
    writer.close()


async def is_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take everything and say nothing."""
    while await reader.read(1024):
        pass


async def talks_rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with what is no message of any protocol."""
    await reader.read(1024)
    writer.write(b"\x00\xff" * 20 + b"\n" + b"rubbish\r\n\r\n")
    await is_silent(reader, writer)


async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as fast as is taken, without an end."""
    await reader.read(1024)
    while True:
        writer.write(b"A" * 65536)
        await writer.drain()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer rightly, but a byte at a time."""
    request = await reader.read(1024)
    right = request[:4] + b"\x00\x7b" + request[6:8] + b"\x78" + b"\x00" * 120
    for byte in right:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


def answers(head: bytes, body: bytes = b"", *, again: bool = False) -> Behaviour:
    """Return a server that answers every request of HTTP so, its body without an end if `again`."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readuntil(b"\r\n\r\n")) and not reader.at_eof():
            writer.write(head + body)
            await writer.drain()
            while again:
                writer.write(body)
                await writer.drain()

    return behaviour


def http(body: bytes, status: str = "200 OK", *more: str) -> Behaviour:
    """Return a server that answers every request with that body."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more, "", ""]
    return answers("\r\n".join(lines).encode(), body)


def modbus(change: Callable[[bytes], bytes]) -> Behaviour:
    """Return a server whose right answers are changed so."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readexactly(12):
            count = int.from_bytes(request[10:12])
            length = (3 + 2 * count).to_bytes(2)
            right = request[:4] + length + request[6:8] + bytes([2 * count]) + bytes(2 * count)
            writer.write(change(right))

    return behaviour


ENDLESS = answers(
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + b"#" * 32768 + b"\r\n",
    again=True,
)  # fmt: skip


# -- every fault has its reason -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "behaviour", "reason"),
    [
        ("modbus", closes, Reason.REFUSED),
        ("modbus", is_silent, Reason.TIMEOUT),
        ("modbus", talks_rubbish, Reason.TIMEOUT),
        ("modbus", never_ends, Reason.TOO_LARGE),
        ("modbus", drips, Reason.TIMEOUT),
        ("modbus", modbus(lambda right: b"\xff\xff" + right[2:]), Reason.TIMEOUT),
        ("modbus", modbus(lambda right: right[:7] + b"\x84\x02"), Reason.TIMEOUT),
        (
            "modbus",
            modbus(lambda right: right[:4] + b"\x00\x03" + right[6:7] + b"\x84\x02"),
            Reason.PROTOCOL,
        ),
        (
            "modbus",
            modbus(lambda right: right[:4] + b"\x00\x05" + right[6:8] + b"\x02\x00\x00"),
            Reason.PROTOCOL,
        ),
        ("nut", closes, Reason.REFUSED),
        ("nut", is_silent, Reason.TIMEOUT),
        ("nut", talks_rubbish, Reason.PROTOCOL),
        ("nut", never_ends, Reason.TOO_LARGE),
        ("nut", drips, Reason.TIMEOUT),
        ("prometheus", closes, Reason.REFUSED),
        ("prometheus", is_silent, Reason.TIMEOUT),
        ("prometheus", talks_rubbish, Reason.PROTOCOL),
        ("prometheus", never_ends, Reason.PROTOCOL),
        ("prometheus", ENDLESS, Reason.TOO_LARGE),
        ("prometheus", drips, Reason.TIMEOUT),
        ("prometheus", http(b"", "302 Found", "Location: http://127.0.0.1:1/"), Reason.REDIRECT),
        ("prometheus", http(b"", "401 Unauthorized"), Reason.AUTHENTICATION),
        ("prometheus", http(b"", "500 Oops"), Reason.PROTOCOL),
        ("prometheus", http(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"), Reason.PROTOCOL),
        ("prometheus", http(b"kepler_node_platform_joules_total{ 1\n"), Reason.PROTOCOL),
        ("prometheus", http(b"other 1\n"), Reason.PROTOCOL),
    ],
)
def test_fault_is_told_with_its_reason(
    protocol: str, behaviour: Behaviour, reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    """What a server does wrong is a DeviceError with a reason, and no credential is logged."""
    caplog.set_level(logging.DEBUG)

    async def run() -> DeviceError:
        async with served(behaviour) as port:
            patience = TIMEOUT if reason == Reason.TIMEOUT else PATIENCE
            return await told(protocol, port, patience=patience)

    assert asyncio.run(run()).reason == reason
    assert SECRET not in caplog.text


def test_port_that_nothing_listens_on_is_refused(unused_port: int) -> None:
    """A port that nothing listens on is refused, for each protocol over TCP."""
    for protocol in ("modbus", "nut", "prometheus", "redfish"):
        assert asyncio.run(told(protocol, unused_port)).reason == Reason.REFUSED


@pytest.fixture
def unused_port() -> int:
    """Give a port that was just given back."""

    async def run() -> int:
        async with served(closes) as port:
            return port

    return asyncio.run(run())


def test_nut_list_without_an_end_is_too_large() -> None:
    """A server that lists variables for ever is told to have too many."""

    async def lists(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"BEGIN LIST VAR ups\n")
        while True:
            writer.write(b'VAR ups ups.load "1"\n' * 100)
            await writer.drain()

    async def run() -> DeviceError:
        async with served(lists) as port:
            return await told("nut", port)

    assert asyncio.run(run()).reason == Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"ERR ACCESS-DENIED\n", Reason.AUTHENTICATION),
        (b"ERR UNKNOWN-UPS\n", Reason.PROTOCOL),
        (b'BEGIN LIST VAR ups\nVAR ups ups.load "a lot"\nEND LIST VAR ups\n', Reason.PROTOCOL),
        (b'BEGIN LIST VAR ups\nVAR other ups.load "1"\n', Reason.PROTOCOL),
        (b"BEGIN LIST VAR ups\nEND LIST VAR ups\n", Reason.PROTOCOL),
    ],
)
def test_nut_server_that_has_no_figures(line: bytes, reason: Reason) -> None:
    """A server's refusal and figures that are none are told apart."""

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(line)
        await is_silent(reader, writer)

    async def run() -> DeviceError:
        async with served(says) as port:
            return await told("nut", port)

    assert asyncio.run(run()).reason == reason


# -- SNMP -----------------------------------------------------------------------------------------


class Datagrams(asyncio.DatagramProtocol):
    """A UDP server that answers each datagram with what a function makes of it."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are sent by."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer."""
        if answer := self._answer(data):
            self._transport.sendto(answer, addr)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: None, Reason.TIMEOUT),
        (lambda _: b"rubbish", Reason.PROTOCOL),
        (lambda asked: asked[:10], Reason.PROTOCOL),
        (lambda _: b"\x30\x84\xff\xff\xff\xff" + b"\x30" * 1000, Reason.PROTOCOL),
    ],
)
def test_snmp_agent_that_answers_wrong(
    answer: Callable[[bytes], bytes | None], reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    """Silence is a timeout, rubbish no SNMP."""
    caplog.set_level(logging.DEBUG)

    async def run() -> DeviceError:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Datagrams(answer), ("127.0.0.1", 0)
        )
        try:
            patience = TIMEOUT if reason == Reason.TIMEOUT else PATIENCE
            port = transport.get_extra_info("sockname")[1]
            return await told("snmp", port, patience=patience)
        finally:
            transport.close()

    assert asyncio.run(run()).reason == reason
    assert SECRET not in caplog.text


# -- Redfish --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and its file."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    file: Path

    def server(self, folder: Path, *, days: int = 1, name: str = "127.0.0.1") -> ssl.SSLContext:
        """Return a server's TLS with a certificate for that name, valid until so many days on."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = _certificate(name, key, self.certificate.subject, self.key, days)
        chain = folder / f"{name}-{days}.pem"
        chain.write_bytes(
            signed.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None,
    signer: ec.EllipticCurvePrivateKey,
    days: int,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        address = x509.IPAddress(ipaddress.ip_address(name))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority that the readers trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("authority", key, None, key, 9)
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(key, certificate, file)


def service(resources: dict[str, bytes], ended: list[str] | None = None) -> Behaviour:
    """Return a Redfish service that has these resources, and refuses those sessions that ended."""
    opened_yet: list[str] = []

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            lengths = [
                int(line.split(":")[1])
                for line in head.lower().splitlines()
                if line.startswith("content-length:")
            ]
            await reader.readexactly(sum(lengths))
            body, more, status = resources.get(path, b"{}"), "", "200 OK"
            if method == "POST":
                opened_yet.append(str(len(opened_yet) + 1))
                where = f"/redfish/v1/SessionService/Sessions/{opened_yet[-1]}"
                more = f"X-Auth-Token: t{opened_yet[-1]}\r\nLocation: {where}\r\n"
            elif any(f"x-auth-token: t{one}\r" in head.lower() for one in ended or ()):
                status = "401 Unauthorized"
            answer = f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode()
            writer.write(answer + body)
            await writer.drain()

    return behaviour


def links(power: bytes, link: str = "/redfish/v1/Chassis/1/Power") -> dict[str, bytes]:
    """Return the resources of a service whose chassis has that power resource."""

    def to(name: str, path: str) -> bytes:
        return json.dumps({name: {"@odata.id": path}}).encode()

    return {
        "/redfish/v1": to("Chassis", "/redfish/v1/Chassis"),
        "/redfish/v1/Chassis": b'{"Members": [{"@odata.id": "/redfish/v1/Chassis/1"}]}',
        "/redfish/v1/Chassis/1": to("Power", link),
        "/redfish/v1/Chassis/1/Power": power,
    }


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (links(b"{" + b'"a":{' * 100_000), Reason.TOO_LARGE),
        (links(b"[" * 90_000 + b"]" * 90_000), Reason.TOO_LARGE),
        (links(b'{"x": "' + b"A" * 600_000 + b'"}'), Reason.TOO_LARGE),
        (links(b"rubbish"), Reason.PROTOCOL),
        (links(b"[1]"), Reason.PROTOCOL),
        (links(b'{"PowerControl": [{"PowerConsumedWatts": "much"}]}'), Reason.PROTOCOL),
        (links(b'{"PowerControl": {"0": 7}}'), Reason.PROTOCOL),
        (links(b"{}", "https://127.0.0.1:1/redfish/v1/x"), Reason.REDIRECT),
        (links(b"{}", "//127.0.0.1:1/x"), Reason.REDIRECT),
        ({}, Reason.PROTOCOL),
    ],
)
def test_redfish_service_that_says_what_it_must_not(
    resources: dict[str, bytes],
    reason: Reason,
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Giant, deep and senseless resources and links that lead elsewhere are told apart."""
    caplog.set_level(logging.DEBUG)

    async def run() -> DeviceError:
        async with served(service(resources), authority.server(tmp_path)) as port:
            return await told("redfish", port, authority.file)

    assert asyncio.run(run()).reason == reason
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("days", "name", "trusted"),
    [(-1, "127.0.0.1", True), (1, "127.0.0.9", True), (1, "127.0.0.1", False)],
)
def test_certificate_that_is_not_to_be_trusted(
    *, days: int, name: str, trusted: bool, authority: Authority, tmp_path: Path
) -> None:
    """An expired one, one of another name and one of an unknown authority get no password."""
    heard = []

    async def hears(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1024))

    async def run() -> DeviceError:
        async with served(hears, authority.server(tmp_path, days=days, name=name)) as port:
            return await told("redfish", port, authority.file if trusted else None)

    assert asyncio.run(run()).reason == Reason.CERTIFICATE
    assert not any(heard)


def test_redfish_service_without_tls_is_no_such_service() -> None:
    """No password is sent in clear."""

    async def run() -> DeviceError:
        async with served(talks_rubbish) as port:
            return await told("redfish", port)

    assert asyncio.run(run()).reason == Reason.PROTOCOL


def test_redfish_session_is_given_back(authority: Authority, tmp_path: Path) -> None:
    """A session is opened once for many readings, and deleted in the end."""
    asked: list[str] = []
    inner = service(links(b'{"PowerControl": [{"PowerConsumedWatts": 200}]}'))

    async def run() -> None:
        async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            spied = asyncio.StreamReader()
            task = asyncio.ensure_future(inner(spied, writer))
            while data := await reader.read(4096):
                asked.append(data.split(b" HTTP")[0].decode())
                spied.feed_data(data)
            task.cancel()

        async with served(listens, authority.server(tmp_path)) as port:
            one = device("redfish", port)
            given = Credentials(
                username="reader", password=SecretStr(SECRET), ca=str(authority.file)
            )
            client = opened(one, one.address.lab, {"secret": given}, timeout=PATIENCE)
            for _ in range(3):
                assert [reading.value for reading in await client.read()] == [200]
            await client.close()

    asyncio.run(run())
    assert sum(line.startswith("POST") for line in asked) == 1
    assert asked[-1] == "DELETE /redfish/v1/SessionService/Sessions/1"


def test_redfish_session_that_ended_is_opened_anew(authority: Authority, tmp_path: Path) -> None:
    """A controller that forgot the session is read all the same."""
    ended: list[str] = []
    power = links(b'{"PowerControl": [{"PowerConsumedWatts": 200}]}')

    async def run() -> None:
        async with served(service(power, ended), authority.server(tmp_path)) as port:
            one = device("redfish", port)
            given = Credentials(
                username="reader", password=SecretStr(SECRET), ca=str(authority.file)
            )
            client = opened(one, one.address.lab, {"secret": given}, timeout=PATIENCE)
            await client.read()
            ended.append("1")
            assert [reading.value for reading in await client.read()] == [200]
            await client.close()

    asyncio.run(run())


# -- the others -----------------------------------------------------------------------------------


def test_others_are_read_while_one_is_hostile() -> None:
    """Reading a good device beside hostile ones gives its readings."""

    async def run() -> None:
        async with (
            served(modbus(lambda right: right)) as good,
            served(never_ends) as endless,
            served(drips) as dripping,
            served(is_silent) as silent,
        ):
            one = device("modbus", good)
            client = opened(one, one.address.lab, {"secret": Credentials()}, timeout=PATIENCE)
            bad = [
                told(name, port, patience=TIMEOUT)
                for name in ("modbus", "nut")
                for port in (endless, silent)
            ]
            bad.append(told("prometheus", dripping, patience=TIMEOUT))
            reading = asyncio.ensure_future(client.read())
            faults = await asyncio.gather(*bad)
            assert len(await reading) == 13
            assert len(faults) == 5
            await client.close()

    asyncio.run(run())


def test_device_that_mended_is_read_again() -> None:
    """After a fault the next read connects anew."""
    broken = [True]

    async def at_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if broken:
            broken.pop()
            return
        await modbus(lambda right: right)(reader, writer)

    async def run() -> None:
        async with served(at_first) as port:
            one = device("modbus", port)
            client = opened(one, one.address.lab, {"secret": Credentials()}, timeout=PATIENCE)
            with pytest.raises(DeviceError, match="refused"):
                await client.read()
            assert await client.read()
            await client.close()

    asyncio.run(run())


def test_device_that_closes_what_is_idle_is_read_all_the_same() -> None:
    """A connection that the device ended after its answer is opened again within the read."""
    connections = []

    async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        question = await reader.readline()
        assert question == b"LIST VAR ups\n"
        writer.write(b'BEGIN LIST VAR ups\nVAR ups ups.load "21"\nEND LIST VAR ups\n')

    async def run() -> None:
        async with served(answers_once) as port:
            one = device("nut", port)
            client = opened(one, one.address.lab, {"secret": Credentials()}, timeout=PATIENCE)
            for _ in range(3):
                assert [reading.value for reading in await client.read()] == [0.21]
            await client.close()

    asyncio.run(run())
    assert len(connections) == 3


def test_modbus_device_that_closes_what_is_idle_is_read_all_the_same() -> None:
    """So it is over Modbus."""

    async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one_reading = asyncio.ensure_future(modbus(lambda right: right)(reader, writer))
        await asyncio.wait({one_reading}, timeout=0.3)
        one_reading.cancel()

    async def run() -> None:
        async with served(answers_once) as port:
            one = device("modbus", port)
            client = opened(one, one.address.lab, {"secret": Credentials()}, timeout=PATIENCE)
            for _ in range(2):
                assert len(await client.read()) == 13
                await asyncio.sleep(0.5)
            await client.close()

    asyncio.run(run())


def test_trust_is_loaded_once(authority: Authority) -> None:
    """A thousand devices of one authority share its certificates."""
    assert trust(str(authority.file)) is trust(str(authority.file))
