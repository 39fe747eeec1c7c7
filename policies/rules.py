"""All rules, by topic."""

from policies import (
    capacity,
    encryption,
    exposure,
    identity,
    ipv6,
    isolation,
    lifecycle,
    ownership,
    recovery,
)

RULES = tuple(
    rule
    for topic in (
        exposure,
        ipv6,
        identity,
        encryption,
        isolation,
        ownership,
        recovery,
        capacity,
        lifecycle,
    )
    for rule in topic.BOOK.rules
)
