"""
Days of metrics as the exporters show them, made up: names and labels are theirs, figures are not.

What is asked of them must have an answer; whether it is right is shown elsewhere.
"""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from exporters.capacity import exporter as capacity
from exporters.energy.metrics import Metrics as Energy
from exporters.families import Family
from exporters.recovery import exporter as recovery
from exporters.uptime.metrics import Metrics as Uptime

DAYS, MINUTES = 3.5, 200  # so far back every ten minutes, then every minute
EXPORTERS = (Energy(), Uptime("main"), capacity.Metrics(), recovery.Metrics())
SITES = ("main", "backup")
VALUES = {
    "site": SITES,
    "observer": SITES,
    "node": ("utility-a", "ups-a", "ups-b", "pdu-a1-a"),
    "state": ("good", "bad", "unknown"),
    "place": ("inlet",),
    "envelope": ("recommended",),
    "service": ("lgsp",),
    "family": ("ipv4",),
    "indicator": ("PUE",),
    "comparison": ("<=",),
    "window": ("month",),
}
"""What labels are; others are called as themselves.  A kind is what rules and panels ask for."""
KINDS = {"citydc_availability": "net", "citydc_target": "target", "citydc_indicator": "interim"}
LEVELS = {
    "citydc_power_watts": 8000.0,
    "citydc_temperature_celsius": 23.0,
    "citydc_dew_point_celsius": 12.0,
    "citydc_meter_imbalance": 0.0,
    "citydc_indicator": 1.45,
    "citydc_target": 1.5,
    "citydc_certificate_expiry_timestamp_seconds": 4e9,
    "citydc_capacity_used": 40.0,
    "citydc_capacity_limit": 100.0,
    "citydc_failover_unplaced_servers": 0.0,
    "citydc_backup_age_seconds": 3600.0,
    "citydc_restore_verified_timestamp_seconds": 1.7e9,
    "citydc_drill_timestamp_seconds": 1.7e9,
}
"""Of gauges; others are 1."""
RATES = {"citydc_energy_joules": 9000.0, "citydc_availability_seconds": 0.3}
"""Of counters by second; others count 1 W, 1 L..."""


class Series(NamedTuple):
    """A metric with its labels; `rate` is by second for a counter, else None."""

    name: str
    labels: str
    level: float
    rate: float | None = None

    def mark(self, more: str = "") -> str:
        """Return its name with its labels."""
        return f"{self.name}{{{','.join(filter(None, (self.labels, more)))}}}"

    def at(self, time: float, start: float) -> float:
        """Return its value at a time."""
        if self.rate is not None:
            return self.level + self.rate * (time - start)
        return self.level if self.level in {0.0, 1.0} else self.level * (1 + math.sin(time) / 100)


def series() -> Iterator[Series]:
    """Yield all that the exporters have, those of one metric after another."""
    for exporter in EXPORTERS:
        for family in exporter.families():
            counter = family.kind == "counter"
            name = f"{family.name}_total" if counter else family.name
            for labels in _labelled(family):
                if counter:
                    yield Series(name, labels, 1e6, RATES.get(family.name, 1.0))
                else:
                    yield Series(name, labels, LEVELS.get(family.name, 1.0))


def live(time: float, now: float) -> str:
    """Return what exporters show at a time, where the history ended at `now`."""
    start = times(now)[0]
    return "".join(f"{one.mark()} {one.at(time, start):.6f}\n" for one in series())


def _labelled(family: Family) -> Iterator[str]:
    kind = next((one for start, one in KINDS.items() if family.name.startswith(start)), "kind")
    known = {**VALUES, "kind": (kind,)}
    for values in itertools.product(*(known.get(label, (label,)) for label in family.labels)):
        pairs = zip(family.labels, values, strict=True)
        yield ",".join(f'{label}="{value}"' for label, value in pairs)


def times(now: float) -> list[float]:
    """Return when there are samples, up to now."""
    recent = now - MINUTES * 60
    start = now - DAYS * 86400
    coarse = [start + 600 * step for step in range(int((recent - start) // 600))]
    return [*coarse, *(recent + 60 * step for step in range(MINUTES + 1))]


def openmetrics(now: float, scraped: str) -> str:
    """Return the history in OpenMetrics' text format, with the labels that a scrape adds."""
    moments = times(now)
    lines, told = [], set()
    for one in series():
        family = one.name.removesuffix("_total") if one.rate is not None else one.name
        if family not in told:
            told.add(family)
            lines.append(f"# TYPE {family} {'gauge' if one.rate is None else 'counter'}")
        mark = one.mark(scraped)
        lines += [f"{mark} {one.at(time, moments[0]):.6f} {time:.3f}" for time in moments]
    return "\n".join([*lines, "# EOF", ""])


def exposition(now: float, scraped: str) -> str:
    """Return the same in Prometheus's text format, whose times are in milliseconds."""
    moments = times(now)
    return "".join(
        f"{one.mark(scraped)} {one.at(time, moments[0]):.6f} {int(time * 1000)}\n"
        for one in series()
        for time in moments
    )
