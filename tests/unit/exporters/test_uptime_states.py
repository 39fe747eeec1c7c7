"""How what is seen becomes seconds of four states: properties, and the cases that have names."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from exporters.uptime.availability import Seconds
from exporters.uptime.observer import extended, next_slot, phase
from exporters.uptime.settling import WINDOW, settled
from exporters.uptime.states import (
    Seen,
    Span,
    State,
    View,
    all_of,
    any_of,
    counted,
    pieces,
    witnessed,
)
from exporters.uptime.targets import Plan

SEEN = st.sampled_from(Seen)
VIEWS = st.lists(st.builds(View, SEEN, st.booleans()), max_size=4)
SPANS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 200), SEEN).map(
        lambda one: Span(one[0], one[0] + one[1], one[2])
    ),
    max_size=6,
)
MAIN, BACKUP = "web/main/a/ipv4", "web/backup/a/ipv4"
PLAN = Plan({}, {("web", "ipv4"): {"main": ((MAIN,),), "backup": ((BACKUP,),)}})


def total(spans: dict[tuple[str, str], list[Span]], windows: list[Span], end: int) -> Seconds:
    """Return what the service was from 0 to `end`."""
    found = settled(PLAN, spans, {"web": windows}, 0, end)
    return sum(found.values(), Seconds())


@given(VIEWS)
def test_bad_needs_two_witnesses_or_one_that_is_proved_healthy(views: list[View]) -> None:
    """A lone observer whose own path may be broken accuses nobody."""
    seen = [view.seen for view in views]
    proved = any(view.seen is Seen.BAD and view.healthy for view in views)
    if witnessed(views) is Seen.BAD:
        assert proved or seen.count(Seen.BAD) > 1
    if proved:
        assert witnessed(views) is Seen.BAD
    if witnessed(views) is Seen.GOOD:
        assert Seen.GOOD in seen


def test_a_cut_link_makes_nothing_bad() -> None:
    """One observer sees the service, the other is cut off and can prove nothing."""
    cut_off = View(Seen.BAD, healthy=False)
    assert witnessed([View(Seen.GOOD, healthy=True), cut_off]) is Seen.GOOD
    assert witnessed([cut_off]) is Seen.UNKNOWN
    assert witnessed([cut_off, cut_off]) is Seen.BAD
    assert witnessed([View(Seen.BAD, healthy=True)]) is Seen.BAD
    assert witnessed([]) is Seen.UNKNOWN


@given(st.lists(SEEN, min_size=1))
def test_any_and_all_are_dual(seen: list[Seen]) -> None:
    """What is bad for all is good for any, turned round."""
    turned = [Seen(2 - one) for one in seen]
    assert any_of(seen) == 2 - all_of(turned)
    assert all_of(seen) <= any_of(seen)


def test_maintenance_excuses_and_hides_nothing() -> None:
    """Only what is not seen good becomes maintenance."""
    assert counted(Seen.GOOD, maintenance=True) is State.GOOD
    assert counted(Seen.BAD, maintenance=True) is State.MAINTENANCE
    assert counted(Seen.UNKNOWN, maintenance=True) is State.MAINTENANCE
    assert counted(Seen.UNKNOWN, maintenance=False) is State.UNKNOWN


@given(st.dictionaries(st.sampled_from("ab"), SPANS), st.integers(1, 500))
def test_pieces_cover_every_second_once(spans: dict[str, list[Span]], end: int) -> None:
    """Each piece says of each second what the span that began last says."""
    found = list(pieces(spans, 0, end))
    assert [first for first, _, _ in found] == [0, *(last for _, last, _ in found[:-1])]
    assert found[-1][1] == end
    for first, last, seen in found:
        for second in (first, last - 1):
            for key, own in spans.items():
                there = [one for one in sorted(own) if one.start <= second < one.end]
                assert seen[key] is (there[-1].seen if there else Seen.UNKNOWN)


@given(st.tuples(SPANS, SPANS, SPANS, SPANS), st.integers(1, 500), st.integers(0, 500))
def test_seconds_are_counted_once_wherever_they_are_cut(
    seen: tuple[list[Span], ...], end: int, cut: int
) -> None:
    """Counting to a moment and from there on gives what counting through gives."""
    main, backup, health, window = seen
    spans = {
        ("main", MAIN): main,
        ("backup", MAIN): backup,
        ("backup", BACKUP): main,
        ("main", "/main/gateway/ipv4"): health,
    }
    windows = {"web": [one._replace(seen=Seen.GOOD) for one in window]}
    cut = min(cut, end)
    parts = [settled(PLAN, spans, windows, *edges) for edges in ((0, cut), (cut, end))]
    whole = sum(settled(PLAN, spans, windows, 0, end).values(), Seconds())
    assert whole == sum((one for part in parts for one in part.values()), Seconds())
    assert whole.total == end


def test_time_without_a_probe_is_unknown() -> None:
    """Where nobody looked, the service was neither good nor bad."""
    spans = {("main", MAIN): [Span(10, 40, Seen.GOOD)], ("main", BACKUP): []}
    assert total(spans, [], 100) == Seconds(good=30, unknown=70)


def test_one_site_that_serves_suffices() -> None:
    """After a takeover the service is as good as the backup site."""
    spans = {
        ("main", MAIN): [Span(0, 100, Seen.BAD)],
        ("main", "/main/gateway/ipv4"): [Span(0, 100, Seen.GOOD)],
        ("main", "/backup/gateway/ipv4"): [Span(0, 100, Seen.GOOD)],
        ("main", BACKUP): [Span(0, 60, Seen.BAD), Span(60, 100, Seen.GOOD)],
    }
    assert total(spans, [], 100) == Seconds(good=40, bad=60)
    assert total(spans, [Span(0, 20, Seen.GOOD)], 100) == Seconds(good=40, bad=40, maintenance=20)


def test_a_health_check_proves_its_own_family_only() -> None:
    """A path by IPv6 says nothing of IPv4."""
    spans = {
        ("main", MAIN): [Span(0, 10, Seen.BAD)],
        ("main", BACKUP): [Span(0, 10, Seen.BAD)],
        ("main", "/main/gateway/ipv6"): [Span(0, 10, Seen.GOOD)],
        ("main", "/backup/gateway/ipv6"): [Span(0, 10, Seen.GOOD)],
    }
    assert total(spans, [], 10) == Seconds(unknown=10)


def test_seconds_belong_to_the_day_of_the_city() -> None:
    """17:00 UTC is midnight there, the edge of days, months and years."""
    edge = 1_798_736_400  # 2026-12-31 17:00 UTC
    spans = {("main", MAIN): [Span(edge - 50, edge + 50, Seen.GOOD)]}
    found = settled(PLAN, spans, {}, edge - 10, edge + 20)
    assert {key.day: one for key, one in found.items()} == {
        date(2026, 12, 31): Seconds(good=10),
        date(2027, 1, 1): Seconds(good=20),
    }


def test_a_probe_confirms_what_was_seen_until_it_began() -> None:
    """What was seen holds from probe to probe, and over no gap."""
    first = extended(None, 100, Seen.GOOD, 35)
    assert first == [Span(100, 100, Seen.GOOD)]
    assert extended(first[-1], 130, Seen.GOOD, 35) == [Span(100, 130, Seen.GOOD)]
    assert extended(first[-1], 130, Seen.BAD, 35) == [
        Span(100, 130, Seen.GOOD),
        Span(130, 130, Seen.BAD),
    ]
    assert extended(first[-1], 136, Seen.GOOD, 35) == [Span(136, 136, Seen.GOOD)]
    assert extended(first[-1], 90, Seen.BAD, 35) == []


@given(st.floats(0, 2**31), st.floats(0, 59.9), st.integers(5, 300))
def test_slots_come_once_an_interval(now: float, offset: float, interval: int) -> None:
    """The next moment lies within an interval, and probes keep their phase."""
    offset = offset % interval
    slot = next_slot(now, offset, interval)
    assert now < slot + 1e-6
    assert slot <= now + interval + 1e-6


def test_phases_are_spread() -> None:
    """A thousand targets come in every tenth of an interval, and at the same moment each time."""
    found = [phase("main", f"target-{index}", 30) for index in range(1000)]
    assert all(50 < sum(low <= one < low + 3 for one in found) < 150 for low in range(0, 30, 3))
    assert found[7] == phase("main", "target-7", 30) != phase("backup", "target-7", 30)


def test_the_window_is_no_observer() -> None:
    """A service with windows and nothing seen is unknown outside them."""
    assert WINDOW[0] == ""
    assert total({}, [Span(0, 5, Seen.GOOD)], 10) == Seconds(maintenance=5, unknown=5)
