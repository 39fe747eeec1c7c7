"""Probes against real servers on loopback that answer well, badly, slowly and not at all."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import errno
import ipaddress
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from certificates import NOW, Authority

from exporters.trust import trusting
from exporters.uptime.outcome import Outcome, Reason, failed
from exporters.uptime.probes import probe
from exporters.uptime.probes.limits import Limits
from exporters.uptime.probes.web import LARGEST_BODY
from exporters.uptime.states import Seen
from exporters.uptime.targets import Family, Kind, Question, Rule, Target

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NAME = "web.main.dc.example"
RULE = Rule.model_validate(
    {"kind": "http", "path": "/health", "json": {"database": ["read-write", "none"]}}
)
LOOPBACK: dict[Family, str] = {"ipv4": "127.0.0.1", "ipv6": "::1"}
EXPIRES = NOW + dt.timedelta(days=90)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority that the probes trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


def limits(authority: Authority, connect_s: float = 2, total_s: float = 5) -> Limits:
    """Return limits that a busy machine keeps, unless a test wants to see them exceeded."""
    return Limits(connect_s, total_s, trusting(authority.file))


def target(
    kind: Kind, port: int, family: Family = "ipv4", question: Question | None = None
) -> Target:
    """Return a target on loopback."""
    address = ipaddress.ip_address(LOOPBACK[family])
    return Target("web", "main", "web/https", kind, family, (address,), port, NAME, RULE, question)


def server_side(certificate: Path) -> ssl.SSLContext:
    """Return a server's context with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextlib.asynccontextmanager
async def served(
    handler: Handler, context: ssl.SSLContext | None = None, family: Family = "ipv4"
) -> AsyncIterator[int]:
    """Serve on a free port of loopback."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, EOFError, asyncio.CancelledError, ssl.SSLError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, LOOPBACK[family], 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.sleep(0.01)  # for the loop to close what both sides left


def page(answer: bytes) -> Handler:
    """Return a handler that answers every request like this."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"GET /health HTTP/1.1\r\n")
        assert f"Host: {NAME}".encode() in request
        writer.write(answer)
        await writer.drain()

    return handle


def answered(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    """Return a whole answer of HTTP."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


GOOD = answered(b'{"service": "web", "database": "read-write"}')


def web(
    authority: Authority, handler: Handler, certificate: Path | None = None, **limited: float
) -> Outcome:
    """Return what the probe finds of a web server."""

    async def run() -> Outcome:
        context = server_side(certificate or authority.issue(NAME))
        async with served(handler, context) as port:
            return await probe(target("http", port), limits(authority, **limited))

    return asyncio.run(run())


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_good_page(authority: Authority, family: Family) -> None:
    """The page is good, by either family, and the certificate's expiry is told."""

    async def run() -> Outcome:
        context = server_side(authority.issue(NAME))
        async with served(page(GOOD), context, family) as port:
            return await probe(target("http", port, family), limits(authority))

    found = asyncio.run(run())
    assert found == Outcome(Seen.GOOD, expiry=EXPIRES.timestamp())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answered(b'{"database": "read-only"}'), Reason.CONTENT),
        (answered(b'{"database": ["read-write"]}'), Reason.CONTENT),
        (answered(b"[]"), Reason.CONTENT),
        (answered(b"<html>"), Reason.CONTENT),
        (answered(b"[" * 60_000), Reason.CONTENT),
        (answered(b'{"database": "unreachable"}', "503 Service Unavailable"), Reason.STATUS),
        (answered(b"", "302 Found", "Location: http://198.51.100.1/\r\n"), Reason.REDIRECT),
        (answered(b" " * (LARGEST_BODY + 1)), Reason.TOO_LARGE),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.PROTOCOL),
        (b"", Reason.PROTOCOL),
        (GOOD[:-9], Reason.PROTOCOL),
    ],
)
def test_bad_page(authority: Authority, answer: bytes, reason: Reason) -> None:
    """Whatever else is answered is bad, and says why; redirections are not followed."""
    found = web(authority, page(answer))
    assert (found.seen, found.reason) == (Seen.BAD, reason)


def test_endless_page_is_cut_off(authority: Authority) -> None:
    """A server that never stops is read no further than a page may be long."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    assert web(authority, endless).reason is Reason.TOO_LARGE


def test_slow_drip_ends_with_the_whole_time(authority: Authority) -> None:
    """A byte now and then keeps no probe alive beyond its time."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert web(authority, drip, total_s=0.6).reason is Reason.TIMEOUT


@pytest.mark.parametrize("kind", ["http", "tls", "postgresql"])
def test_expired_certificate_is_bad_and_its_date_told(authority: Authority, kind: Kind) -> None:
    """What expired yesterday says so, although nothing else was said."""
    yesterday = NOW - dt.timedelta(days=1)
    context = server_side(authority.issue(NAME, yesterday))

    async def run() -> Outcome:
        handler = session(b"R\0\0\0\x08\0\0\0\x0a", context) if kind == "postgresql" else page(GOOD)
        async with served(handler, None if kind == "postgresql" else context) as port:
            return await probe(target(kind, port), limits(authority))

    found = asyncio.run(run())
    assert (found.seen, found.reason, found.expiry) == (
        Seen.BAD,
        Reason.CERTIFICATE,
        yesterday.timestamp(),
    )


def test_certificate_of_another_name_is_bad(authority: Authority) -> None:
    """The certificate must be the name's, whatever address is called."""
    found = web(authority, page(GOOD), authority.issue("other.example"))
    assert (found.seen, found.reason) == (Seen.BAD, Reason.CERTIFICATE)


def test_certificate_of_another_authority_is_bad(authority: Authority, tmp_path: Path) -> None:
    """A certificate that nobody vouches for proves nothing."""
    found = web(authority, page(GOOD), Authority(tmp_path).issue(NAME))
    assert (found.seen, found.reason) == (Seen.BAD, Reason.CERTIFICATE)
    assert found.expiry == EXPIRES.timestamp()


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing."""
    await reader.read()


@pytest.mark.parametrize("kind", ["http", "tls", "postgresql"])
def test_who_says_nothing_times_out(authority: Authority, kind: Kind) -> None:
    """A port that accepts and is silent is bad after the whole time."""

    async def run() -> Outcome:
        async with served(silent) as port:
            return await probe(target(kind, port), limits(authority, total_s=0.5))

    assert asyncio.run(run()).reason is Reason.TIMEOUT


@pytest.mark.parametrize("kind", ["http", "tls", "tcp", "postgresql"])
def test_closed_port_is_refused(authority: Authority, kind: Kind) -> None:
    """Nobody listens."""

    async def run() -> Outcome:
        async with served(silent) as port:
            pass
        return await probe(target(kind, port), limits(authority))

    found = asyncio.run(run())
    assert (found.seen, found.reason) == (Seen.BAD, Reason.REFUSED)


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_open_port_is_good(authority: Authority, kind: Kind) -> None:
    """A connection suffices; with TLS, its handshake."""

    async def run() -> Outcome:
        context = server_side(authority.issue(NAME)) if kind == "tls" else None
        async with served(silent, context) as port:
            return await probe(target(kind, port), limits(authority))

    assert asyncio.run(run()).seen is Seen.GOOD


def session(answer: bytes, context: ssl.SSLContext) -> Handler:
    """Return a handler that speaks as a PostgreSQL server does, and ends with this."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == struct.pack("!II", 8, 80877103)
        writer.write(b"S")
        await writer.start_tls(context)
        size, version = struct.unpack("!II", await reader.readexactly(8))
        assert version == 196608
        assert b"user\0" in await reader.readexactly(size - 8)
        writer.write(answer)
        await writer.drain()

    return handle


def fault(state: str) -> bytes:
    """Return the error that PostgreSQL answers with that SQLSTATE."""
    content = f"SFATAL\0VFATAL\0C{state}\0Msorry\0\0".encode()
    return b"E" + struct.pack("!I", len(content) + 4) + content


@pytest.mark.parametrize(
    ("answer", "seen", "reason"),
    [
        (b"R\0\0\0\x08\0\0\0\x0a", Seen.GOOD, None),
        (fault("28000"), Seen.GOOD, None),
        (fault("3D000"), Seen.GOOD, None),
        (fault("57P03"), Seen.BAD, Reason.NOT_READY),
        (fault("53300"), Seen.BAD, Reason.NOT_READY),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Seen.BAD, Reason.PROTOCOL),
        (b"E\x7f\xff\xff\xff", Seen.BAD, Reason.PROTOCOL),
        (b"", Seen.BAD, Reason.PROTOCOL),
    ],
)
def test_postgresql(authority: Authority, answer: bytes, seen: Seen, reason: Reason | None) -> None:
    """Whoever asks for a password takes sessions; who starts up or is full does not."""

    async def run() -> Outcome:
        context = server_side(authority.issue(NAME))
        async with served(session(answer, context)) as port:
            return await probe(target("postgresql", port), limits(authority))

    found = asyncio.run(run())
    assert (found.seen, found.reason) == (seen, reason)


class NameServer(asyncio.DatagramProtocol):
    """A name server by UDP that answers with these records."""

    def __init__(
        self,
        records: list[str],
        *,
        authority: bool = True,
        rcode: dns.rcode.Rcode = dns.rcode.NOERROR,
    ) -> None:
        self.records, self.authority, self.rcode = records, authority, rcode

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go out by."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Answer."""
        answer = dns.message.make_response(dns.message.from_wire(data))
        asked = answer.question[0]
        if self.authority:
            answer.flags |= dns.flags.AA
        answer.set_rcode(self.rcode)
        if self.records:
            answer.answer = [dns.rrset.from_text(asked.name, 60, "IN", asked.rdtype, *self.records)]
        self.transport.sendto(answer.to_wire(), addr)  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def named(server: NameServer) -> AsyncIterator[int]:
    """Let it answer on a free port of loopback."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    yield transport.get_extra_info("sockname")[1]
    transport.close()
    await asyncio.sleep(0.01)


QUESTION = Question(NAME, "A", frozenset({"198.51.100.7", "198.51.100.8"}), "udp")
RIGHT = ["198.51.100.8", "198.51.100.7"]


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (NameServer(RIGHT), None),
        (NameServer(["198.51.100.7"]), Reason.ANSWER),
        (NameServer(["198.51.100.9"]), Reason.ANSWER),
        (NameServer([]), Reason.ANSWER),
        (NameServer([], rcode=dns.rcode.NXDOMAIN), Reason.ANSWER),
        (NameServer(RIGHT, authority=False), Reason.ANSWER),
    ],
)
def test_names(authority: Authority, server: NameServer, reason: Reason | None) -> None:
    """Only the addresses that the outputs give are right, said with authority."""

    async def run() -> Outcome:
        async with named(server) as port:
            return await probe(target("dns", port, question=QUESTION), limits(authority))

    found = asyncio.run(run())
    assert (found.seen, found.reason) == (Seen.BAD if reason else Seen.GOOD, reason)


def test_names_of_a_dead_server_and_a_live_one(authority: Authority) -> None:
    """As for a resolver, it suffices that one of the servers answers."""

    async def run() -> Outcome:
        async with named(NameServer(RIGHT)) as port:
            asked = target("dns", port, question=QUESTION)
            servers = (ipaddress.ip_address("127.0.0.2"), *asked.addresses)
            return await probe(
                dataclasses.replace(asked, addresses=servers), limits(authority, total_s=1)
            )

    assert asyncio.run(run()).seen is Seen.GOOD


def test_errors_of_the_observers_own_system_accuse_nobody() -> None:
    """No route, no descriptor, no address: the target may be good."""
    for number in (errno.ENETUNREACH, errno.EMFILE, errno.EADDRNOTAVAIL):
        assert failed(OSError(number, "x")).seen is Seen.UNKNOWN
    assert failed(ValueError("a mistake")).seen is Seen.UNKNOWN
    assert failed(OSError(errno.EHOSTUNREACH, "x")).reason is Reason.UNREACHABLE
    group = BaseExceptionGroup("several", [ConnectionRefusedError(errno.ECONNREFUSED, "x")])
    assert failed(group).reason is Reason.REFUSED
