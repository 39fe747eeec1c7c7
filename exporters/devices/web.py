"""HTTP as devices need it: nothing is followed, unpacked, or read beyond a limit."""

import ssl
from typing import Any

import httpx

from exporters.devices.client import DeviceError, Reason

_REDIRECTS = range(300, 400)
_DENIED = {401, 403}
_ERRORS = 400
_CLOSED = ("disconnected", "peer closed")
"""How httpcore says that a connection ended too early."""


def url(scheme: str, host: str, port: int) -> str:
    """Return the address of a device's web server."""
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{port}"


def client(address: str, trusted: ssl.SSLContext, timeout: float) -> httpx.AsyncClient:
    """Return a client of one connection to a device; no proxy is asked and no redirect followed."""
    return httpx.AsyncClient(
        base_url=address,
        verify=trusted,
        headers={"Accept-Encoding": "identity", "User-Agent": "citydc"},
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
    )


async def exchange(
    session: httpx.AsyncClient, method: str, path: str, largest: int, **more: Any
) -> tuple[httpx.Response, bytes]:
    """
    Return the answer to a request and its body.

    Raise DeviceError if it is an error, leads elsewhere, is packed or larger than `largest` bytes.
    """
    try:
        async with session.stream(method, path, **more) as response:
            _judge(response, path)
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > largest:
                    detail = f"more than {largest >> 10} KiB at {path}"
                    raise DeviceError(Reason.TOO_LARGE, detail)
    except httpx.TimeoutException:
        raise DeviceError(Reason.TIMEOUT, f"no answer at {path}") from None
    except httpx.ConnectError as error:
        raise _unconnected(error) from None
    except httpx.NetworkError:
        raise DeviceError(Reason.REFUSED, "it closed the connection") from None
    except httpx.RemoteProtocolError as error:
        if any(words in str(error) for words in _CLOSED):
            raise DeviceError(Reason.REFUSED, "it closed the connection") from None
        raise DeviceError(Reason.PROTOCOL, f"no HTTP at {path}") from None
    return response, bytes(body)


def _judge(response: httpx.Response, path: str) -> None:
    status = response.status_code
    if status in _REDIRECTS:
        raise DeviceError(Reason.REDIRECT, f"{path} leads elsewhere (HTTP {status})")
    if status in _DENIED:
        raise DeviceError(Reason.AUTHENTICATION, f"HTTP {status} at {path}")
    if status >= _ERRORS:
        raise DeviceError(Reason.PROTOCOL, f"HTTP {status} at {path}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise DeviceError(Reason.PROTOCOL, f"packed, though not asked for, at {path}")


def _unconnected(error: httpx.ConnectError) -> DeviceError:
    """Tell a certificate that is not trusted from a host that takes no connection."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return DeviceError(Reason.CERTIFICATE, cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return DeviceError(Reason.PROTOCOL, "no TLS")
        cause = cause.__cause__ or cause.__context__
    return DeviceError(Reason.REFUSED, "it takes no connection")
