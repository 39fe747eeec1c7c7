"""What HAProxy is told of octavia's load balancers, and what its answer means."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.openstack import haproxy

FILES = haproxy.Files(Path("/run/a.sock"), Path("/run/a.states"))
THERE = {"enabled": True, "provisioning_status": "ACTIVE"}


def balancer(*members: Any, **of_pool: Any) -> Any:
    """Return a balancer with one listener, whose pool has the members and a monitor."""
    monitor = SimpleNamespace(
        **THERE, type="TCP", delay=5, timeout=3, fall_threshold=3, rise_threshold=2
    )
    pool = SimpleNamespace(
        **THERE,
        id="pool",
        protocol="TCP",
        lb_algorithm="SOURCE_IP",
        session_persistence=None,
        health_monitor=of_pool.get("health_monitor", monitor),
        members=members,
        listeners=[],
    )
    listener = SimpleNamespace(
        **THERE,
        id="listener",
        protocol="HTTPS",
        protocol_port=443,
        connection_limit=-1,
        timeout_client_data=50000,
        default_pool=pool,
    )
    return SimpleNamespace(
        **THERE,
        id="balancer",
        vip=SimpleNamespace(ip_address="10.0.0.5"),
        additional_vips=[SimpleNamespace(ip_address="fd09::5")],
        listeners=[listener],
        pools=[pool],
    )


def member(id_: str, address: str, **more: Any) -> Any:
    """Return a member on port 8443."""
    others = {"backup": False, "monitor_address": None, "monitor_port": None, "weight": 1}
    return SimpleNamespace(
        **(THERE | {"id": id_, "ip_address": address, "protocol_port": 8443} | others | more)
    )


def lines(*things: Any, **more: Any) -> list[str]:
    """Return the configuration's lines for a balancer with these members, in namespace "space"."""
    text = haproxy.text({"space": balancer(*things, **more)}, FILES)
    return [line.strip() for line in text.splitlines()]


def test_listener_hears_all_addresses_in_its_namespace() -> None:
    """An additional address is listened on as well, and both lead to the pool."""
    found = lines()
    assert "bind ipv4@10.0.0.5:443 namespace space" in found
    assert "bind ipv6@fd09::5:443 namespace space" in found
    assert "default_backend pool" in found
    assert "balance source" in found


def test_members_are_checked_as_their_monitor_says() -> None:
    """Those that are disabled or being deleted are left out."""
    found = lines(
        member("a", "10.0.0.10", backup=True),
        member("b", "fd09::10", weight=0, monitor_address="fd09::11", monitor_port=80),
        member("c", "10.0.0.12", enabled=False),
        member("d", "10.0.0.13", provisioning_status="PENDING_DELETE"),
    )
    assert "timeout check 3s" in found
    check = "check inter 5s fall 3 rise 2"
    assert [line for line in found if line.startswith("server ")] == [
        f"server a ipv4@10.0.0.10:8443 namespace space weight 1 backup {check}",
        f"server b ipv6@fd09::10:8443 namespace space weight 0 {check} addr fd09::11 port 80",
    ]


def test_members_without_a_monitor_are_not_checked() -> None:
    """They are called as they are."""
    assert not [
        line for line in lines(member("a", "10.0.0.10"), health_monitor=None) if "check" in line
    ]


@pytest.mark.parametrize(
    ("kind", "thing", "spread"),
    [
        ("listeners", {"protocol": "TCP"}, True),
        ("listeners", {"protocol": "UDP"}, False),
        ("healthmonitors", {"type": "PING"}, False),
        ("l7policies", {}, False),
        ("members", {}, True),
    ],
)
def test_what_can_not_be_done_is_known(kind: str, thing: Any, *, spread: bool) -> None:
    """TCP is spread with TCP's health monitors; nothing else is."""
    assert haproxy.is_spread(kind, SimpleNamespace(**thing)) is spread


@pytest.mark.parametrize(
    ("said", "members", "pool"),
    [
        (("UP", "UP 1/3"), ("ONLINE", "ONLINE"), "ONLINE"),
        (("UP", "DOWN"), ("ONLINE", "ERROR"), "DEGRADED"),
        (("DOWN 1/2", "DOWN"), ("ERROR", "ERROR"), "ERROR"),
        (("no check", "no check"), ("NO_MONITOR", "NO_MONITOR"), "ONLINE"),
    ],
)
def test_statuses_are_those_of_octavia(
    said: tuple[str, ...], members: tuple[str, ...], pool: str
) -> None:
    """A pool is as its members, a balancer as its pools."""
    made = balancer(member("a", "10.0.0.10"), member("b", "10.0.0.11"))
    rows = [f"pool,{name},{status}" for name, status in zip("ab", said, strict=True)]
    found = haproxy.statuses([made], "\n".join(["# pxname,svname,status", *rows, ""]))
    assert tuple(found["members"].values()) == members
    assert found["pools"] == {"pool": pool}
    assert found["loadbalancers"] == {"balancer": pool}
