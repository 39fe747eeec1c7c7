"""Sets of addresses and ports."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.prefixes import NOTHING, Ranges, everything, is_internet, prefix_set, shown

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair)))
)


@pytest.mark.parametrize(
    ("prefixes", "version"),
    [
        (["::/1", "8000::/1"], 6),
        (["0::0/0"], 6),
        (["0.0.0.0/1", "128.0.0.0/1"], 4),
        (["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/1"], 4),
        (["198.51.100.7/0"], 4),
    ],
)
def test_halves_are_the_whole(prefixes: list[str], version: int) -> None:
    """However it is cut, everything is everything."""
    assert prefix_set(prefixes, version) == everything(version)


@pytest.mark.parametrize(
    ("prefixes", "version", "internet"),
    [
        (["2000::/3"], 6, True),
        (["2400::/12"], 6, True),
        (["::/3"], 6, False),
        (["2001:db8::/32", "fc00::/7", "fe80::/10"], 6, False),
        (["0.0.0.0/1"], 4, True),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], 4, False),
        (["203.0.112.0/20"], 4, False),
        ([f"{first}.0.0.0/8" for first in range(20, 30)], 4, True),
    ],
)
def test_the_internet_is_more_than_a_party_can_own(
    prefixes: list[str], version: int, *, internet: bool
) -> None:
    """Private addresses do not count, however many."""
    assert is_internet(prefix_set(prefixes, version), version) is internet


def test_an_address_alone_and_host_bits_are_taken_as_neutron_takes_them() -> None:
    """An address is itself; 10.0.0.9/24 is 10.0.0.0/24."""
    assert prefix_set(["10.0.0.9"], 4).size == 1
    assert prefix_set(["10.0.0.9/24"], 4) == prefix_set(["10.0.0.0/24"], 4)
    assert prefix_set(["10.0.0.0/24"], 6) == NOTHING
    with pytest.raises(ValueError, match="does not appear"):
        prefix_set(["ten"], 4)


def test_a_set_is_shown_by_its_first_prefixes() -> None:
    """Few are shown whole, many are cut."""
    some = prefix_set(["10.0.0.0/24", "10.0.2.0/24"], 4)
    assert shown(some, 4) == "10.0.0.0/24, 10.0.2.0/24"
    assert shown(some, 4, most=1) == "10.0.0.0/24, ..."


@given(SPANS, SPANS)
def test_ranges_behave_as_sets(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    """Union, difference, size, subset and overlap are those of the numbers themselves."""

    def numbers(spans: list[tuple[int, int]]) -> set[int]:
        return {number for low, high in spans for number in range(low, high + 1)}

    left, right = Ranges.of(one), Ranges.of(other)
    mine, yours = numbers(one), numbers(other)
    assert numbers(list((left | right).spans)) == mine | yours
    assert numbers(list((left - right).spans)) == mine - yours
    assert left.size == len(mine)
    assert (left <= right) == (mine <= yours)
    assert left.meets(right) == bool(mine & yours)
    assert bool(left) == bool(mine)


@given(st.sets(st.integers(0, 255), max_size=8))
def test_prefixes_join_as_the_standard_library_joins_them(parts: set[int]) -> None:
    """The same prefixes come out as collapse_addresses gives."""
    networks = [ipaddress.IPv4Network((part << 24, 8)) for part in sorted(parts)]
    joined = list(ipaddress.collapse_addresses(networks))
    assert prefix_set(map(str, networks), 4) == prefix_set(map(str, joined), 4)
    assert sum(one.num_addresses for one in joined) == prefix_set(map(str, joined), 4).size
