"""
The energy exporter's metric families.

Cardinality is bounded by the catalogue: a series for each meter, device (times its few verdicts and
reasons), sensor place, target, indicator and window, and service at a site.  No label comes from
what a device says.
"""

from collections.abc import Mapping

from catalogue.model import Catalogue
from exporters.energy.books import Account
from exporters.energy.indicators import Told, Untold
from exporters.energy.states import Verdict
from exporters.families import Families, Family

_INDICATOR = ("site", "indicator", "category", "window", "kind")


class Metrics(Families):
    """All families."""

    def __init__(self) -> None:
        node, place = ("site", "node"), ("site", "rack", "place")
        self.energy = Family(
            "citydc_energy_joules",
            "counter",
            "Energy that passed a meter since its counting began, as the ledger has it.",
            (*node, "carrier"),
            "joules",
        )
        self.power = Family(
            "citydc_power_watts", "gauge", "Power at a meter as last read.", node, "watts"
        )
        self.water = Family(
            "citydc_water_litres", "counter", "Water that passed a meter.", node, "litres"
        )
        self.fuel = Family(
            "citydc_fuel_litres", "counter", "Fuel that passed a meter.", node, "litres"
        )
        self.unmetered = Family(
            "citydc_unmetered_energy_joules",
            "counter",
            "What meters show beyond those below them: losses, and what has no meter.",
            node,
            "joules",
        )
        self.imbalance = Family(
            "citydc_meter_imbalance",
            "gauge",
            "1 where meters showed more in the last hour than those above them, beyond all bounds.",
            node,
        )
        self.temperature = Family(
            "citydc_temperature_celsius",
            "gauge",
            "Air temperature; of several sensors at a place the highest.",
            place,
            "celsius",
        )
        self.dew_point = Family(
            "citydc_dew_point_celsius",
            "gauge",
            "Dew point, measured or of temperature and humidity; of several the highest.",
            place,
            "celsius",
        )
        self.humidity = Family(
            "citydc_relative_humidity_ratio",
            "gauge",
            "Relative humidity; of several sensors at a place the highest.",
            place,
            "ratio",
        )
        self.envelope = Family(
            "citydc_inlet_within_envelope",
            "gauge",
            "1 where a rack's inlet air is within an ASHRAE TC 9.9 envelope, by the targets.",
            ("site", "rack", "envelope"),
        )
        device = ("site", "device")
        self.up = Family(
            "citydc_collector_up", "gauge", "1 where the last reading of a device worked.", device
        )
        self.duration = Family(
            "citydc_collector_duration_seconds",
            "gauge",
            "How long the last reading of a device took.",
            device,
            "seconds",
        )
        self.age = Family(
            "citydc_collector_age_seconds",
            "gauge",
            "How long ago a device was last read well.",
            device,
            "seconds",
        )
        self.failures = Family(
            "citydc_collector_failures",
            "counter",
            "Readings of a device that failed, by reason, since the exporter started.",
            (*device, "reason"),
        )
        self.readings = Family(
            "citydc_readings",
            "counter",
            "Readings of meters by verdict, since the exporter started.",
            (*device, "verdict"),
        )
        about = "of an ISO/IEC 30134 indicator of a window; without twelve months it is interim."
        self.indicator = Family("citydc_indicator", "gauge", f"Value {about}", _INDICATOR)
        self.lower = Family("citydc_indicator_lower", "gauge", f"Lower bound {about}", _INDICATOR)
        self.upper = Family("citydc_indicator_upper", "gauge", f"Upper bound {about}", _INDICATOR)
        self.coverage = Family(
            "citydc_indicator_coverage_ratio",
            "gauge",
            "Share of the window so far that is measured, of the least covered meter.",
            _INDICATOR,
            "ratio",
        )
        self.estimated = Family(
            "citydc_indicator_estimated_ratio",
            "gauge",
            "Share of the amounts in an indicator that is estimated.",
            _INDICATOR,
            "ratio",
        )
        self.untold = Family(
            "citydc_indicator_untold",
            "gauge",
            "1 for an indicator that can't be computed, with the reason.",
            ("site", "indicator", "window", "reason"),
        )
        self.target = Family(
            "citydc_target",
            "gauge",
            "A figure that the catalogue holds sites and services against, or compares them with.",
            ("target", "indicator", "comparison", "unit", "kind"),
        )
        service = ("service", "agency", "site", "basis")
        self.service_energy = Family(
            "citydc_service_energy_joules",
            "counter",
            "IT energy of a site allocated to a service; the rest is unallocated.",
            service,
            "joules",
        )
        self.service_carbon = Family(
            "citydc_service_co2_grams",
            "counter",
            "CO2 of a site's energy allocated to a service.",
            service,
            "grams",
        )
        self.service_water = Family(
            "citydc_service_water_litres",
            "counter",
            "Water of a site allocated to a service.",
            service,
            "litres",
        )
        self.ledger = Family(
            "citydc_ledger_up",
            "gauge",
            "1 where the ledger could be written and read last.",
            (),
        )
        self._told: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._counts: dict[tuple[str, tuple[str, ...]], float] = {}

    def clear(self) -> None:
        """Drop every series; what this process has counted is remembered."""
        for one in self.families():
            one.clear()

    def count(self, family: Family, labels: tuple[str, ...], more: float = 1) -> None:
        """Add to a counter of this process."""
        key = (family.name, labels)
        self._counts[key] = self._counts.get(key, 0) + more
        family.set(labels, self._counts[key])

    def counted(self, account: Account) -> None:
        """Show a meter's total, and its rate if it has one."""
        site, _, node = account.subject.partition("/")
        carrier = account.meter.carrier
        litres = {"water": self.water, "fuel": self.fuel}.get(carrier)
        if litres is not None:
            litres.set((site, node), account.shown)
            return
        self.energy.set((site, node, carrier), account.shown)
        if account.rate is None:
            self.power.drop((site, node))
        else:
            self.power.set((site, node), account.rate)

    def judged(self, site: str, device: str, verdicts: Mapping[Verdict, int]) -> None:
        """Count what was thought of a device's readings."""
        for verdict, number in verdicts.items():
            self.count(self.readings, (site, device, verdict), number)

    def told(self, labels: tuple[str, ...], told: Told) -> None:
        """Show an indicator (by site, indicator, category, window, kind), or why there is none."""
        site, indicator, _, window, _ = labels
        figures = (self.indicator, self.lower, self.upper, self.coverage, self.estimated)
        before = self._told.get((site, indicator, window))
        for family in (*figures, self.untold) if before else ():
            family.drop(before or ())
        if isinstance(told, Untold):
            labels = (site, indicator, window, told.why)
            self.untold.set(labels, 1)
        else:
            values = (told.value, told.lower, told.upper, told.coverage, told.estimated)
            for family, value in zip(figures, values, strict=True):
                family.set(labels, value)
        self._told[site, indicator, window] = labels

    def targets(self, catalogue: Catalogue) -> None:
        """Show the catalogue's targets."""
        for one in catalogue.targets.targets:
            kind = "reference" if one.reference else "target"
            self.target.set((one.id, one.indicator, one.comparison, one.unit, kind), one.value)
