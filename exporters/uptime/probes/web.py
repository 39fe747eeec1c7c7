"""HTTPS: the page must be what it should be."""

import json

import httpx

from exporters.uptime.outcome import Outcome, ProbeError, Reason, failed
from exporters.uptime.probes import tcp
from exporters.uptime.probes.limits import Limits
from exporters.uptime.states import Seen
from exporters.uptime.targets import Rule, Target

LARGEST_BODY = 64 * 1024


async def answers(target: Target, limits: Limits) -> Outcome:
    """Ask for the rule's page, at the target's address whatever its name leads to."""
    rule = target.rule
    if rule is None:
        raise TypeError(f"{target.id} has no rule")
    address = target.addresses[0]
    host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
    # Cancelled in a TLS handshake, httpcore leaves the socket open; ended by this it does not.
    connect_s = min(limits.connect_s, limits.total_s / 3)
    try:
        async with (
            httpx.AsyncClient(
                verify=limits.context,
                timeout=httpx.Timeout(limits.total_s, connect=connect_s),
                trust_env=False,
            ) as client,
            client.stream(
                "GET",
                f"https://{host}:{target.port}{rule.path}",
                headers={"Host": target.server_name, "Accept-Encoding": "identity"},
                extensions={"sni_hostname": target.server_name},
            ) as response,
        ):
            stream = response.extensions["network_stream"]
            expiry = tcp.expiry(stream.get_extra_info("ssl_object"))
            try:
                await _judge(rule, response)
            except ProbeError as error:
                raise ProbeError(error.reason, error.detail, expiry) from None
            return Outcome(Seen.GOOD, expiry=expiry)
    except httpx.TimeoutException as error:
        raise TimeoutError from error
    except httpx.RequestError as error:
        found = failed(error)
        if found.reason is Reason.CERTIFICATE:
            expiry = await tcp.expiry_of_bad(target, limits)
            raise ProbeError(Reason.CERTIFICATE, found.detail, expiry) from None
        if found.reason is Reason.OBSERVER and isinstance(error, httpx.ProtocolError):
            raise ProbeError(Reason.PROTOCOL, str(error)) from None
        raise


async def _judge(rule: Rule, response: httpx.Response) -> None:
    """Raise ProbeError if the answer is not what the rule wants."""
    if response.is_redirect and response.status_code not in rule.status:
        raise ProbeError(Reason.REDIRECT, f"{response.status_code}, which is not followed")
    if response.status_code not in rule.status:
        raise ProbeError(Reason.STATUS, f"status {response.status_code}")
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > LARGEST_BODY:
            raise ProbeError(Reason.TOO_LARGE, f"more than {LARGEST_BODY} bytes")
    if not rule.content:
        return
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ProbeError(Reason.CONTENT, "the content is no JSON") from None
    for name, wanted in rule.content.items():
        value = found.get(name) if isinstance(found, dict) else None
        if value not in wanted:
            raise ProbeError(Reason.CONTENT, f"{name} is {str(value)[:40]!r}")
