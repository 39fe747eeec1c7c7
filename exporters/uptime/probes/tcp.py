"""TCP: the port must accept connections; with TLS, its certificate must be good."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from cryptography import x509

from exporters.uptime.outcome import Outcome, ProbeError, Reason
from exporters.uptime.probes.limits import Limits
from exporters.uptime.states import Seen
from exporters.uptime.targets import Target

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Before = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What is said before TLS begins."""


async def connects(target: Target, limits: Limits) -> Outcome:
    """Connect."""
    async with connection(target, limits):
        return Outcome(Seen.GOOD)


async def greets(target: Target, limits: Limits) -> Outcome:
    """Connect, and shake hands by TLS."""
    async with connection(target, limits) as stream:
        return Outcome(Seen.GOOD, expiry=await secured(stream, target, limits))


@contextlib.asynccontextmanager
async def connection(target: Target, limits: Limits) -> AsyncIterator[Stream]:
    """Give a connection to the target."""
    try:
        async with asyncio.timeout(limits.connect_s):
            address, port = str(target.addresses[0]), target.port
            reader, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        raise ProbeError(Reason.TIMEOUT, "did not answer the connection") from None
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)  # for the loop to close it


async def at_once(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Say nothing before TLS begins."""


async def secured(
    stream: Stream, target: Target, limits: Limits, before: Before = at_once
) -> float | None:
    """
    Turn the connection into one by TLS, and return when the certificate expires.

    Raise ProbeError, with its expiry, if it is not good.
    """
    reader, writer = stream
    await before(reader, writer)
    try:
        await writer.start_tls(limits.context, server_hostname=target.server_name)
    except ssl.SSLCertVerificationError as error:
        shown = await expiry_of_bad(target, limits, before)
        raise ProbeError(Reason.CERTIFICATE, error.verify_message, shown) from None
    return expiry(writer.get_extra_info("ssl_object"))


def expiry(shown: ssl.SSLObject) -> float | None:
    """Return when the certificate that a server showed expires, s since 1970 UTC."""
    encoded = shown.getpeercert(binary_form=True)
    return (
        x509.load_der_x509_certificate(encoded).not_valid_after_utc.timestamp() if encoded else None
    )


async def expiry_of_bad(target: Target, limits: Limits, before: Before = at_once) -> float | None:
    """Return when a certificate that is not trusted expires, or None if it is not shown again."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with connection(target, limits) as (reader, writer):
            await before(reader, writer)
            await writer.start_tls(context, server_hostname=target.server_name)
            return expiry(writer.get_extra_info("ssl_object"))
    except (OSError, ProbeError):
        return None
