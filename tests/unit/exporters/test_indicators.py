"""Indicators, their bounds, and what they are made of."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

import catalogue
from catalogue.model import Profile, Site
from exporters.energy import figures, indicators
from exporters.energy.indicators import Figure, Untold
from exporters.energy.tree import Tree
from exporters.ledger import Sums

CITY = catalogue.load()
MAIN = CITY.sites["main"]
DAY = 86_400.0
KWH = 3.6e6


def _sums(kwh: float, *, share: float = 0.01, estimated: float = 0.0, seconds: float = DAY) -> Sums:
    value = kwh * KWH
    return Sums(value, value * (1 - share), value * (1 + share), seconds, estimated * value)


def _told(told: Figure | Untold) -> Figure:
    assert isinstance(told, Figure), told
    return told


def test_pue_is_total_by_it_energy_with_the_worst_of_both_errors() -> None:
    """1,400 kWh at 1 % by 1,000 kWh at 2 %."""
    total = indicators.amount([_sums(900), _sums(500)], DAY)
    it = indicators.amount([_sums(1000, share=0.02)], DAY)
    found = _told(indicators.pue(total, it))
    assert found.value == pytest.approx(1.4)
    assert found.lower == pytest.approx(1386 / 1020)
    assert found.upper == pytest.approx(1414 / 980)


def test_pue_is_never_bounded_below_one() -> None:
    """Less would be more energy for IT than enters."""
    total, it = indicators.amount([_sums(1001)], DAY), indicators.amount([_sums(1000)], DAY)
    assert _told(indicators.pue(total, it)).lower == 1.0


def test_coverage_and_estimates_are_of_the_worst_meter() -> None:
    """A figure is no better than the meter that was read least."""
    meters = [_sums(100), _sums(100, seconds=DAY / 4, estimated=0.5)]
    found = indicators.amount(meters, DAY)
    assert found.coverage == 0.25
    assert found.estimated == 0.25


def test_cue_and_wue_are_by_the_kilowatt_hour() -> None:
    """In kg/kWh and L/kWh of IT energy."""
    it = indicators.amount([_sums(1000, share=0)], DAY)
    some = Figure(659.2, 659.2, 659.2, 1.0, 0.0)
    assert _told(indicators.cue(some, it)).value == pytest.approx(0.6592)
    assert _told(indicators.wue(some, it)).value == pytest.approx(0.6592)


def test_ratio_by_what_may_be_nothing_is_not_told() -> None:
    """A window without IT energy has no PUE."""
    nothing = indicators.amount([_sums(0)], DAY)
    assert isinstance(indicators.pue(nothing, nothing), Untold)


@pytest.mark.parametrize("told", [indicators.iteesv(), indicators.iteusv()])
def test_indicators_without_data_say_so(told: Untold) -> None:
    """Nothing is invented."""
    assert "needs" in told.why


@given(
    st.lists(st.floats(1, 1e6), min_size=2, max_size=2),
    st.lists(st.floats(-1, 1), min_size=2, max_size=2),
    st.floats(0, 0.2),
)
def test_true_ratio_lies_within_the_bounds(
    kwh: list[float], errors: list[float], share: float
) -> None:
    """Whatever each meter's error, as long as it is within its class."""
    true = [value * (1 + error * share) for value, error in zip(kwh, errors, strict=True)]
    above, below = (indicators.amount([_sums(one, share=share)], DAY) for one in kwh)
    found = _told(indicators.ratio(above, below))
    assert found.lower <= true[0] / true[1] * (1 + 1e-9)
    assert true[0] / true[1] <= found.upper * (1 + 1e-9)


def _between(amounts: Mapping[str, float]) -> figures.Between:
    return lambda meter: _sums(amounts.get(meter, 0.0), share=0.0)


def test_site_has_every_indicator_or_the_reason() -> None:
    """All of ISO/IEC 30134-2 to -9, from the catalogue's own meters."""
    tree = Tree(MAIN)
    kwh = {"utility-a": 700.0, "utility-b": 500, "generator": 100, "pv": 100, "heat-reuse": 140}
    kwh |= dict.fromkeys(tree.it[0], 1000 / len(tree.it[0]))
    kwh |= {"water-intake": 1800 / KWH, "generator-fuel": 10 / KWH}
    found = figures.computed(figures.amounts(tree, CITY, _between(kwh), DAY, 2026))
    assert tree.category == 2
    assert _told(found["PUE"]).value == pytest.approx(1.4)
    assert _told(found["REF"]).value == pytest.approx(100 / 1400)
    assert _told(found["ERF"]).value == pytest.approx(0.1)
    assert _told(found["WUE"]).value == pytest.approx(1.8)
    # 1,200 kWh at 0.6592 kg/kWh, and 10 L of diesel at 9.9 kWh/L and 74.1 kg/GJ.
    assert _told(found["CUE"]).value == pytest.approx((1200 * 0.6592 + 10 * 0.03564 * 74.1) / 1000)
    assert {name for name, one in found.items() if isinstance(one, Untold)} == {
        "ITEEsv",
        "ITEUsv",
        "CER",
    }


def _with(site: Site, **changes: dict[str, object]) -> Tree:
    """Return the site's tree with some meters changed, or left out where the change is empty."""
    meters = [
        one.model_copy(update=changes.get(one.id.replace("-", "_"), {"id": one.id}))
        for one in site.meters
        if changes.get(one.id.replace("-", "_"), True)
    ]
    return Tree(site.model_copy(update={"meters": meters}))


def test_category_falls_to_where_all_racks_are_metered() -> None:
    """One rack without PDU meters makes it category 1; without UPS meters there is none."""
    assert _with(MAIN, pdu_a1_a={}, pdu_a1_b={}).category == 1
    bare = Tree(MAIN.model_copy(update={"meters": [MAIN.meters[0]]}))
    assert bare.category == 0
    found = figures.computed(figures.amounts(bare, CITY, _between({}), DAY, 2026))
    assert found["PUE"] == Untold("no place has IT meters for every rack")


def test_category_three_needs_a_meter_for_every_server() -> None:
    """Where each server of each rack has its own."""
    rack = MAIN.racks[0].model_copy(
        update={"nodes": [MAIN.racks[0].nodes[0].model_copy(update={"count": 2})]}
    )
    assert Tree(MAIN.model_copy(update={"racks": [rack]})).category == 3


def test_what_hangs_below_and_is_no_it_is_taken_away() -> None:
    """At the UPS's output, cooling on the UPS is no IT energy."""
    site = MAIN.model_copy(
        update={"meters": [one for one in MAIN.meters if one.place != "pdu-output"]}
    )
    tree = _with(site, pumps={"parent": "ups-b"})
    servers = {one.id for one in site.meters if one.place == "it-input"}
    kept = [one for one in tree.site.meters if one.id not in servers]
    tree = Tree(site.model_copy(update={"meters": kept}))
    assert tree.it == (["ups-a", "ups-b"], ["pumps"])
    kwh = {"ups-a": 600.0, "ups-b": 500.0, "pumps": 100.0}
    found = figures.amounts(tree, CITY, _between(kwh), DAY, 2026)
    assert _told(found.it).value == pytest.approx(1000 * KWH)


def test_pdu_below_a_pdu_is_counted_once() -> None:
    """A floor PDU's figure holds those of the racks' PDUs that hang below it."""
    floor = next(one for one in MAIN.meters if one.id == "pdu-a1-a")
    below = [
        one.model_copy(update={"parent": "floor-a"}) if one.id.startswith("pdu-a1-a") else one
        for one in MAIN.meters
    ]
    floor = floor.model_copy(update={"id": "floor-a", "rack": None})
    tree = Tree(MAIN.model_copy(update={"meters": [floor, *below]}))
    assert "floor-a" in tree.it[0]
    assert "pdu-a1-a" not in tree.it[0]
    assert "pdu-a1-b" in tree.it[0]


def test_generator_without_a_meter_at_its_output_leaves_the_total_untold() -> None:
    """Its fuel can't be added to electricity without a factor."""
    tree = _with(MAIN, generator={})
    assert "output" in tree.boundary_lacks
    found = figures.computed(figures.amounts(tree, CITY, _between({}), DAY, 2026))
    assert isinstance(found["PUE"], Untold)


def test_meter_that_no_device_reads_leaves_its_sum_untold() -> None:
    """What a person reads is not counted as nothing."""
    tree = _with(MAIN, pv={"reads": None})
    found = figures.amounts(tree, CITY, _between({}), DAY, 2026)
    assert found.total == Untold("pv is read by no device")


def test_two_feeds_with_common_servers_are_compared_together() -> None:
    """And all that enters, with all that it feeds."""
    groups = {one.id: one for one in Tree(MAIN).groups}
    assert groups["pdu-a1-a"].above == ("pdu-a1-a", "pdu-a1-b")
    assert groups["electricity"].above == ("utility-a", "utility-b", "generator", "pv")
    assert "ups-a" in groups["electricity"].below
    assert groups["ups-a"].above == ("ups-a",)


@pytest.mark.parametrize(
    ("stated", "accuracy"),
    [
        ("IEC 62053-22 class 0.5S", 0.005),
        ("IEC 62053-21 class 1", 0.01),
        ("EN 1434-1 class 2", 0.02),
        ("none stated", 0.05),
    ],
)
def test_accuracy_is_the_class(stated: str, accuracy: float) -> None:
    """In percent, whatever the standard."""
    meter = MAIN.meters[0].model_copy(update={"accuracy_class": stated})
    assert Tree(MAIN).judged_as(meter).accuracy == accuracy


@pytest.mark.parametrize("site", CITY.sites)
@pytest.mark.parametrize("profile", Profile)
def test_services_and_the_rest_share_all_of_the_it_energy(site: str, profile: Profile) -> None:
    """Nothing is lost, and what no service can use is told as such."""
    found = figures.shares(CITY, CITY.sites[site], profile)
    assert sum(found.values()) == pytest.approx(1)
    assert all(share >= 0 for share in found.values())
    assert set(found) - {figures.UNALLOCATED} <= set(CITY.services)
    assert len(found) > 5


def test_hot_or_humid_air_leaves_its_envelopes() -> None:
    """By the catalogue's targets: in Hanoi the dew point binds, in the classes too."""
    limits = {one.id: one.value for one in CITY.targets.targets}
    assert figures.envelopes(limits, 24, 12) == {
        "recommended": True,
        "A1": True,
        "A2": True,
        "A3": True,
        "A4": True,
    }
    assert [name for name, holds in figures.envelopes(limits, 24, 18).items() if holds] == [
        "A2",
        "A3",
        "A4",
    ]
    assert not any(figures.envelopes(limits, 30, 26).values())
    assert [name for name, holds in figures.envelopes(limits, 38, 12).items() if holds] == [
        "A3",
        "A4",
    ]
    assert figures.envelopes(limits, 24, None) == {}
    assert figures.envelopes(limits, 33, None) == {"recommended": False, "A1": False}


def test_slack_widens_the_bounds() -> None:
    """What may lie on the other side of a window's borders is in its bounds."""
    found = indicators.amount([_sums(100, share=0)._replace(slack=KWH)], DAY)
    assert (found.lower, found.upper) == (99 * KWH, 101 * KWH)
