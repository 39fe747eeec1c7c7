"""
What a device said, in base units: where reading devices ends and counting begins.

A reading says what was read and when, never what it means: whether it counts is decided later.
"""

from dataclasses import dataclass
from enum import StrEnum


class Quantity(StrEnum):
    """What is measured; the unit is fixed by the quantity."""

    ENERGY = "energy"
    """A register that counts up, J."""
    POWER = "power"
    """Active power, W."""
    VOLUME = "volume"
    """A register that counts up, L; of water or of fuel."""
    FLOW = "flow"
    """L/s."""
    TEMPERATURE = "temperature"
    """°C."""
    DEW_POINT = "dew-point"
    """°C."""
    HUMIDITY = "humidity"
    """Relative, as a ratio."""
    VOLTAGE = "voltage"
    """V."""
    CURRENT = "current"
    """A."""
    FREQUENCY = "frequency"
    """Hz."""
    POWER_FACTOR = "power-factor"
    """As a ratio."""
    LOAD = "load"
    """Of what the device can carry, as a ratio."""
    CHARGE = "charge"
    """Of a battery, as a ratio."""
    RUNTIME = "runtime"
    """What a battery lasts at the present load, s."""


@dataclass(frozen=True, slots=True)
class Point:
    """Something that a device measures, as its profile describes it."""

    quantity: Quantity
    channel: str = ""
    """Which of several: "L1", "outlet-7", "inlet"; empty for the device as a whole."""
    modulus: float | None = None
    """Where a register starts again at zero, in the quantity's unit."""
    low: float | None = None
    high: float | None = None
    """What the device can measure, in the quantity's unit."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one point."""

    device: str
    """Its id in the catalogue."""
    point: Point
    value: float | None
    """In the quantity's unit; None where the device says "not available"."""
    raw: str
    """As the device gave it, before unit and scale."""
    time: float
    """When it was read, s since 1970 UTC, by the reader's clock."""
