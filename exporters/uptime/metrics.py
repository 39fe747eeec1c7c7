"""The uptime exporter's metrics (docs/availability.md)."""

from collections.abc import Mapping

from catalogue.model import Service
from exporters.families import Families, Family
from exporters.uptime import availability
from exporters.uptime.availability import KINDS, WINDOWS, Seconds, Window
from exporters.uptime.observer import Latest
from exporters.uptime.settling import SELF
from exporters.uptime.states import Seen, State
from exporters.uptime.targets import Target

Counts = Mapping[tuple[str, str], Seconds]
"""Seconds by service and family."""


class Metrics(Families):
    """All families; what has no value is absent."""

    def __init__(self, observer: str) -> None:
        self._observer = observer
        probed = ("service", "target", "kind", "family", "observer")
        self.success = Family(
            "citydc_probe_success",
            "gauge",
            "Whether the last probe found the target good; absent where it says nothing of it.",
            probed,
        )
        self.duration = Family(
            "citydc_probe_duration_seconds", "gauge", "How long it took.", probed, "seconds"
        )
        self.expiry = Family(
            "citydc_certificate_expiry_timestamp_seconds",
            "gauge",
            "When the certificate expires that the target shows, trusted or not.",
            probed,
            "seconds",
        )
        self.self_check = Family(
            "citydc_observer_self_check_success",
            "gauge",
            "Whether the observer's own path to a site is proved whole.",
            ("observer", "site", "check", "family"),
        )
        self.peer_up = Family(
            "citydc_observer_peer_up",
            "gauge",
            "Whether the other observer told what it sees when it was asked last.",
            ("observer", "peer"),
        )
        self.seconds = Family(
            "citydc_availability_seconds",
            "counter",
            "Seconds that a service was good, bad, unknown or out for declared maintenance.",
            ("service", "family", "state"),
            "seconds",
        )
        counted = ("service", "family", "window", "kind")
        self.ratio = Family(
            "citydc_availability_ratio",
            "gauge",
            "Good time as a share of known time; net: of known time without maintenance.",
            counted,
            "ratio",
        )
        self.ratio_lower = Family(
            "citydc_availability_ratio_lower",
            "gauge",
            "The same, with all that is unknown counted as bad.",
            counted,
        )
        self.ratio_upper = Family(
            "citydc_availability_ratio_upper",
            "gauge",
            "The same, with all that is unknown counted as good.",
            counted,
        )
        self.objective = Family(
            "citydc_availability_objective_ratio",
            "gauge",
            "What the catalogue promises of a month.",
            ("service",),
            "ratio",
        )
        self.budget = Family(
            "citydc_error_budget_remaining_ratio",
            "gauge",
            "What is left of this month's error budget in the worse family; below 0: overspent.",
            ("service",),
            "ratio",
        )
        self.budget_lower = Family(
            "citydc_error_budget_remaining_ratio_lower",
            "gauge",
            "The same, with all that is unknown counted as bad.",
            ("service",),
        )

    def probed(self, target: Target, latest: Latest) -> None:
        """Show a probe."""
        outcome = latest.outcome
        if target.service == SELF:
            labels: tuple[str, ...] = (self._observer, target.site, target.name, target.family)
            self.self_check.set(labels, outcome.seen is Seen.GOOD)
            return
        labels = (target.service, target.label, target.kind, target.family, self._observer)
        self.duration.set(labels, latest.duration_s)
        if outcome.seen is Seen.UNKNOWN:
            self.success.drop(labels)
        else:
            self.success.set(labels, outcome.seen is Seen.GOOD)
        if outcome.expiry is not None:
            self.expiry.set(labels, outcome.expiry)

    def promised(self, services: Mapping[str, Service]) -> None:
        """Show the objectives."""
        for one in services.values():
            self.objective.set((one.id,), one.availability / 100)

    def counted(
        self,
        totals: Counts,
        windows: Mapping[Window, Counts],
        elapsed: Mapping[Window, int],
        month_s: int,
        services: Mapping[str, Service],
    ) -> None:
        """Show what was counted: in all, and in each calendar window with its seconds so far."""
        for (service, family), seconds in totals.items():
            for state in State:
                self.seconds.set((service, family, state.value), getattr(seconds, state.value))
        for one in (self.ratio, self.ratio_lower, self.ratio_upper, self.budget, self.budget_lower):
            one.clear()
        for window in WINDOWS:
            for (service, family), seconds in windows[window].items():
                self._availability(service, family, window, seconds.over(elapsed[window]))
        for service in {service for service, _ in windows["month"]} & set(services):
            self._budget(
                services[service],
                [
                    seconds.over(elapsed["month"])
                    for (name, _), seconds in windows["month"].items()
                    if name == service
                ],
                month_s,
            )

    def _availability(self, service: str, family: str, window: Window, seconds: Seconds) -> None:
        for kind in KINDS:
            found = availability.availability(seconds, kind)
            if found:
                labels = (service, family, window, kind)
                self.ratio.set(labels, found.value)
                self.ratio_lower.set(labels, found.lower)
                self.ratio_upper.set(labels, found.upper)

    def _budget(self, service: Service, families: list[Seconds], month_s: int) -> None:
        left = [
            one
            for seconds in families
            if (one := availability.budget_left(seconds, service.availability, month_s))
        ]
        if left:
            self.budget.set((service.id,), min(one.value for one in left))
            self.budget_lower.set((service.id,), min(one.lower for one in left))
