"""
PostgreSQL: the server must take sessions.

By the protocol's own messages, as libpq's PQping does (PostgreSQL 15, 55.2.1 and 55.7): client
libraries get this far only with an account, and a probe needs none.  The server asks for a
password, or says that it knows nobody of that name: either way it takes sessions.
"""

import asyncio
import struct

from exporters.uptime.outcome import Outcome, ProbeError, Reason
from exporters.uptime.probes import tcp
from exporters.uptime.probes.limits import Limits
from exporters.uptime.states import Seen
from exporters.uptime.targets import Target

SSL_REQUEST = struct.pack("!II", 8, 80877103)
PROTOCOL = 196608  # 3.0
USER = b"citydc_probe"
LONGEST_ERROR = 8192
WELL = ("28", "3D")
"""Classes of errors that a server in good order gives to who has no account or database."""


async def takes_sessions(target: Target, limits: Limits) -> Outcome:
    """Begin a session, by TLS, and leave before the password."""
    async with tcp.connection(target, limits) as stream:
        expiry = await tcp.secured(stream, target, limits, _ask_for_tls)
        reader, writer = stream
        writer.write(_start_up())
        fault = await _fault(reader)
        if fault and not fault.startswith(WELL):
            raise ProbeError(Reason.NOT_READY, f"SQLSTATE {fault}", expiry)
        return Outcome(Seen.GOOD, expiry=expiry)


async def _ask_for_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(SSL_REQUEST)
    if await reader.readexactly(1) != b"S":
        raise ProbeError(Reason.PROTOCOL, "offers no TLS")


def _start_up() -> bytes:
    content = struct.pack("!I", PROTOCOL) + b"user\0" + USER + b"\0database\0postgres\0\0"
    return struct.pack("!I", 4 + len(content)) + content


async def _fault(reader: asyncio.StreamReader) -> str:
    """Return the SQLSTATE of the error that is answered, or "" if a password is asked for."""
    kind, size = struct.unpack("!cI", await reader.readexactly(5))
    if kind == b"R":
        return ""
    if kind != b"E" or size > LONGEST_ERROR:
        raise ProbeError(Reason.PROTOCOL, "does not answer as PostgreSQL does")
    content = await reader.readexactly(size - 4)
    fields = {field[:1]: field[1:] for field in content.split(b"\0")}
    return fields.get(b"C", b"?").decode("ascii", "replace")
