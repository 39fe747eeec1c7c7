"""Meters behind Modbus TCP: pymodbus's server, with registers as the profiles have them."""

import asyncio
import functools
import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from exporters.devices.profile import ModbusProfile, Register
from lab.openstack.sites import HOST
from lab.plant.instruments import Instrument

FORMATS = {
    "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q",
    "float32": "f", "float64": "d",
}  # fmt: skip
DEFAULT_UNIT = 1
UNUSED = SimData(65535, values=[0], datatype=DataType.REGISTERS)
UNUSED_BITS = SimData(0, values=[False] * 16, datatype=DataType.BITS)


class Unit(NamedTuple):
    """One device at a port."""

    instrument: Instrument
    profile: ModbusProfile


async def serve(port: int, units: Iterable[Unit], clock: Callable[[], float]) -> None:
    """Answer for the units at the port, until cancelled."""
    server = ModbusTcpServer([_device(one, clock) for one in units], address=(HOST, port))
    try:
        await server.serve_forever()
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


def words(point: Register, value: float | None) -> list[int]:
    """Return the registers that say the figure, or "not available" for None."""
    form = FORMATS[point.type]
    size = struct.calcsize(f">{form}")
    if value is None:
        octets = _sentinel(point, size)
    elif form in "fd":
        octets = bytes(struct.pack(f">{form}", value / point.factor()))
    else:
        raw = round(value / point.factor())
        raw %= int(point.modulus) if point.modulus else 2 ** (8 * size)
        octets = int(raw).to_bytes(size)
    found = [octets[at : at + 2] for at in range(0, size, 2)]
    if point.word_order == "low-first":
        found.reverse()
    order = "big" if point.byte_order == "high-first" else "little"
    return [int.from_bytes(one, order) for one in found]  # type: ignore[arg-type]


def _sentinel(point: Register, size: int) -> bytes:
    if point.unavailable:
        return int(int(point.unavailable[0], 0) % 2 ** (8 * size)).to_bytes(size)
    return bytes(size)


def _device(unit: Unit, clock: Callable[[], float]) -> SimDevice:
    points = sorted(unit.profile.points, key=lambda one: one.register_)
    spans: list[list[int]] = []
    for point in points:
        end = point.register_ + len(words(point, None))
        if spans and point.register_ <= spans[-1][1] + unit.profile.gap:
            spans[-1][1] = max(spans[-1][1], end)
        else:
            spans.append([point.register_, end])
    registers = [
        SimData(start, count=end - start, values=0, datatype=DataType.REGISTERS)
        for start, end in spans
    ]
    is_holding = unit.profile.table == "holding"
    input_, holding = ([UNUSED], registers) if is_holding else (registers, [UNUSED])
    return SimDevice(
        id=int(unit.instrument.device.unit or DEFAULT_UNIT),
        simdata=([UNUSED_BITS], [UNUSED_BITS], holding, input_),
        action=functools.partial(_fill, unit.instrument, points, clock),
    )


async def _fill(  # noqa: PLR0913, PLR0917  (pymodbus's six, and ours)
    instrument: Instrument,
    points: list[Register],
    clock: Callable[[], float],
    _function: int,
    first: int,
    address: int,
    count: int,
    registers: list[int],
    written: list[int] | list[bool] | None,
) -> ExcCodes | None:
    """Put what the instrument measures now into the registers that are asked for."""
    if written is not None:
        return ExcCodes.ILLEGAL_FUNCTION
    now = clock()
    for point in points:
        if address - 4 < point.register_ < address + count:
            said = words(point, instrument.value(point.quantity, point.channel, now))
            at = point.register_ - first
            if at >= 0 and at + len(said) <= len(registers):
                registers[at : at + len(said)] = said
    await asyncio.sleep(0)
    return None
