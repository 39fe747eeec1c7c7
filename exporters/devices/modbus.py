"""Read a device by Modbus TCP: few requests for ranges of registers over one connection."""

import asyncio
import logging
from typing import Any

from pymodbus.client import AsyncModbusTcpClient

from exporters.devices.client import DeviceError, Found, Reason
from exporters.devices.decoding import from_registers, ranges, width
from exporters.devices.profile import ModbusProfile

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)  # a DeviceError tells all

PORT = 502
LARGEST = 4 << 10
"""Bytes that may wait to be understood; an answer has 260 at most."""


class ModbusReader:
    """A device that answers as one Modbus unit."""

    def __init__(
        self, profile: ModbusProfile, host: str, port: int, unit: int, timeout: float
    ) -> None:
        self._profile, self._unit = profile, unit
        self._where = (host, port, timeout)
        self._ranges = ranges(profile.points, profile.gap, profile.largest)
        self._points = [(one, one.point()) for one in profile.points]
        self._client: AsyncModbusTcpClient | None = None
        self._lost: asyncio.Future[DeviceError] | None = None

    async def fetch(self) -> list[Found]:
        """Return what the registers say."""
        words: dict[int, int] = {}
        for first, count in self._ranges:
            words.update(enumerate(await self._registers(first, count), first))
        found = []
        for register, point in self._points:
            at = register.register_
            value, raw = from_registers(register, [words[at + i] for i in range(width(register))])
            found.append(Found(point, value, raw))
        return found

    async def disconnect(self) -> None:
        """Close the connection."""
        if self._client:
            self._client.close()
            self._client = self._lost = None

    async def _registers(self, first: int, count: int) -> list[int]:
        """Return so many registers, asked for at once."""
        client, lost = await self._connected()
        read = (
            client.read_holding_registers
            if self._profile.table == "holding"
            else client.read_input_registers
        )
        if lost.done():
            raise lost.result()
        asked = asyncio.ensure_future(read(first, count=count, device_id=self._unit))
        either: set[asyncio.Future[Any]] = {asked, lost}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                raise lost.result()
            answer = asked.result()
        finally:
            asked.cancel()
        if answer.isError():
            detail = f"exception {answer.exception_code} for {count} registers from {first}"
            raise DeviceError(Reason.PROTOCOL, detail)
        if len(answer.registers) != count:
            detail = f"{len(answer.registers)} registers instead of {count} from {first}"
            raise DeviceError(Reason.PROTOCOL, detail)
        return list(answer.registers)

    def _counted(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - pymodbus calls it so
        """Hand on what is sent and received, but end a connection that does not stop."""
        if not sending and len(data) > LARGEST:
            self._end(DeviceError(Reason.TOO_LARGE, "it does not stop answering"))
            return b""
        return data

    def _changed(self, connected: bool) -> None:  # noqa: FBT001 - pymodbus calls it so
        """Stop waiting for an answer where the device closed the connection."""
        if not connected:
            self._end(DeviceError(Reason.REFUSED, "it closed the connection"))

    def _end(self, why: DeviceError) -> None:
        if self._lost and not self._lost.done():
            self._lost.set_result(why)

    async def _connected(self) -> tuple[AsyncModbusTcpClient, asyncio.Future[DeviceError]]:
        if self._client is None or self._lost is None:
            self._lost = asyncio.get_running_loop().create_future()
            host, port, timeout = self._where
            self._client = AsyncModbusTcpClient(
                host,
                port=port,
                timeout=timeout,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._counted,
                trace_connect=self._changed,
            )
            self._client.ctx.max_buffer_size = 1 << 20  # else it drops what `_counted` is to see
            if not await self._client.connect():
                raise DeviceError(Reason.REFUSED, "it takes no connection")
        return self._client, self._lost
