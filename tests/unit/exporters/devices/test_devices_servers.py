"""Devices read over the wire: servers that others wrote answer what their profiles say."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from benchmarks.snmp_agent import COMMUNITY, PASSWORD, PRIVACY, USER, agent
from catalogue.errors import BadInputError
from catalogue.model import Address, Device
from exporters.devices import DeviceError, Reason, ipmi, opened
from exporters.devices.credentials import Credentials
from exporters.readings import Quantity, Reading

V2C = Credentials(community=SecretStr(COMMUNITY))
V3 = Credentials(username=USER, password=SecretStr(PASSWORD), privacy_password=SecretStr(PRIVACY))
UPS = {
    "1.3.6.1.2.1.33.1.4.4.1.4.1": 4100,
    "1.3.6.1.2.1.33.1.4.4.1.4.2": 3900,
    "1.3.6.1.2.1.33.1.2.4.0": 97,
}


def device(profile: str, unit: str | None = None) -> Device:
    """Return a device of that profile."""
    address = Address(production="unused", lab="127.0.0.1:1")
    return Device(id="one", profile=profile, address=address, unit=unit, credentials="given")


async def read(one: Device, port: int, given: Credentials, times: int = 1) -> list[Reading]:
    """Return what the device on that port says the last time."""
    client = opened(one, f"127.0.0.1:{port}", {"given": given}, timeout=60)
    try:
        for _ in range(times - 1):
            await client.read()
        return await client.read()
    finally:
        await client.close()


def values(readings: list[Reading]) -> dict[tuple[Quantity, str], float | None]:
    """Return the values by quantity and channel."""
    return {(one.point.quantity, one.point.channel): one.value for one in readings}


@pytest.mark.parametrize("given", [V2C, V3], ids=["v2c", "v3"])
def test_snmp_agent_is_read(given: Credentials) -> None:
    """Rows are found and summed, scalars that the agent doesn't have are left out."""

    async def run() -> list[Reading]:
        async with agent(UPS) as port:
            return await read(device("ups-mib"), port, given, times=2)

    readings = asyncio.run(run())
    assert values(readings) == {
        (Quantity.POWER, "output"): 8000,
        (Quantity.CHARGE, ""): pytest.approx(0.97),
    }
    assert readings[0].raw == "4100 + 3900"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (Credentials(community=SecretStr("wrong")), Reason.TIMEOUT),
        (V3.model_copy(update={"password": SecretStr("wrong-passw0rd")}), Reason.AUTHENTICATION),
        (V3.model_copy(update={"username": "nobody"}), Reason.AUTHENTICATION),
        (Credentials(), Reason.AUTHENTICATION),
    ],
)
def test_snmp_agent_that_takes_no_credentials(given: Credentials, reason: Reason) -> None:
    """An agent is silent to a wrong community, and refuses a wrong user."""

    async def run() -> None:
        async with agent(UPS) as port:
            patience = 1.5 if reason == Reason.TIMEOUT else 60
            where = f"127.0.0.1:{port}"
            client = opened(device("ups-mib"), where, {"given": given}, timeout=patience)
            with pytest.raises(DeviceError) as refused:
                await client.read()
            await client.close()
            assert refused.value.reason == reason

    asyncio.run(run())


def test_snmp_table_without_an_end_is_too_large() -> None:
    """A column of thousands of rows is no device's."""
    objects = {f"1.3.6.1.2.1.33.1.4.4.1.4.{row}": 1 for row in range(1, 2500)}

    async def run() -> None:
        async with agent(objects) as port:
            with pytest.raises(DeviceError, match="too-large"):
                await read(device("ups-mib"), port, V2C)

    asyncio.run(run())


def test_snmp_text_where_a_number_belongs_is_no_reading() -> None:
    """An object of the wrong type is told by its OID."""

    async def run() -> None:
        async with agent({"1.3.6.1.2.1.33.1.2.4.0": "full"}) as port:
            with pytest.raises(DeviceError, match=re.escape("1.3.6.1.2.1.33.1.2.4.0 is no")):
                await read(device("ups-mib"), port, V2C)

    asyncio.run(run())


def test_snmp_port_that_nothing_listens_on_is_refused() -> None:
    """A host says that the port is closed; nobody waits for it."""

    async def run() -> None:
        async with agent({}) as port:
            pass
        with pytest.raises(DeviceError, match="refused"):
            await read(device("ups-mib"), port, V2C)

    asyncio.run(run())


@asynccontextmanager
async def modbus(first: int, words: list[int], unit: int) -> AsyncIterator[int]:
    """Give the port of pymodbus's server that has these registers."""
    data = SimData(first, values=words, datatype=DataType.REGISTERS)
    server: Any = ModbusTcpServer(SimDevice(unit, simdata=[data]), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


def test_modbus_server_is_read() -> None:
    """Registers of another unit than 1 become figures."""

    async def run() -> list[Reading]:
        async with modbus(600, [0x126F, 0x3B03, 0, 0, 0xF200, 0x2A05, 1, 0], 7) as port:
            return await read(device("xylem-magflux", "7"), port, Credentials(), times=2)

    assert values(asyncio.run(run())) == {
        (Quantity.FLOW, ""): pytest.approx(2.0),
        (Quantity.VOLUME, ""): pytest.approx(5000.0),
    }


def test_modbus_register_that_the_device_does_not_have_is_told() -> None:
    """An exception of the device names the registers."""

    async def run() -> None:
        async with modbus(0, [1, 2, 3], 1) as port:
            with pytest.raises(DeviceError, match="exception 2 for 8 registers from 600"):
                await read(device("xylem-magflux"), port, Credentials())

    asyncio.run(run())


def test_device_without_its_credentials_is_bad_input() -> None:
    """A name that the file of credentials lacks is told before anything is sent."""
    with pytest.raises(BadInputError, match='no credentials "given" for one'):
        opened(device("ups-mib"), "127.0.0.1", {})


def test_modbus_unit_that_is_no_number_is_bad_input() -> None:
    """A unit is a number of one octet."""
    with pytest.raises(BadInputError, match='one is unit "main"'):
        opened(
            device("eaton-epdu").model_copy(update={"profile": "abb-b23", "unit": "main"}),
            "meter.example",
            {"given": Credentials()},
        )


PROGRAM = r"""#!/bin/sh
# Stands in for ipmi-dcmi: says what it was given where no secret belongs, then what it is to say.
tr '\0' ' ' < /proc/$$/cmdline >> "$0.arguments"
configuration=$(cat "${3#--config-file=}")
case "$configuration" in
  *'password pass\#word'*) echo 'Current Power                        : 187 Watts' ;;
  *) echo 'ipmi-dcmi: password invalid' >&2; exit 1 ;;
esac
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in the place of ipmi-dcmi."""
    file = tmp_path / "ipmi-dcmi"
    file.write_text(PROGRAM, encoding="utf-8")
    file.chmod(0o700)
    monkeypatch.setattr(ipmi, "PROGRAM", str(file))
    return file


def bmc(password: str) -> Credentials:
    """Return a controller's credentials."""
    return Credentials(username="reader", password=SecretStr(password))


def test_ipmi_program_is_given_its_credentials_through_a_pipe(program: Path) -> None:
    """A controller's power is read, and no list of processes shows the password."""
    readings = asyncio.run(read(device("dcmi"), 623, bmc("pass#word")))
    assert values(readings) == {(Quantity.POWER, ""): 187}
    arguments = program.with_name("ipmi-dcmi.arguments").read_text(encoding="utf-8")
    assert "127.0.0.1:623" in arguments
    assert "pass" not in arguments


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    "given", [bmc("wrong"), bmc("pass#word\nhost other"), Credentials(username="reader")]
)
def test_ipmi_controller_that_takes_no_credentials(given: Credentials) -> None:
    """A wrong password, one that would be more than one, and none are told as such."""
    with pytest.raises(DeviceError, match="authentication") as refused:
        asyncio.run(read(device("dcmi"), 623, given))
    assert "pass#word" not in str(refused.value)


def test_ipmi_program_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package to install is named."""
    monkeypatch.setattr(ipmi, "PROGRAM", "/nowhere/ipmi-dcmi")
    with pytest.raises(DeviceError, match="freeipmi-tools"):
        asyncio.run(read(device("dcmi"), 623, bmc("pass#word")))


def test_ipmi_program_that_hangs_is_ended(program: Path) -> None:
    """A controller that never answers is down after the time given, and leaves no program."""
    program.write_text('#!/bin/sh\necho $$ > "$0.pid"\nexec sleep 60\n', encoding="utf-8")

    async def run() -> None:
        given = {"given": bmc("x")}
        with pytest.raises(DeviceError, match="timeout"):
            await opened(device("dcmi"), "127.0.0.1", given, timeout=2).read()

    asyncio.run(run())
    number = program.with_name("ipmi-dcmi.pid").read_text(encoding="utf-8").strip()
    assert not Path("/proc", number).exists()
