"""Read the devices of the catalogue: meters, PDUs, UPSs, cooling units, servers' controllers."""

from collections.abc import Mapping

from catalogue.errors import BadInputError
from catalogue.model import Device
from exporters.devices import ipmi, modbus, nut, prometheus, redfish, snmp
from exporters.devices.client import BoundedClient, Client, DeviceError, Reader, Reason
from exporters.devices.credentials import Credentials
from exporters.devices.profile import (
    IpmiProfile,
    ModbusProfile,
    NutProfile,
    PrometheusProfile,
    RedfishProfile,
    named,
)

__all__ = ["TIMEOUT", "Client", "DeviceError", "Reason", "opened"]

TIMEOUT = 8.0
"""Seconds that a device has to say everything."""


def opened(
    device: Device,
    address: str,
    credentials: Mapping[str, Credentials],
    *,
    timeout: float = TIMEOUT,
) -> Client:
    """
    Return a client of the device at `address`, such as `device.address.of(profile)` gives.

    It connects when it is read.  Each reading ends within `timeout` seconds.  Raise BadInputError
    if the device's profile, unit or credentials are not there.
    """
    if device.credentials and device.credentials not in credentials:
        what = f'there are no credentials "{device.credentials}" for {device.id}'
        raise BadInputError(what, remedy="add them to the file of CITYDC_DEVICE_CREDENTIALS")
    given = credentials[device.credentials] if device.credentials else None
    return BoundedClient(device.id, _reader(device, address, given, timeout), timeout)


def _reader(device: Device, address: str, given: Credentials | None, timeout: float) -> Reader:
    found = named(device.profile)
    match found:
        case ModbusProfile():
            unit = _unit(device)
            return modbus.ModbusReader(found, *_where(address, modbus.PORT), unit, timeout)
        case RedfishProfile():
            where = _where(address, redfish.PORT)
            return redfish.RedfishReader(found, *where, device.unit, given, timeout)
        case IpmiProfile():
            return ipmi.IpmiReader(found, *_where(address, ipmi.PORT), given, timeout)
        case NutProfile():
            unit_name = device.unit or "ups"
            return nut.NutReader(found, *_where(address, nut.PORT), unit_name)
        case PrometheusProfile():
            where = _where(address, prometheus.PORT)
            return prometheus.PrometheusReader(found, *where, given, timeout)
        case _:
            return snmp.SnmpReader(found, *_where(address, snmp.PORT), given, timeout)


def _unit(device: Device) -> int:
    """Return the number of a Modbus unit; a device that is no gateway answers as unit 1."""
    unit = device.unit or "1"
    if not unit.isdecimal() or int(unit) > 255:  # noqa: PLR2004 - one octet
        what = f'{device.id} is unit "{unit}"'
        raise BadInputError(what, remedy="write a Modbus unit's number from 0 to 255")
    return int(unit)


def _where(address: str, port: int) -> tuple[str, int]:
    """Return the host and the port of an address, the protocol's own port if it names none."""
    host, mark, given = address.rpartition(":")
    if not mark or address.endswith("]"):
        host, given = address, str(port)
    return host.strip("[]"), int(given)
