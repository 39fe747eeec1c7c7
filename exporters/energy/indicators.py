"""
The indicators of ISO/IEC 30134 as pure functions of amounts with bounds.

Each part of the series defines its indicator in clause 5 ("Determination of ..."); energies are
in kWh there and in J here, which a ratio does not show.  A figure of less than twelve continuous
months is an interim one (ISO/IEC 30134-2, clause 5 and annex on derivatives: iPUE).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from exporters.ledger import Sums

KWH = 3.6e6
"""J in a kWh."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value, at least `lower` and at most `upper`."""

    value: float
    lower: float
    upper: float
    coverage: float
    """Of the window, the share that is measured: of several meters, the least."""
    estimated: float
    """Of the amounts, the share that is estimated: of several amounts, the greatest."""

    def times(self, factor: float) -> "Figure":
        """Return the figure in another unit."""
        return Figure(
            self.value * factor,
            self.lower * factor,
            self.upper * factor,
            self.coverage,
            self.estimated,
        )


@dataclass(frozen=True, slots=True)
class Untold:
    """An indicator that can't be computed, and why."""

    why: str


Told = Figure | Untold


def amount(meters: Sequence[Sums], seconds: float) -> Figure:
    """Return the sum of what passed several meters in a window of so many seconds."""
    value = sum(one.amount for one in meters)
    estimated = sum(one.estimated for one in meters)
    slack = sum(one.slack for one in meters)
    return Figure(
        value,
        max(0.0, sum(one.lower for one in meters) - slack),
        sum(one.upper for one in meters) + slack,
        min((min(1.0, max(0.0, one.seconds / seconds)) for one in meters), default=0.0),
        min(1.0, max(0.0, estimated / value)) if value > 0 else 0.0,
    )


def added(*figures: Figure) -> Figure:
    """Return the sum of independent amounts of one unit."""
    value = sum(one.value for one in figures)
    return Figure(
        value,
        sum(one.lower for one in figures),
        sum(one.upper for one in figures),
        min(one.coverage for one in figures),
        max(one.estimated for one in figures),
    )


def less(figure: Figure, taken: Figure) -> Figure:
    """Return what is left of an amount; bounds as wide as both together."""
    return Figure(
        figure.value - taken.value,
        max(0.0, figure.lower - taken.upper),
        max(0.0, figure.upper - taken.lower),
        min(figure.coverage, taken.coverage),
        max(figure.estimated, taken.estimated),
    )


def ratio(above: Figure, below: Figure) -> Told:
    """Return a ratio whose bounds hold whatever the errors of both, or why there is none."""
    if below.value <= 0 or below.lower <= 0:
        return Untold("what it would be divided by may be zero in this window")
    return Figure(
        above.value / below.value,
        above.lower / below.upper,
        above.upper / below.lower,
        min(above.coverage, below.coverage),
        max(above.estimated, below.estimated),
    )


def pue(total: Figure, it: Figure) -> Told:
    """
    Return power usage effectiveness: total energy by IT energy (ISO/IEC 30134-2, clause 5).

    It has a category (1, 2 or 3) by where IT energy is measured, without which it is no PUE.  By
    definition at least 1, which bounds it from below as well.
    """
    told = ratio(total, it)
    if isinstance(told, Untold):
        return told
    lower = min(max(1.0, told.lower), max(told.upper, told.value))
    return Figure(told.value, min(lower, told.value), told.upper, told.coverage, told.estimated)


def ref(renewable: Figure, total: Figure) -> Told:
    """
    Return the renewable energy factor: renewable by total energy (ISO/IEC 30134-3, clause 5).

    Only what is generated on site is metered; certificates are not in the catalogue, so with them
    the factor is higher.
    """
    return ratio(renewable, total)


def iteesv() -> Told:
    """Return IT equipment energy efficiency for servers (ISO/IEC 30134-4, clause 5): untold."""
    return Untold("it needs each server's benchmark result and maximum power, which nobody gave")


def iteusv() -> Told:
    """Return IT equipment utilization for servers (ISO/IEC 30134-5, clause 5): untold."""
    return Untold("it needs each server's CPU utilization, which no device here measures")


def erf(reused: Figure, total: Figure) -> Told:
    """Return the energy reuse factor: reused by total energy (ISO/IEC 30134-6, clause 5)."""
    return ratio(reused, total)


def cer(removed: Figure, cooling: Figure) -> Told:
    """
    Return the cooling efficiency ratio (ISO/IEC 30134-7, clause 5).

    Heat removed from the data centre by the energy that its cooling systems consume.
    """
    return ratio(removed, cooling)


def cue(carbon: Figure, it: Figure) -> Told:
    """
    Return carbon usage effectiveness, kg CO2 / kWh (ISO/IEC 30134-8, clause 5).

    `carbon` in kg, of all energy that enters; `it` in J.
    """
    return ratio(carbon, it.times(1 / KWH))


def wue(water: Figure, it: Figure) -> Told:
    """Return water usage effectiveness, L/kWh (ISO/IEC 30134-9, clause 5); `it` in J."""
    return ratio(water, it.times(1 / KWH))
