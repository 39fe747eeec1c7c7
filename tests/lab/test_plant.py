"""The lab's devices, read as an exporter reads them, against the truth."""

import asyncio
import time

import pytest
from lab_helpers import LabOfTests, wait_for

import catalogue
from catalogue.model import Device
from exporters.devices import credentials, opened
from exporters.readings import Quantity, Reading
from lab.openstack.sites import HOST
from lab.plant import places
from lab.plant.instruments import Instrument
from lab.plant.record import STEP_S, Record
from lab.plant.truth import Truth

SITES = catalogue.load().sites
DEVICES = [
    pytest.param(site.id, device, id=f"{site.id}-{device.id}")
    for site in SITES.values()
    for device in site.devices
]
SECONDS = 30  # between what is read and what is true, on a busy machine


def read(lab: LabOfTests, device: Device) -> list[Reading]:
    """Read a device once."""

    async def once() -> list[Reading]:
        given = credentials.load(lab.device_credentials)
        address = f"{HOST}:{places.port_of(device, lab.port)}"
        client = opened(device, address, given, timeout=60)
        try:
            return await client.read()
        finally:
            await client.close()

    return asyncio.run(once())


@pytest.mark.parametrize(("site", "device"), DEVICES)
def test_every_device_tells_the_truth(lab: LabOfTests, site: str, device: Device) -> None:
    """What a meter of the catalogue reads is what truly flowed, to a register's last digit."""
    record = Record(places.folder(lab.home, site))
    truth = Truth(SITES[site], record.origin, step_s=STEP_S, events=record.overloads)
    instrument = Instrument(SITES[site], device, truth)
    found = {(one.point.quantity, one.point.channel): one for one in read(lab, device)}
    meters = [one for one in SITES[site].meters if one.reads and one.reads.device == device.id]
    for meter in meters:
        assert meter.reads
        told = [
            (quantity, found[quantity, meter.reads.channel])
            for quantity in (Quantity.ENERGY, Quantity.POWER, Quantity.VOLUME)
            if (quantity, meter.reads.channel) in found
        ]
        assert told
        for quantity, reading in told:
            span = (reading.time - SECONDS, reading.time + 1)
            low, high = (
                instrument.value(quantity, meter.reads.channel, max(at, record.origin))
                for at in span
            )
            if reading.value is None or low is None or high is None:
                assert (reading.value, low) == (None, None)
                continue
            slack = abs(high) * 1e-6 + (50 if quantity is Quantity.POWER else 360_000)
            assert min(low, high) - slack <= reading.value <= max(low, high) + slack
    assert found
    for sensor in SITES[site].sensors:
        if sensor.device == device.id:
            air = truth.air(sensor.place, sensor.rack or "", time.time())
            told_air = {
                quantity: found[quantity, sensor.channel].value
                for quantity in (Quantity.TEMPERATURE, Quantity.HUMIDITY)
                if (quantity, sensor.channel) in found
            }
            assert told_air
            true = {Quantity.TEMPERATURE: air.temperature, Quantity.HUMIDITY: air.humidity}
            for quantity, value in told_air.items():
                slack = 1 if quantity is Quantity.TEMPERATURE else 0.03
                assert value == pytest.approx(true[quantity], abs=slack)


def test_an_overloaded_ups_says_so_until_it_is_relieved(lab: LabOfTests) -> None:
    """An overload shows at the UPS while it lasts."""
    device = next(one for one in SITES["main"].devices if one.id == "ups-a")

    def load() -> float:
        found = [one.value for one in read(lab, device) if one.point.quantity is Quantity.LOAD]
        return max(one for one in found if one is not None)

    assert load() < 0.9
    lab.overload("main", "ups-a", minutes=30)
    try:
        assert wait_for(lambda: load() > 1)
    finally:
        assert lab.relieve("main") == 1
    assert wait_for(lambda: load() < 0.9)
