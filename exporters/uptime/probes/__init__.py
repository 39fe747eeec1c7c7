"""How a target is probed."""

import asyncio
from collections.abc import Awaitable, Callable

from exporters.uptime.outcome import Outcome, failed
from exporters.uptime.probes import names, ping, postgresql, tcp, web
from exporters.uptime.probes.limits import Limits
from exporters.uptime.targets import Kind, Target

PROBES: dict[Kind, Callable[[Target, Limits], Awaitable[Outcome]]] = {
    "http": web.answers,
    "tls": tcp.greets,
    "tcp": tcp.connects,
    "dns": names.answers,
    "postgresql": postgresql.takes_sessions,
    "icmp": ping.echoes,
}


async def probe(target: Target, limits: Limits) -> Outcome:
    """Probe the target once; take no longer than `limits.total_s`, and raise nothing."""
    try:
        async with asyncio.timeout(limits.total_s):
            return await PROBES[target.kind](target, limits)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong says something, or is unknown
        return failed(error)
