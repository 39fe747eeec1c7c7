"""Read the devices of the catalogue: meters, PDUs, UPSs, cooling units, servers' controllers."""

from exporters.devices.client import Client, DeviceError, Reason

__all__ = ["Client", "DeviceError", "Reason"]
