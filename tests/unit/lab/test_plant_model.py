"""The physical truth of both sites."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import catalogue
from catalogue.model import Meter, Site
from lab.plant import model, parameters, weather
from lab.plant.model import Overload
from lab.plant.truth import Truth

SITES = catalogue.load().sites
START = 1767200400  # 2026-01-01 00:00 in Hanoi
DAY = 86400
YEAR = START + np.arange(0, 365 * DAY, 3600)


def _parents(meter: Meter) -> list[str]:
    return [one for one in (meter.parent, meter.second_parent) if one]


def _children(site: Site, meter: Meter) -> list[Meter]:
    return [one for one in site.meters if meter.id in _parents(one)]


def _with_a_single_cord(site: Site) -> Site:
    """Give the first rack's fourth server a meter and one feed only."""
    one = Meter(
        id="server-a1-4", place="it-input", parent="pdu-a1-b", rack="a1", accuracy_class="none"
    )
    return site.model_copy(update={"meters": [*site.meters, one]})


@pytest.fixture(scope="module", params=["main", "backup"])
def truth(request: pytest.FixtureRequest) -> Truth:
    """Give a site in which a server hangs on one feed, and a UPS is overloaded for an hour."""
    events = (Overload("ups-a", START + 3600, START + 7200),)
    return Truth(_with_a_single_cord(SITES[request.param]), START, step_s=300, events=events)


@settings(max_examples=30)
@given(data=st.data())
def test_energy_is_kept(truth: Truth, data: st.DataObject) -> None:
    """What enters at a meter leaves through those below it or is a stated loss, to the joule."""
    time = START + data.draw(st.integers(0, 30 * DAY))
    for meter in truth.site.meters:
        children = _children(truth.site, meter)
        if not children:
            continue
        enters = truth.energy_j(meter.id, time)
        if meter.place == "utility":
            enters += truth.fed_in_j(meter.id, time)
        leaves = sum(truth.part_j(one.id, meter.id, time) for one in children)
        assert enters == leaves + truth.loss_j(meter.id, time)
        assert isinstance(enters, int)


@settings(max_examples=20)
@given(data=st.data())
def test_no_energy_comes_from_nowhere(truth: Truth, data: st.DataObject) -> None:
    """Registers never fall, losses are never negative, parts are the whole of their meter."""
    first = START + data.draw(st.integers(0, 20 * DAY))
    later = first + data.draw(st.integers(0, 10 * DAY))
    for meter in truth.site.meters:
        assert truth.energy_j(meter.id, later) >= truth.energy_j(meter.id, first)
        if parents := _parents(meter):
            parts = sum(truth.part_j(meter.id, parent, later) for parent in parents)
            assert parts == truth.energy_j(meter.id, later)
        if _children(truth.site, meter):
            assert truth.loss_j(meter.id, later) >= truth.loss_j(meter.id, first)


@settings(max_examples=20)
@given(
    st.integers(0, 40),
    st.integers(0, 5 * DAY),
    st.integers(0, 5 * DAY),
    st.sampled_from(["utility-a", "pdu-a1-b", "water-intake"]),
)
def test_an_interval_is_the_same_whenever_counting_began(
    days: int, one: int, other: int, meter: str
) -> None:
    """What passes between two times does not depend on the start, nor on what was asked before."""
    start, end = sorted((one, other))
    start, end = (START + 41 * DAY + moment for moment in (start, end))
    early = Truth(SITES["main"], START, step_s=900)
    late = Truth(SITES["main"], START + days * DAY, step_s=900)
    differences = [
        found.energy_j(meter, end) - found.energy_j(meter, start) for found in (early, late)
    ]
    assert differences[0] == differences[1]


def test_energy_is_the_power_times_the_time(truth: Truth) -> None:
    """Within a step power is constant, also over fractions of a second."""
    time = START + 4200
    power = truth.power_w("utility-b", time)
    moved = truth.energy_j("utility-b", time + 2.5) - truth.energy_j("utility-b", time)
    assert moved == power * 2.5


def test_seeds_differ_and_repeat() -> None:
    """The same seed is the same site, another is another."""
    end = START + DAY
    found = [
        Truth(SITES["main"], START, step_s=900, seed=seed).energy_j("utility-a", end)
        for seed in (1, 1, 2)
    ]
    assert found[0] == found[1] != found[2]


def test_no_time_before_the_start() -> None:
    """A register holds nothing before it exists."""
    with pytest.raises(ValueError, match="before the start"):
        Truth(SITES["main"], START).power_w("utility-a", START - 1)


def test_the_parameters_know_every_meter_of_the_catalogue() -> None:
    """A meter added to a site needs a line in the plant's parameters, and no other has one."""
    for name, site in SITES.items():
        known = parameters.load(name)
        computed = {"utility", "ups-output", "pdu-output", "it-input"}
        parts = {one.id for one in site.meters if one.place not in computed}
        assert set(known.parts) == parts
        assert set(known.ups) == {one.id for one in site.meters if one.place == "ups-output"}
        assert set(known.split) <= {one.id for one in site.racks}
        found = model.flows(site, known, YEAR[:1])
        assert set(found.meters) == {one.id for one in site.meters}


def test_the_weather_has_the_normals_of_hanoi() -> None:
    """Months are as in the climate's normals, afternoons warmest, and air holds its dew."""
    found = weather.at(YEAR, seed=0)
    months = (YEAR - START) * 12 // (365 * DAY)
    for month, normal in enumerate(weather.NORMALS[0]):
        assert found.temperature[months == month].mean() == pytest.approx(normal, abs=2)
    by_hour = [found.temperature[hour::24].mean() for hour in range(24)]
    assert int(np.argmax(by_hour)) == 15
    assert np.all(found.dew_point <= found.wet_bulb + 1)
    assert np.all(found.wet_bulb <= found.temperature + 1)
    assert found.humidity.mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("temperature", "humidity", "dew_point", "wet_bulb"),
    [(20, 0.5, 9.3, 13.7), (25, 0.5, 13.9, 17.9), (30, 0.5, 18.4, 22.0)],
)
def test_moist_air_is_as_in_the_tables(
    temperature: float, humidity: float, dew_point: float, wet_bulb: float
) -> None:
    """Dew point and wet bulb are those of psychrometric charts, within a kelvin's third."""
    air, ratio = np.array([temperature]), np.array([humidity])
    assert weather.dew_point_of(air, ratio)[0] == pytest.approx(dew_point, abs=0.1)
    assert weather.wet_bulb_of(air, ratio)[0] == pytest.approx(wet_bulb, abs=0.35)


def test_servers_work_when_people_do() -> None:
    """A working day at eleven is busier than its night, and than a Sunday."""
    hours = [
        dt.datetime(2026, 6, day, hour, tzinfo=dt.UTC) for day, hour in [(9, 4), (8, 19), (7, 4)]
    ]
    day, night, sunday = model.working_hours(np.array([one.timestamp() for one in hours]))
    assert day > 0.95
    assert night < 0.01
    assert sunday == pytest.approx(0.1, abs=0.01)


def test_the_generator_carries_the_site_one_saturday_a_month() -> None:
    """Utilities then read nothing, fuel is burnt, and there are twelve tests a year."""
    minutes = START + np.arange(0, 365 * DAY, 600)
    found = model.flows(SITES["main"], parameters.load("main"), minutes)
    running = found.meters["generator"] > 0
    assert np.count_nonzero(running) == 12 * 3
    local = dt.datetime.fromtimestamp(float(minutes[running][0]) + 7 * 3600, tz=dt.UTC)
    assert (local.strftime("%a %H:%M"), local.day) == ("Sat 09:00", 3)
    assert not found.meters["utility-a"][running].any()
    assert found.meters["utility-a"][~running].all()
    assert np.array_equal(found.meters["generator-fuel"] > 0, running)


def test_an_overload_is_carried_by_its_ups_and_its_utility() -> None:
    """The UPS carries more than it can while the event lasts, and no PDU knows why."""
    event = Overload("ups-a", START + 600, START + 1200, 1.1)
    calm, loud = (
        Truth(SITES["main"], START, events=events, step_s=60) for events in ((), (event,))
    )
    assert [round(loud.ups_load("ups-a", START + at), 2) > 1 for at in (540, 600, 1140, 1200)] == [
        False,
        True,
        True,
        False,
    ]
    assert loud.power_w("utility-a", START + 700) > calm.power_w("utility-a", START + 700) + 15000
    assert loud.power_w("pdu-a1-a", START + 700) == calm.power_w("pdu-a1-a", START + 700)
    assert loud.runtime_s("ups-a", START + 700) < calm.runtime_s("ups-a", START + 700)


def test_racks_warm_their_air(truth: Truth) -> None:
    """An outlet is warmer than its inlet, and both hold the same water."""
    for rack in truth.site.racks:
        inlet, outlet = (truth.air(place, rack.id, START + DAY) for place in ("inlet", "outlet"))
        assert outlet.temperature > inlet.temperature + 2
        assert outlet.dew_point == inlet.dew_point
        assert outlet.humidity < inlet.humidity
