"""
Sets of addresses and ports as sorted, disjoint ranges: union, difference, what contains what.

Prefixes join exactly: `::/1` and `8000::/1` are `::/0`.  Both families have sets of their own.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

BITS = {4: 32, 6: 128}
PUBLIC_SIZE = {4: 1 << 24, 6: 1 << 108}
"""More public addresses than a /8 of IPv4 or a /20 of IPv6 are the Internet, not a party."""
_NOT_PUBLIC = {
    4: (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
    ),
    6: ("::/3", "4000::/2", "8000::/1"),
}  # fmt: skip
"""What is never routed on the Internet; in IPv6 all that is not in 2000::/3."""


@dataclass(frozen=True)
class Ranges:
    """Whole numbers, as disjoint closed ranges in order."""

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, spans: Iterable[tuple[int, int]]) -> Self:
        """Return the union of ranges, given in any order."""
        found: list[tuple[int, int]] = []
        for low, high in sorted(spans):
            if found and low <= found[-1][1] + 1:
                found[-1] = (found[-1][0], max(found[-1][1], high))
            else:
                found.append((low, high))
        return cls(tuple(found))

    @cached_property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(high - low + 1 for low, high in self.spans)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __or__(self, other: Self) -> Self:
        return self.of((*self.spans, *other.spans))

    def __sub__(self, other: Self) -> Self:
        left: list[tuple[int, int]] = []
        for low, high in self.spans:
            start = low
            for begin, end in other.spans:
                if end < start or begin > high:
                    continue
                if begin > start:
                    left.append((start, begin - 1))
                start = end + 1
            if start <= high:
                left.append((start, high))
        return type(self)(tuple(left))

    def __le__(self, other: Self) -> bool:
        return not self - other

    def meets(self, other: Self) -> bool:
        """Return whether the two have a number in common."""
        return any(
            low <= end and begin <= high for low, high in self.spans for begin, end in other.spans
        )


NOTHING = Ranges()
ALL_PORTS = Ranges(((1, 65535),))


def everything(version: int) -> Ranges:
    """Return all addresses of a family."""
    return Ranges(((0, (1 << BITS[version]) - 1),))


def prefix_set(prefixes: Iterable[str], version: int) -> Ranges:
    """
    Return the addresses in `prefixes`; those of the other family are left out.

    An address without a length is itself, host bits are ignored, as neutron does.  Raise ValueError
    for what is no prefix.
    """
    networks = [ipaddress.ip_network(str(one).strip(), strict=False) for one in prefixes]
    return Ranges.of(
        (int(one.network_address), int(one.broadcast_address))
        for one in networks
        if one.version == version
    )


def is_internet(addresses: Ranges, version: int) -> bool:
    """Return whether the set has more public addresses than any party could own."""
    return (addresses - _PRIVATE[version]).size > PUBLIC_SIZE[version]


def shown(addresses: Ranges, version: int, most: int = 3) -> str:
    """Return the set as text: its prefixes, the first `most` of them."""
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address  # noqa: PLR2004 - IPv4
    found = [
        str(one)
        for low, high in addresses.spans[:most]
        for one in ipaddress.summarize_address_range(kind(low), kind(high))
    ]
    more = len(addresses.spans) > most or len(found) > most
    return ", ".join(found[:most]) + (", ..." if more else "")


_PRIVATE = {version: prefix_set(prefixes, version) for version, prefixes in _NOT_PUBLIC.items()}
