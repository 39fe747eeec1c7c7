"""What sensors say of the air: of several at a place the highest, and the dew point by formula."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalogue.model import Sensor
from exporters.readings import Quantity, Reading

_SPREAD, _BASE = 17.62, 243.12  # Magnus over water, WMO-No. 8 (2014), annex 4.B


@dataclass(frozen=True, slots=True)
class Air:
    """°C, °C and a ratio; None where it is not known."""

    temperature: float | None
    dew_point: float | None
    humidity: float | None


def dew_point(temperature: float, humidity: float) -> float:
    """
    Return the dew point in °C of air at `temperature` (°C) and `humidity` (a ratio, above 0).

    The Magnus formula of WMO-No. 8; within 0.1 K from 0 to 50 °C.
    """
    term = math.log(humidity) + _SPREAD * temperature / (_BASE + temperature)
    return _BASE * term / (_SPREAD - term)


def read(sensor: Sensor, readings: Sequence[Reading]) -> Air:
    """Return what a device's readings say of a sensor's air; what is impossible is left out."""
    values: Mapping[Quantity, float] = {
        one.point.quantity: one.value
        for one in readings
        if one.point.channel == sensor.channel
        and one.value is not None
        and (one.point.low is None or one.value >= one.point.low)
        and (one.point.high is None or one.value <= one.point.high)
        and math.isfinite(one.value)
    }
    temperature = values.get(Quantity.TEMPERATURE)
    humidity = values.get(Quantity.HUMIDITY)
    dew = values.get(Quantity.DEW_POINT)
    if dew is None and temperature is not None and humidity is not None and 0 < humidity <= 1:
        dew = dew_point(temperature, humidity)
    return Air(temperature, dew, humidity)


def highest(several: Sequence[Air]) -> Air:
    """Return of each quantity the highest."""

    def most(values: Sequence[float | None]) -> float | None:
        return max((one for one in values if one is not None), default=None)

    return Air(
        most([one.temperature for one in several]),
        most([one.dew_point for one in several]),
        most([one.humidity for one in several]),
    )
