"""ICMP: the host must answer an echo request."""

import os

import icmplib

from exporters.uptime.outcome import Outcome, ProbeError, Reason
from exporters.uptime.probes.limits import Limits
from exporters.uptime.states import Seen
from exporters.uptime.targets import Target

UNPRIVILEGED_REMEDY = "let the exporter's group ping: net.ipv4.ping_group_range"


async def echoes(target: Target, limits: Limits) -> Outcome:
    """Send an echo request; who is not root needs the kernel's leave for that."""
    try:
        host = await icmplib.async_ping(
            str(target.addresses[0]),
            count=1,
            timeout=limits.connect_s,
            privileged=os.geteuid() == 0,
        )
    except icmplib.ICMPLibError as error:
        return Outcome(Seen.UNKNOWN, Reason.OBSERVER, f"{error}; {UNPRIVILEGED_REMEDY}")
    if not host.packets_sent:
        return Outcome(Seen.UNKNOWN, Reason.OBSERVER, "the request could not be sent")
    if not host.is_alive:
        raise ProbeError(Reason.TIMEOUT, "did not answer the echo request")
    return Outcome(Seen.GOOD)
