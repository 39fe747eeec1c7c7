"""Addresses are computed from fixed numbers."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_city import backup, city, main, service, small_city

from catalogue import addresses
from catalogue.addresses import Pair, Prefixes
from catalogue.errors import BadInputError

SHOP = small_city().services["shop"]


def test_network_lies_at_the_number_of_service_and_part() -> None:
    """Part 8 of service 1 is network 24: the 25th /26 and the 25th /64."""
    found = addresses.network(main(), SHOP, 8)
    assert found.ipv4 == IPv4Network("10.1.6.0/26")
    assert found.ipv6 == IPv6Network("2001:db8:1:18::/64")


def test_gateway_balancer_and_servers_have_fixed_places() -> None:
    """The router is first, the balancer fifth, servers begin at 16."""
    found = addresses.network(main(), SHOP, 0)
    assert found.gateway == Pair(IPv4Address("10.1.4.1"), IPv6Address("2001:db8:1:10::1"))
    assert found.balancer == Pair(IPv4Address("10.1.4.5"), IPv6Address("2001:db8:1:10::5"))
    assert found.server(0) == Pair(IPv4Address("10.1.4.16"), IPv6Address("2001:db8:1:10::10"))
    assert found.server(1) == Pair(IPv4Address("10.1.4.17"), IPv6Address("2001:db8:1:10::11"))


@given(number=st.integers(1, 62), part=st.integers(0, 15))
def test_no_two_networks_overlap(number: int, part: int) -> None:
    """Every part of every service has its own prefixes, inside the service's block and the site."""
    site, here = main(), service("x1", number, "trade", "active")
    found, block = addresses.network(site, here, part), addresses.block(site, here)
    after = addresses.network(site, service("y1", number + 1, "trade", "active"), part)
    assert found.ipv4.subnet_of(block.ipv4)
    assert found.ipv6.subnet_of(block.ipv6)
    assert block.ipv4.subnet_of(site.ipv4)
    assert block.ipv6.subnet_of(site.ipv6)
    assert not block.ipv4.overlaps(after.ipv4)
    assert not block.ipv6.overlaps(after.ipv6)


@pytest.mark.parametrize("length", [20, 24, 26, 28])
def test_the_clouds_own_addresses_are_away_from_the_planned(length: int) -> None:
    """What the cloud gives out by itself is never a server's, a balancer's or the gateway's."""
    found = addresses.network(main(ipv4_prefix=length, ipv4="10.0.0.0/8"), SHOP, 0)
    planned = [found.gateway, found.balancer]
    planned += [found.server(index) for index in range(found.capacity)]
    assert all(one.ipv4 < found.pool.ipv4[0] <= found.pool.ipv4[1] for one in planned)
    assert all(one.ipv6 < found.pool.ipv6[0] <= found.pool.ipv6[1] for one in planned)
    assert found.pool.ipv4[1] in found.ipv4
    assert found.pool.ipv6[1] in found.ipv6


def test_a_server_too_many_is_refused() -> None:
    """A /26 holds 32 servers; the message says so."""
    with pytest.raises(BadInputError, match="no address for server 33") as caught:
        addresses.network(main(), SHOP, 0).server(32)
    assert "holds 32 servers" in caught.value.why


@pytest.mark.parametrize(
    ("more", "family"), [({"ipv4": "10.1.0.0/20"}, "ipv4"), ({"ipv6": "2001:db8:1::/56"}, "ipv6")]
)
def test_a_service_beyond_the_range_is_refused(more: dict[str, str], family: str) -> None:
    """The message names site, family and service."""
    far = service("far", 16, "trade", "active")
    with pytest.raises(BadInputError, match=f"site main has no {family} block for far"):
        addresses.network(main(**more), far, 0)


def test_routers_have_their_places_on_the_link() -> None:
    """Site 2, agency 1: 10.254.2.1 and fd58::2:1."""
    trade = city().agencies[0]
    found = addresses.link_address(backup(), trade)
    assert found == Pair(IPv4Address("10.254.2.1"), IPv6Address("fd58::2:1"))


def test_a_site_without_link_joins_its_routers_in_block_0() -> None:
    """No service has number 0."""
    alone = main(link=None)
    assert addresses.link(alone) == Prefixes(
        IPv4Network("10.1.0.0/22"), IPv6Network("2001:db8:1::/64")
    )
    found = addresses.link_address(alone, city().agencies[1])
    assert found == Pair(IPv4Address("10.1.0.2"), IPv6Address("2001:db8:1::2"))


def test_a_narrow_link_is_refused() -> None:
    """A /24 has no room for site 2."""
    link = main().link
    assert link
    narrow = backup(link={**link.model_dump(), "ipv4": "10.254.0.0/24"})
    with pytest.raises(BadInputError, match="no address for trade at site backup"):
        addresses.link_address(narrow, city().agencies[0])


def test_the_clouds_own_addresses_on_the_link_are_no_routers() -> None:
    """Sites plan for themselves on the shared link: their pools differ, and hold no router."""
    first, second = addresses.link_pool(main()), addresses.link_pool(backup())
    assert first.ipv4[1] < second.ipv4[0]
    assert first.ipv6[1] < second.ipv6[0]
    last = city().agencies[0].model_copy(update={"number": 250})
    assert addresses.link_address(main(), last).ipv4 < first.ipv4[0]
    assert addresses.link_address(main(), last).ipv6 < first.ipv6[0]


def test_joined_prefixes_hold_exactly_the_same_addresses() -> None:
    """Neighbours join in both families alike, strangers stay."""
    nets = [addresses.network(main(), SHOP, part) for part in (0, 1, 8)]
    found = addresses.joined(nets)
    assert [str(one.ipv4) for one in found] == ["10.1.4.0/25", "10.1.6.0/26"]
    assert [str(one.ipv6) for one in found] == ["2001:db8:1:10::/63", "2001:db8:1:18::/64"]
    assert ip_network("10.1.4.0/25").num_addresses == 2 * 64
