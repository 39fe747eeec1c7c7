"""
What a site's HAProxy is told: one process spreads what comes to all load balancers.

Each balancer is in a network namespace of its own, where HAProxy listens and from where it calls
the members.  Balancers, pools and the rest are octavia's data models.
"""

import csv
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BALANCE = {"ROUND_ROBIN": "roundrobin", "LEAST_CONNECTIONS": "leastconn", "SOURCE_IP": "source"}
PROTOCOLS = {"TCP", "HTTPS"}  # passed on as they are
GONE = {"PENDING_DELETE", "DELETED"}
ONLINE, DEGRADED, ERROR = "ONLINE", "DEGRADED", "ERROR"


@dataclasses.dataclass(frozen=True)
class Files:
    """Where its socket is, and what it knew of members before it was started anew."""

    socket: Path
    states: Path


def is_spread(kind: str, thing: Any) -> bool:
    """Say whether a thing of octavia's, of a kind as its drivers name them, is one of these."""
    match kind:
        case "listeners":
            return thing.protocol in PROTOCOLS
        case "pools":
            return (
                thing.protocol in PROTOCOLS
                and thing.lb_algorithm in BALANCE
                and not thing.session_persistence
            )
        case "healthmonitors":
            return bool(thing.type == "TCP")
        case "l7policies" | "l7rules":
            return False
    return True


def text(balancers: Mapping[str, Any], files: Files) -> str:
    """Give its configuration for the balancers, which are by their namespaces."""
    lines = [
        "global",
        "  nbthread 1",
        "  maxconn 5000",
        f"  stats socket {files.socket} mode 600 level user",
        f"  server-state-file {files.states}",
        "  hard-stop-after 300s",
        "defaults",
        "  mode tcp",
        "  retries 3",
        "  option redispatch",
        "  load-server-state-from-file global",
        "  timeout connect 5s",
        "  timeout client 50s",
        "  timeout server 50s",
    ]
    for space, balancer in balancers.items():
        for pool in pools(balancer):
            lines += _backend(space, pool)
        for listener in _there("listeners", balancer.listeners if balancer.enabled else ()):
            lines += _frontend(space, balancer, listener)
    return "\n".join(lines) + "\n"


def pools(balancer: Any) -> list[Any]:
    """Give the balancer's pools that are spread over."""
    return _there("pools", balancer.pools)


def heard(balancer: Any) -> list[Any]:
    """Give each listener's port and whom it hears."""
    return [
        (one.protocol, one.protocol_port, sorted(cidr.cidr for cidr in one.allowed_cidrs))
        for one in balancer.listeners
        if one.provisioning_status not in GONE
    ]


def _there(kind: str, things: Iterable[Any]) -> list[Any]:
    return [
        one
        for one in things
        if one.enabled and one.provisioning_status not in GONE and is_spread(kind, one)
    ]


def _frontend(space: str, balancer: Any, listener: Any) -> list[str]:
    addresses = [balancer.vip, *balancer.additional_vips]
    pool = listener.default_pool
    return [
        f"frontend {listener.id}",
        *(
            f"  bind {_address(one.ip_address)}:{listener.protocol_port} namespace {space}"
            for one in addresses
        ),
        *([f"  maxconn {listener.connection_limit}"] if listener.connection_limit > 0 else ()),
        f"  timeout client {listener.timeout_client_data}ms",
        *([f"  default_backend {pool.id}"] if pool and _there("pools", [pool]) else ()),
    ]


def _backend(space: str, pool: Any) -> list[str]:
    monitor = pool.health_monitor
    monitors = _there("healthmonitors", [monitor] if monitor else [])
    listeners = [one for one in pool.listeners if one.provisioning_status not in GONE]
    return [
        f"backend {pool.id}",
        f"  balance {BALANCE[pool.lb_algorithm]}",
        *(f"  timeout connect {one.timeout_member_connect}ms" for one in listeners[:1]),
        *(f"  timeout server {one.timeout_member_data}ms" for one in listeners[:1]),
        *(f"  timeout check {one.timeout}s" for one in monitors),
        *(
            " ".join(["  server", *_server(space, one, monitors)])
            for one in _there("members", pool.members)
        ),
    ]


def _server(space: str, member: Any, monitors: list[Any]) -> Iterable[str]:
    yield member.id
    yield f"{_address(member.ip_address)}:{member.protocol_port}"
    yield f"namespace {space} weight {member.weight}"
    if member.backup:
        yield "backup"
    for one in monitors:
        yield f"check inter {one.delay}s fall {one.fall_threshold} rise {one.rise_threshold}"
        if member.monitor_address:
            yield f"addr {member.monitor_address}"
        if member.monitor_port:
            yield f"port {member.monitor_port}"


def _address(text: str) -> str:
    return f"ipv6@{text}" if ":" in text else f"ipv4@{text}"


def statuses(balancers: Iterable[Any], stats: str) -> dict[str, dict[str, str]]:
    """
    Give the operating statuses by kind and id, from the answer to "show stat".

    A member is ONLINE, ERROR (down) or NO_MONITOR; a pool ERROR without any that is not down, and
    DEGRADED if some are; a balancer is as bad as its pools.
    """
    table = csv.DictReader(stats.splitlines())
    rows = {(row["# pxname"], row["svname"]): row["status"] for row in table}
    found: dict[str, dict[str, str]] = {"members": {}, "pools": {}, "loadbalancers": {}}
    for balancer in balancers:
        worst = {ONLINE}
        for pool in pools(balancer):
            members = {
                one.id: _status(rows[pool.id, one.id])
                for one in pool.members
                if (pool.id, one.id) in rows
            }
            found["members"] |= members
            found["pools"][pool.id] = _of_pool(set(members.values()))
            worst.add(found["pools"][pool.id])
        found["loadbalancers"][balancer.id] = next(
            one for one in (ERROR, DEGRADED, ONLINE) if one in worst
        )
    return found


def _status(said: str) -> str:
    if said.startswith("DOWN"):
        return ERROR
    return "NO_MONITOR" if said == "no check" else ONLINE


def _of_pool(members: set[str]) -> str:
    if ERROR not in members:
        return ONLINE
    return ERROR if members == {ERROR} else DEGRADED
