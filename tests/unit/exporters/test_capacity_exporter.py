"""Whether a takeover would fit, by hand-made figures and by properties."""

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_city import backup, main, small_city

from catalogue.errors import OutsideError
from catalogue.model import Catalogue, Profile
from exporters.capacity import failover, peaks
from exporters.capacity.amounts import MIB, Amount, Room

NODE = {"count": 2, "vcpus": 50, "ram_gib": 64, "idle_w": 100, "max_w": 600}
RACKS = [{"id": "a1", "zone": "az1", "power_w": 2000, "cooling_w": 1500, "nodes": [NODE]}]
METERS = [
    {"id": f"pdu-{feed}", "place": "pdu-output", "accuracy_class": "1", "rack": "a1"}
    for feed in "ab"
] + [
    {
        "id": "server-1",
        "place": "it-input",
        "accuracy_class": "1",
        "rack": "a1",
        "parent": "pdu-a",
        "second_parent": "pdu-b",
    }
]
ROOMS = st.lists(st.builds(Room, st.integers(0, 8), st.integers(0, 8), st.just(0)), max_size=6)


@pytest.fixture(scope="module")
def city() -> Catalogue:
    """Give the small city, whose backup site has a rack with two feeds."""
    return small_city(sites=[main(), backup(racks=RACKS, meters=METERS)])


def test_only_what_must_run_on_and_does_not_run_yet_is_started(city: Catalogue) -> None:
    """Desk is a warm standby with half of its 4 and 3 servers there; shop and ops run already."""
    servers = failover.to_start(city, city.sites["backup"], Profile.PRODUCTION)
    assert servers == [Room(2, 4096)] * 3


def test_headroom() -> None:
    """A share of the limit; below 0 the takeover would not fit."""
    assert failover.headroom(100, 60, 30) == pytest.approx(0.1)
    assert failover.headroom(100, 60, 50) == pytest.approx(-0.1)
    assert failover.headroom(0, 0, 0) is None
    assert failover.headroom(0, 0, 1) == -1


def test_room_in_all_is_not_room_on_a_node() -> None:
    """Ten free threads on each of three nodes hold no server of twelve."""
    assert failover.unplaced([Room(12, 1)], [Room(10, 100)] * 3) == 1
    assert failover.unplaced([Room(5, 1)] * 7, [Room(10, 100)] * 3) == 1
    assert failover.unplaced([Room(4, 1, 1)], [Room(10, 100), Room(4, 1, 1)]) == 0


@given(ROOMS, ROOMS)
def test_placing_never_promises_too_much(servers: list[Room], free: list[Room]) -> None:
    """What is placed fits in all, and more room never places fewer."""
    lost = failover.unplaced(servers, free)
    assert 0 <= lost <= len(servers)
    if lost == 0:
        assert sum(free, Room()).holds(sum(servers, Room()))
    assert failover.unplaced(servers, [*free, *servers]) <= lost


def test_ratios_of_what_was_measured(city: Catalogue) -> None:
    """Power and heat count the measured peak and what the servers add by the nodes' range."""
    site, servers = city.sites["backup"], [Room(10, 1024)]
    amounts = [
        Amount("vcpus", "site", "", 40, 100),
        Amount("memory", "site", "", 0, 4096 * MIB),
        Amount("vcpus", "agency", "trade", 1, 1),
        Amount("power", "rack", "a1", 1500, 2000),
        Amount("heat", "rack", "a1", 1500, 1500),
    ]
    found = failover.ratios(site, amounts, servers)
    assert found["vcpus"] == pytest.approx(0.5)
    assert found["memory"] == pytest.approx(0.75)
    assert found["power"] == pytest.approx((2000 - 1500 - 10 * 1000 / 100) / 2000)
    assert found["heat"] == pytest.approx(-10 * 1000 / 100 / 1500)
    assert "gpus" not in found
    unmeasured = [Amount("power", "rack", "a1", None, 2000)]
    assert failover.ratios(site, unmeasured, servers) == {}


def answering(*answers: httpx.Response) -> httpx.AsyncClient:
    """Return a client of a Prometheus that gives these answers."""
    left = list(answers)
    return httpx.AsyncClient(
        base_url="http://prometheus.example",
        transport=httpx.MockTransport(lambda _: left.pop(0)),
    )


def test_peak_is_of_both_feeds_together(city: Catalogue) -> None:
    """One query a rack, for the sum of its feeds, not of what hangs below them as well."""
    site = city.sites["backup"]
    text = peaks.query(site, site.racks[0])
    feeds = 'citydc_power_watts{site="backup",node=~"pdu-a|pdu-b"}'
    assert text == f"max_over_time(sum(max by (node) ({feeds}))[30d:5m])"
    said = {"data": {"result": [{"value": [1, "1234.5"]}]}}
    found = asyncio.run(peaks.measured(answering(httpx.Response(200, json=said)), site))
    assert peaks.racks(site, found) == [
        Amount("power", "rack", "a1", 1234.5, 2000),
        Amount("heat", "rack", "a1", 1234.5, 1500),
    ]
    nothing = httpx.Response(200, json={"data": {"result": []}})
    assert asyncio.run(peaks.measured(answering(nothing), site)) == {"a1": None}
    assert [one.used for one in peaks.racks(site, {})] == [None, None]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"data": {"result": [{"value": [1, "many"]}]}}),
    ],
)
def test_a_prometheus_that_is_none(city: Catalogue, answer: httpx.Response) -> None:
    """Whatever else answers is said so."""
    with pytest.raises(OutsideError, match="peaks cannot be had"):
        asyncio.run(peaks.measured(answering(answer), city.sites["backup"]))
