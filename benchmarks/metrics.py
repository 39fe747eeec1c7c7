"""
Measure what a scrape of 20,000 series takes, beside prometheus_client's own writing of them.

    python -m benchmarks.metrics

The CPU's time, which other work on the machine leaves alone, and in brackets the wall's.
"""

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from exporters.families import Family, exposition

SERIES = 20_000
ROUNDS = 20


class _Theirs(Collector):
    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return [self._family]


def main() -> None:
    """Measure, and print a Markdown table."""
    family = Family("citydc_power_watts", "gauge", "Power.", ("site", "node"), "watts")
    theirs = GaugeMetricFamily(
        "citydc_power_watts", "Power.", labels=["site", "node"], unit="watts"
    )
    registry = CollectorRegistry()
    registry.register(_Theirs(theirs))
    labels = [("main", f"pdu-{number}-outlet-{number % 48}") for number in range(SERIES)]
    for number, values in enumerate(labels):
        theirs.add_metric(list(values), number * 1.37)

    def read() -> None:
        for number, values in enumerate(labels):
            family.set(values, number * 1.37)

    read()
    _row("what", "ms of CPU (of wall), the median of 20")
    _row("---", "---")
    _row("a new value for each of 20,000 series", _median(read))
    _row(
        "/metrics with 20,000 series",
        _median(lambda: exposition([family], openmetrics=True).encode()),
    )
    _row("prometheus_client's generate_latest", _median(lambda: generate_latest(registry)))


def _median(work: Callable[[], object]) -> str:
    taken = []
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        work()
        taken.append((time.process_time() - used, time.perf_counter() - began))
    cpu, wall = sorted(taken)[ROUNDS // 2]
    return f"{cpu * 1000:.1f} ({wall * 1000:.1f})"


def _row(*cells: str) -> None:
    print("|", " | ".join(cells), "|", flush=True)  # noqa: T201  this is its output


main()
