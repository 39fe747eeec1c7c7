"""
Days of metrics as the exporters show them, made up: names and labels are theirs, figures are not.

What is asked of them must have an answer; whether it is right is shown elsewhere.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

DAYS, MINUTES = 3.5, 200  # so far back every ten minutes, then every minute
COUNTERS = {
    "citydc_energy_joules_total": ('site="{site}",node="{node}",carrier="electricity"', 9000.0),
    "citydc_water_litres_total": ('site="{site}",node="water-intake"', 0.01),
    "citydc_unmetered_energy_joules_total": ('site="{site}",node="ups-a"', 90.0),
    "citydc_service_energy_joules_total": (
        'service="lgsp",agency="dost",site="{site}",basis="measured"',
        300.0,
    ),
    "citydc_readings_total": ('site="{site}",device="ups-a",verdict="good"', 0.02),
}
PROBED = 'service="lgsp",target="lgsp",kind="https",family="ipv4",observer="{site}"'
ABOUT = 'site="{site}",indicator="PUE",category="1",window="month",kind="interim"'
SHARES = 'service="lgsp",family="ipv4",window="month",kind="net"'
DATABASE = 'service="lgsp",database="bus"'
GAUGES = {
    "citydc_power_watts": ('site="{site}",node="{node}"', 8000.0),
    "citydc_temperature_celsius": ('site="{site}",rack="a1",place="inlet"', 23.0),
    "citydc_dew_point_celsius": ('site="{site}",rack="a1",place="inlet"', 12.0),
    "citydc_inlet_within_envelope": ('site="{site}",rack="a1",envelope="recommended"', 1.0),
    "citydc_collector_up": ('site="{site}",device="ups-a"', 1.0),
    "citydc_collector_age_seconds": ('site="{site}",device="ups-a"', 12.0),
    "citydc_meter_imbalance": ('site="{site}",node="ups-a"', 0.0),
    "citydc_indicator": (ABOUT, 1.45),
    "citydc_indicator_lower": (ABOUT, 1.43),
    "citydc_indicator_upper": (ABOUT, 1.47),
    "citydc_indicator_coverage_ratio": (ABOUT, 0.99),
    "citydc_indicator_estimated_ratio": (ABOUT, 0.01),
    "citydc_probe_success": (PROBED, 1.0),
    "citydc_probe_duration_seconds": (PROBED, 0.05),
    "citydc_certificate_expiry_timestamp_seconds": (PROBED, 4e9),
    "citydc_observer_self_check_success": (
        'observer="{site}",site="{site}",check="gateway",family="ipv4"',
        1.0,
    ),
    "citydc_replication_lag_seconds": (DATABASE + ',site="{site}",server="lgsp-bus-1"', 2.0),
    "citydc_failover_headroom_ratio": ('site="{site}",resource="ram"', 0.3),
    "citydc_capacity_used": ('site="{site}",resource="ram",scope="zone",name="az1"', 40.0),
    "citydc_capacity_limit": ('site="{site}",resource="ram",scope="zone",name="az1"', 100.0),
}
SINGLE = {
    "citydc_ledger_up": ("", 1.0),
    "citydc_target": ('target="pue",indicator="PUE",comparison="<=",unit="1"', 1.5),
    "citydc_availability_ratio": (SHARES, 0.999),
    "citydc_availability_ratio_lower": (SHARES, 0.998),
    "citydc_availability_ratio_upper": (SHARES, 1.0),
    "citydc_availability_objective_ratio": ('service="lgsp"', 0.995),
    "citydc_error_budget_remaining_ratio": ('service="lgsp"', 0.8),
    "citydc_backup_age_seconds": (DATABASE, 3600.0),
    "citydc_restore_verified_timestamp_seconds": (DATABASE, 1.7e9),
    "citydc_drill_timestamp_seconds": ('service="lgsp"', 1.7e9),
}
STATES = {"good": 0.998, "bad": 0.001, "unknown": 0.001}
NODES = ("utility-a", "ups-a", "ups-b", "pdu-a1-a")


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
    """Yield all, those of one metric after another."""
    for name, (labels, rate) in COUNTERS.items():
        for text in _spread(labels):
            yield Series(name, text, 1e6, rate)
    for state, share in STATES.items():
        text = f'service="lgsp",family="ipv4",state="{state}"'
        yield Series("citydc_availability_seconds_total", text, 0.0, share)
    for name, (labels, level) in (*GAUGES.items(), *SINGLE.items()):
        for text in dict.fromkeys(_spread(labels)):
            yield Series(name, text, level)


def live(time: float, now: float) -> str:
    """Return what exporters show at a time, where the history ended at `now`."""
    start = times(now)[0]
    return "".join(f"{one.mark()} {one.at(time, start):.6f}\n" for one in series())


def _spread(labels: str) -> Iterator[str]:
    for site in ("main", "backup"):
        for node in NODES if "{node}" in labels else ("",):
            yield labels.replace("{site}", site).replace("{node}", node)


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
