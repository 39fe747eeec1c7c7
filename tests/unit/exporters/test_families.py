"""Metric families as text."""

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporters.families import Family, exposition

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)
SERIES = st.dictionaries(st.tuples(TEXTS, TEXTS), st.floats(), max_size=5)


class _Registry(Collector):
    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> list[Metric]:
        return [self._metric]


@given(SERIES, TEXTS, st.sampled_from(["counter", "gauge"]))
def test_lines_are_as_prometheus_client_writes_them(
    series: dict[tuple[str, str], float], about: str, kind: Literal["counter", "gauge"]
) -> None:
    """Byte for byte, in both formats, whatever the labels and values."""
    made = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    theirs = made("citydc_energy_joules", about, labels=["site", "node"], unit="joules")
    ours = Family(
        "citydc_energy_joules",
        kind,
        about,
        ("site", "node"),
        "joules",
    )
    for values, number in series.items():
        theirs.add_metric(list(values), number)
        ours.set(values, number)
    registry = CollectorRegistry()
    registry.register(_Registry(theirs))
    assert exposition([ours], openmetrics=False) == generate_latest(registry).decode()
    expected = generate_openmetrics(registry).decode()
    assert exposition([ours], openmetrics=True) + "# EOF\n" == expected


def test_series_that_is_dropped_is_not_shown() -> None:
    """Where there is no value there is no line."""
    family = Family("citydc_power_watts", "gauge", "Power.", ("node",), "watts")
    family.set(("ups-a",), math.inf)
    family.set(("ups-b",), 2)
    family.drop(("ups-a",))
    family.drop(("never-there",))
    assert family.exposition(openmetrics=False).splitlines()[2:] == [
        'citydc_power_watts{node="ups-b"} 2.0'
    ]


def test_name_without_its_unit_is_refused() -> None:
    """OpenMetrics wants the unit in the name."""
    with pytest.raises(ValueError, match="unit"):
        Family("citydc_power", "gauge", "Power.", (), "watts")
