"""What a device of the catalogue measures: each quantity of each channel, from the truth."""

import re
import zlib

from catalogue.model import Device, Meter, Sensor, Site
from exporters.readings import Quantity
from lab.plant.faults import Number
from lab.plant.truth import Truth

KWH = 3_600_000
VOLT, POWER_FACTOR = 230.0, 0.96
STEADY = {
    Quantity.VOLTAGE: VOLT,
    Quantity.FREQUENCY: 50.0,
    Quantity.POWER_FACTOR: POWER_FACTOR,
    Quantity.CHARGE: 1.0,
}
SMALL_UPS_W = 1000  # what a UPS carries that is none of the site's
SMALL_UPS_RUNTIME_S = 1800.0
AIR = {Quantity.TEMPERATURE, Quantity.DEW_POINT, Quantity.HUMIDITY}
USED_BEFORE = 50_000  # kWh or m³ that a register may hold when the truth begins
PHASES = 3
OUTLETS = 24


class Instrument:
    """
    A device: its channels follow the meters and sensors that read them.

    A channel that none reads shows its part of the whole: a phase a third, an outlet its share.
    """

    def __init__(self, site: Site, device: Device, truth: Truth) -> None:
        self.device = device
        self._truth = truth
        self._meters = {
            one.reads.channel: one
            for one in site.meters
            if one.reads and one.reads.device == device.id
        }
        self._sensors = {one.channel: one for one in site.sensors if one.device == device.id}
        named = [one for one in site.meters if one.id == device.id]
        self._whole: Meter | None = next(iter(self._meters.values()), next(iter(named), None))
        self._racks = [one.rack for one in self._meters.values() if one.rack]

    @property
    def channels(self) -> set[str]:
        """The channels that meters and sensors of the catalogue read."""
        return set(self._meters) | set(self._sensors)

    def value(self, quantity: Quantity, channel: str, time: Number) -> float | None:
        """Return the figure in the quantity's unit; None where the device measures no such."""
        if quantity in AIR:
            return self._air(quantity, channel, time)
        if quantity in STEADY:
            return STEADY[quantity]
        meter, share = self._measured(channel)
        if meter is None:
            return None
        if quantity in {Quantity.LOAD, Quantity.RUNTIME} or channel == "input":
            return self._ups(quantity, meter, time)
        found = self._flow(quantity, meter, time)
        return None if found is None else found * share

    def _ups(self, quantity: Quantity, meter: Meter, time: Number) -> float:
        if meter.place != "ups-output":
            power = self._truth.power_w(meter.id, time)
            return power / SMALL_UPS_W if quantity is Quantity.LOAD else SMALL_UPS_RUNTIME_S
        if quantity is Quantity.LOAD:
            return self._truth.ups_load(meter.id, time)
        if quantity is Quantity.POWER:
            return self._truth.ups_input_w(meter.id, time)
        return self._truth.runtime_s(meter.id, time)

    def _flow(self, quantity: Quantity, meter: Meter, time: Number) -> float | None:
        truth = self._truth
        ratio = meter.reads.ct_ratio if meter.reads else 1
        used = zlib.crc32(self.device.id.encode()) % USED_BEFORE
        by_volume = meter.carrier in {"water", "fuel"}
        match quantity:
            case Quantity.VOLUME if by_volume:
                return used * 1000 + truth.volume_l(meter.id, time)
            case Quantity.FLOW if by_volume:
                return truth.flow_l_s(meter.id, time)
            case Quantity.ENERGY if not by_volume:
                return (used * KWH + truth.energy_j(meter.id, time)) / ratio
            case Quantity.POWER if not by_volume:
                return truth.power_w(meter.id, time) / ratio
            case Quantity.CURRENT if not by_volume:
                return truth.power_w(meter.id, time) / VOLT / PHASES / POWER_FACTOR / ratio
        return None

    def _measured(self, channel: str) -> tuple[Meter | None, float]:
        """Return the meter whose truth the channel shows, and its share of it."""
        if channel in self._meters:
            return self._meters[channel], 1.0
        if re.search(r"\bL[123]$", channel):
            return self._whole, 1 / PHASES
        if channel == "export":
            return self._whole, 0.0
        if channel[-1:].isdigit():
            return self._whole, 1 / OUTLETS
        return self._whole, 1.0

    def _air(self, quantity: Quantity, channel: str, time: Number) -> float:
        sensor: Sensor | None = self._sensors.get(channel)
        if sensor:
            air = self._truth.air(sensor.place, sensor.rack or "", time)
        elif self._racks:
            place = "outlet" if channel in {"outlet", "exhaust"} else "inlet"
            air = self._truth.air(place, self._racks[0], time)
        else:
            air = self._truth.air("room", "", time)
        match quantity:
            case Quantity.TEMPERATURE:
                return air.temperature
            case Quantity.DEW_POINT:
                return air.dew_point
        return air.humidity
