"""The weather of Hanoi at any time, from climate normals and seeded noise."""

from typing import NamedTuple

import numpy as np

from lab.plant.noise import Array, lattice

DAY_S = 86400
LOCAL_S = 7 * 3600  # Asia/Ho_Chi_Minh, without summer time
WARMEST_HOUR = 15
MONTH_S = 30.436875 * DAY_S

# Month by month: mean temperature, mean daily maximum and minimum (°C), mean relative humidity (%).
# After QCVN 02:2022/BXD, station Láng, rounded; to be confirmed against the regulation's tables.
NORMALS = np.array(
    [
        (16.6, 20.0, 14.4, 79),
        (17.7, 20.9, 15.7, 82),
        (20.3, 23.4, 18.3, 84),
        (24.2, 27.8, 21.8, 84),
        (27.6, 31.9, 24.7, 81),
        (29.3, 33.4, 26.6, 79),
        (29.4, 33.4, 26.7, 80),
        (28.7, 32.6, 26.3, 82),
        (27.7, 31.5, 25.3, 80),
        (25.3, 29.2, 22.7, 77),
        (21.9, 25.9, 19.3, 76),
        (18.3, 22.3, 15.8, 76),
    ]
).T


class Weather(NamedTuple):
    """Outdoor air, element by element of the times asked for: °C, and a ratio."""

    temperature: Array
    humidity: Array
    dew_point: Array
    wet_bulb: Array


def at(times: Array, seed: int) -> Weather:
    """Return the weather at `times` (s since 1970 UTC)."""
    local = times + LOCAL_S
    mean, maximum, minimum, humidity = (_through_the_year(local, row) for row in NORMALS)
    hour = local % DAY_S / 3600
    swing = (maximum - minimum) / 2 * np.cos(2 * np.pi * (hour - WARMEST_HOUR) / 24)
    front = 2.5 * lattice(seed, "front", times, 4 * DAY_S)
    gust = 0.4 * lattice(seed, "gust", times, 3600)
    temperature = mean + swing + front + gust
    # The air mass keeps its moisture through the day: relative humidity follows from temperature.
    moisture = 1.5 * lattice(seed, "moisture", times, 3 * DAY_S)
    dew_point = np.minimum(dew_point_of(mean + front, humidity / 100) + moisture, temperature)
    ratio = vapour_pressure(dew_point) / vapour_pressure(temperature)
    return Weather(temperature, ratio, dew_point, wet_bulb_of(temperature, ratio))


def vapour_pressure(temperature: Array) -> Array:
    """Return the saturation pressure over water in hPa (Magnus; WMO-No. 8, annex 4.B)."""
    return np.asarray(6.112 * np.exp(17.62 * temperature / (243.12 + temperature)))


def dew_point_of(temperature: Array, humidity: Array) -> Array:
    """Return the dew point in °C (Magnus, inverted)."""
    root = np.log(humidity * vapour_pressure(temperature) / 6.112)
    return np.asarray(243.12 * root / (17.62 - root))


def wet_bulb_of(temperature: Array, humidity: Array) -> Array:
    """
    Return the wet-bulb temperature in °C at sea level.

    Stull 2011, doi:10.1175/JAMC-D-11-0143.1: within 1 K for 5 to 99 % and -20 to 50 °C.
    """
    percent = humidity * 100
    return np.asarray(
        temperature * np.arctan(0.151977 * np.sqrt(percent + 8.313659))
        + np.arctan(temperature + percent)
        - np.arctan(percent - 1.676331)
        + 0.00391838 * percent**1.5 * np.arctan(0.023101 * percent)
        - 4.686035
    )


def _through_the_year(local: Array, monthly: Array) -> Array:
    """Return the normals between the middles of the months."""
    return np.asarray(np.interp(local / MONTH_S % 12 - 0.5, range(12), monthly, period=12))
