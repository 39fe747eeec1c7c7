"""The figures that the lab's Prometheus knows, as tables."""

from citydc import console
from lab.monitoring.figures import Figures, Indicator

UNITS = {"WUE": " L/kWh", "CUE": " kg/kWh"}


def show(found: Figures) -> None:
    """Print the figures."""
    console.table(
        ("site", "indicator", "value", "from", "to", "of the month"),
        [_indicator(one) for one in found["indicators"]],
    )
    console.say()
    if found["availability"]:
        console.table(
            ("service", "family", "now", "gross (from, to)", "net (from, to)"),
            [
                (
                    one["service"],
                    one["family"],
                    one["now"] or "-",
                    _ratio(one["gross"]),
                    _ratio(one["net"]),
                )
                for one in found["availability"]
            ],
        )
        console.say()
    console.table(
        ("devices", *sorted({one["protocol"] for one in found["collectors"]})),
        [
            (
                site,
                *(
                    f"{one['up']} of {one['devices']} up"
                    for one in found["collectors"]
                    if one["site"] == site
                ),
            )
            for site in dict.fromkeys(one["site"] for one in found["collectors"])
        ],
    )
    for title, values in (
        ("Failover headroom", {name: f"{one:.0%}" for name, one in found["headroom"].items()}),
        (
            "Replication lag",
            {name: f"{one:.1f} s" for name, one in found["replication_lag_s"].items()},
        ),
    ):
        if values:
            console.say(f"{title}: {', '.join(f'{name} {one}' for name, one in values.items())}")
    silent = [name for name, up in found["exporters"].items() if not up]
    if silent:
        console.say(f"Exporters that don't answer: {', '.join(silent)}")
    console.say(f"Alerts that fire: {', '.join(found['alerts']) or 'none'}")


def _indicator(one: Indicator) -> tuple[str, ...]:
    name = f"{one['kind']} {one['indicator']}".strip()
    if one["category"]:
        name += f", category {one['category']}"
    value, lower, upper, coverage = (one[key] for key in ("value", "lower", "upper", "coverage"))
    if value is None or lower is None or upper is None or coverage is None:
        return (one["site"], name, f"untold: {one['untold']}", "-", "-", "-")
    unit = UNITS.get(one["indicator"], "")
    return (
        one["site"],
        name,
        f"{value:.3f}{unit}",
        f"{lower:.3f}",
        f"{upper:.3f}",
        f"{coverage:.3%}",
    )


def _ratio(found: tuple[float, float, float] | None) -> str:
    if found is None:
        return "-"
    value, lower, upper = found
    return f"{value:.3%} ({lower:.3%}, {upper:.3%})"
