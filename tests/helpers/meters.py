"""
Devices that need no network: registers that run by the clock.

As a program, the energy exporter with such devices, to be killed by a test:

    python meters.py LEDGER PORT INTERVAL SHARD
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from catalogue.model import Device
from exporters import serving
from exporters.devices import Client
from exporters.energy.exporter import EnergyExporter, Settings, in_parts
from exporters.readings import Point, Quantity, Reading

WATTS = 1000.0
STEP = 1.0
"""J; the register's."""


def watt_hours(now: float) -> float:
    """J of a load of 1 kW since 2020, in the register's steps."""
    return (now - 1.6e9) * WATTS // STEP * STEP


class ClockMeter:
    """Every quantity that meters and sensors read, of a steady load."""

    def __init__(self, device: str, clock: Callable[[], float] = time.time) -> None:
        self._device, self._clock = device, clock
        self.closed = False

    async def read(self) -> list[Reading]:
        """Return what it shows now."""
        now = self._clock()
        energy = watt_hours(now)
        shown = {
            Quantity.ENERGY: energy,
            Quantity.POWER: WATTS,
            Quantity.VOLUME: energy / 1e6,
            Quantity.FLOW: WATTS / 1e6,
            Quantity.TEMPERATURE: 24.0,
            Quantity.HUMIDITY: 0.5,
        }
        return [
            Reading(self._device, Point(quantity, channel), value, repr(value), now)
            for quantity, value in shown.items()
            for channel in ("", "inlet", "exhaust", "return", "output", "input")
        ]

    async def close(self) -> None:
        """Note it."""
        self.closed = True


def opener(_timeout: float) -> Callable[[Device, str], Client]:
    """Open every device as one that runs by the clock."""
    return lambda device, _address: ClockMeter(device.id)


def _main(ledger: str, port: str, interval: str, shard: str) -> None:
    settings = Settings(
        ledger=Path(ledger),
        interval=float(interval),
        shard=in_parts(shard),
        opener=opener,
    )
    serving.serve(EnergyExporter(settings), serving.listening(f"127.0.0.1:{port}"))


if __name__ == "__main__":
    _main(*sys.argv[1:])
