"""One device, read once: what it says, with units and as it was on the wire."""

import asyncio
from pathlib import Path
from typing import Any

from rich.table import Table

from catalogue.errors import BadInputError, OutsideError
from catalogue.model import Catalogue, Device, Profile
from catalogue.problems import suggestion
from citydc import console
from exporters.readings import Reading


def try_device(name: str, profile: Profile, folder: Path | None, *, as_json: bool) -> None:
    """
    Read the device with that name ("pdu-a1-a", or "main/pdu-a1-a") once and show what it says.

    Raise BadInputError if there is no such device, OutsideError if it can't be read.
    """
    import catalogue
    from exporters.devices import credentials
    from exporters.devices.checks import RULES
    from exporters.devices.profile import named

    site, device = _found(catalogue.load(folder, RULES), name)
    known = credentials.load()
    readings = asyncio.run(_read(device, device.address.of(profile), known))
    if as_json:
        console.print_json(
            {
                "site": site,
                "device": device.id,
                "profile": device.profile,
                "readings": [_as_json(one) for one in readings],
            }
        )
        return
    found = named(device.profile)
    console.say(
        f"{site}/{device.id}: {found.vendor} {', '.join(found.models)}"
        f" ({found.document.title}: {found.document.confidence})"
    )
    console.out.print(_table(readings))


def _found(known: Catalogue, name: str) -> tuple[str, Device]:
    """Return a device and its site's name."""
    devices = {
        f"{site.id}/{device.id}": device for site in known.sites.values() for device in site.devices
    }
    fitting = [one for one in devices if name in {one, one.partition("/")[2]}]
    if not fitting:
        what = f'there is no device "{name}"'
        raise BadInputError(what, remedy=suggestion(name, devices, "device"))
    if len(fitting) > 1:
        what = f'there are several devices "{name}"'
        raise BadInputError(what, remedy=f"name one of: {', '.join(fitting)}")
    return fitting[0].partition("/")[0], devices[fitting[0]]


async def _read(device: Device, address: str, known: Any) -> list[Reading]:
    from exporters.devices import DeviceError, opened

    client = opened(device, address, known)
    try:
        return await client.read()
    except DeviceError as error:
        what = f"{device.id} can't be read: {error.reason}"
        raise OutsideError(what, why=error.detail, place=address) from None
    finally:
        await client.close()


def _as_json(reading: Reading) -> dict[str, Any]:
    from exporters.devices.profile import unit

    return {
        "quantity": reading.point.quantity,
        "channel": reading.point.channel,
        "value": reading.value,
        "unit": unit(reading.point.quantity),
        "raw": reading.raw,
    }


def _table(readings: list[Reading]) -> Table:
    from exporters.devices.profile import unit

    table = Table(box=None, pad_edge=False)
    for column in ("quantity", "channel", "value", "unit", "raw"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for one in readings:
        value = "not available" if one.value is None else f"{one.value:.10g}"
        table.add_row(
            one.point.quantity, one.point.channel, value, unit(one.point.quantity), one.raw
        )
    return table
