"""What Prometheus knows now: indicators, availability, collectors, headroom, replication."""

from collections.abc import Iterable
from typing import TypedDict

import catalogue
from exporters.devices.profile import named
from lab.monitoring.asking import Series, ask

INDICATORS = ("PUE", "WUE", "CUE", "REF", "ERF")
WINDOW = "month"
COUNTED = "1m"
"""Of the last minute that is counted, the commonest state is the one that a service has now."""


class Indicator(TypedDict):
    """An indicator of a site; `value` and its bounds are None where it can't be told."""

    site: str
    indicator: str
    kind: str
    category: str
    window: str
    value: float | None
    lower: float | None
    upper: float | None
    coverage: float | None
    untold: str


class Availability(TypedDict):
    """A service in one family: its state now, and ratios of the month with bounds."""

    service: str
    family: str
    now: str
    gross: tuple[float, float, float] | None
    net: tuple[float, float, float] | None
    """Value, lower, upper."""


class Collectors(TypedDict):
    """How many of a site's devices of a protocol are read."""

    site: str
    protocol: str
    up: int
    devices: int


class Figures(TypedDict):
    """All of it; what no exporter tells is empty."""

    exporters: dict[str, bool]
    indicators: list[Indicator]
    availability: list[Availability]
    collectors: list[Collectors]
    headroom: dict[str, float]
    """By site and resource, as a ratio."""
    replication_lag_s: dict[str, float]
    """By service and database."""
    alerts: list[str]
    """Those that fire."""


def told(found: Figures) -> bool:
    """Say whether there is a PUE of every site."""
    sites = {one["site"] for one in found["indicators"]}
    known = [one for one in found["indicators"] if one["indicator"] == "PUE" and one["value"]]
    return bool(sites) and len(known) == len(sites)


def read(prometheus: str) -> Figures:
    """Return the figures of a Prometheus at that address.  Raise OutsideError if it is not up."""
    return {
        "exporters": {
            f"{one.labels['job']} {one.labels['instance']}": bool(one.value)
            for one in ask(prometheus, "up")
        },
        "indicators": _indicators(prometheus),
        "availability": availability(prometheus),
        "collectors": _collectors(prometheus),
        "headroom": {
            f"{one.labels['site']} {one.labels['resource']}": one.value
            for one in ask(prometheus, "citydc_failover_headroom_ratio")
        },
        "replication_lag_s": {
            f"{one.labels['service']} {one.labels['database']}": one.value
            for one in ask(
                prometheus, "max by (service, database) (citydc_replication_lag_seconds)"
            )
        },
        "alerts": sorted(
            " ".join(
                one.labels[name]
                for name in ("alertname", "site", "node", "service", "family", "device", "job")
                if name in one.labels
            )
            for one in ask(prometheus, 'ALERTS{alertstate="firing"}')
        ),
    }


def _indicators(prometheus: str) -> list[Indicator]:
    chosen = f'{{indicator=~"{"|".join(INDICATORS)}",window="{WINDOW}"}}'
    values, lower, upper, coverage = (
        _by(("site", "indicator"), ask(prometheus, f"citydc_indicator{suffix}{chosen}"))
        for suffix in ("", "_lower", "_upper", "_coverage_ratio")
    )
    untold = _by(("site", "indicator"), ask(prometheus, f"citydc_indicator_untold{chosen}"))
    found: list[Indicator] = []
    for key in sorted(
        {*values, *untold}, key=lambda one: (one[0] != "main", INDICATORS.index(one[1]))
    ):
        labels = (values.get(key) or untold[key]).labels
        found.append(
            {
                "site": key[0],
                "indicator": key[1],
                "kind": labels.get("kind", ""),
                "category": labels.get("category", "") if key[1] == "PUE" else "",
                "window": WINDOW,
                "value": _value(values.get(key)),
                "lower": _value(lower.get(key)),
                "upper": _value(upper.get(key)),
                "coverage": _value(coverage.get(key)),
                "untold": untold[key].labels.get("reason", "") if key in untold else "",
            }
        )
    return found


def availability(prometheus: str) -> list[Availability]:
    """Return the services' states and ratios.  Raise OutsideError if Prometheus is not up."""
    names = ("service", "family")
    states: dict[tuple[str, ...], Series] = {}
    query = (
        "max by (service, family, state)"
        f" (increase(citydc_availability_seconds_total[{COUNTED}])) > 0"
    )
    for one in sorted(ask(prometheus, query), key=lambda one: one.value):
        states[tuple(one.labels[name] for name in names)] = one
    ratios = {
        (kind, suffix): _by(
            names,
            ask(
                prometheus,
                f"max by (service, family) (citydc_availability_ratio{suffix}"
                f'{{window="{WINDOW}",kind="{kind}"}})',
            ),
        )
        for kind in ("gross", "net")
        for suffix in ("", "_lower", "_upper")
    }
    keys = {*states, *(key for several in ratios.values() for key in several)}

    def of(kind: str, key: tuple[str, ...]) -> tuple[float, float, float] | None:
        value, lower, upper = (ratios[kind, one].get(key) for one in ("", "_lower", "_upper"))
        return (value.value, lower.value, upper.value) if value and lower and upper else None

    return [
        {
            "service": key[0],
            "family": key[1],
            "now": states[key].labels["state"] if key in states else "",
            "gross": of("gross", key),
            "net": of("net", key),
        }
        for key in sorted(keys)
    ]


def _collectors(prometheus: str) -> list[Collectors]:
    up = _by(("site", "device"), ask(prometheus, "citydc_collector_up"))
    found: dict[tuple[str, str], Collectors] = {}
    for site in catalogue.load().sites.values():
        for device in site.devices:
            protocol = named(device.profile).protocol
            one = found.setdefault(
                (site.id, protocol),
                {"site": site.id, "protocol": protocol, "up": 0, "devices": 0},
            )
            one["devices"] += 1
            one["up"] += int(bool(_value(up.get((site.id, device.id)))))
    return sorted(found.values(), key=lambda one: (one["site"] != "main", one["protocol"]))


def _by(names: tuple[str, ...], several: Iterable[Series]) -> dict[tuple[str, ...], Series]:
    return {tuple(one.labels.get(name, "") for name in names): one for one in several}


def _value(one: Series | None) -> float | None:
    return None if one is None else one.value
