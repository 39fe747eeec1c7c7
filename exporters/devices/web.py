"""HTTP as devices need it: nothing is followed, unpacked, or read beyond a limit."""

import ssl
from typing import Any

import httpx

from exporters.devices.client import DeviceError, Reason
from exporters.devices.credentials import Credentials, trust

_REDIRECTS = range(300, 400)
_DENIED = {401, 403}
_ERRORS = 400


def client(
    scheme: str, host: str, port: int, credentials: Credentials | None, timeout: float
) -> httpx.AsyncClient:
    """Return a client of one connection to a device; no proxy is asked and no redirect followed."""
    name = f"[{host}]" if ":" in host else host
    return httpx.AsyncClient(
        base_url=f"{scheme}://{name}:{port}",
        verify=trust(credentials.ca if credentials else None),
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
    except httpx.RemoteProtocolError:
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
