"""UPSs behind NUT: Debian's upsd and dummy-ups, which reads what the UPS says from a file."""

import asyncio
import functools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from exporters.devices.credentials import Credentials
from exporters.readings import Quantity
from lab import files
from lab.openstack import processes
from lab.openstack.sites import HOST
from lab.plant.instruments import SMALL_UPS_W, Instrument

# Debian's /usr/sbin/upsd asks /etc/nut/nut.conf whether to run.
UPSD, DRIVER = "/lib/nut/upsd", "/lib/nut/dummy-ups"
EVERY_S = 5


def variables(instrument: Instrument, now: float) -> dict[str, str]:
    """Return what the UPS says, by NUT's names of variables (RFC 9271, docs/nut-names.txt)."""
    measured = instrument.value
    watts = measured(Quantity.POWER, "", now) or 0
    load = measured(Quantity.LOAD, "", now) or 0
    return {
        "device.mfr": "citydc lab",
        "device.type": "ups",
        "ups.status": "OL" if load <= 1 else "OL OVER",
        "ups.load": f"{load * 100:.1f}",
        "ups.realpower": f"{watts:.0f}",
        "ups.realpower.nominal": str(SMALL_UPS_W),
        "battery.charge": "100",
        "battery.runtime": f"{measured(Quantity.RUNTIME, '', now) or 0:.0f}",
        "input.voltage": "230.0",
        "input.frequency": "50.0",
        "output.voltage": "230.0",
        "output.current": f"{watts / 230:.2f}",
    }


async def serve(
    folder: Path, port: int, instrument: Instrument, given: Credentials, clock: Callable[[], float]
) -> None:
    """Run the two programs in `folder`, and write what the UPS says, until cancelled."""
    files.make_folder(folder)
    name = instrument.device.unit or "ups"
    said = folder / f"{name}.dev"
    password = given.password.get_secret_value() if given.password else ""
    files.write(folder / "ups.conf", f"[{name}]\n driver = dummy-ups\n port = {said}\n")
    files.write(folder / "upsd.conf", f"LISTEN {HOST} {port}\n")
    files.write(folder / "upsd.users", f"[{given.username}]\n password = {password}\n")
    _say(said, variables(instrument, clock()))
    environment = {**os.environ, "NUT_CONFPATH": str(folder), "NUT_STATEPATH": str(folder)}
    programs = []
    try:
        for command in ((DRIVER, "-a", name), (UPSD,)):
            program = await asyncio.create_subprocess_exec(
                *command, "-F", "-u", "root", env=environment, stdin=subprocess.DEVNULL,
                preexec_fn=functools.partial(processes.die_with, os.getpid()),
            )  # fmt: skip
            programs.append(program)
        while True:
            await asyncio.sleep(EVERY_S)
            _say(said, variables(instrument, clock()))
    finally:
        for program in programs:
            program.kill()


def _say(file: Path, said: dict[str, str]) -> None:
    files.write(file, "".join(f"{name}: {value}\n" for name, value in said.items()))
