"""Read a device by Modbus TCP: few requests for ranges of registers over one connection."""

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusIOException

from exporters.devices.client import DeviceError, Found, Reason
from exporters.devices.decoding import from_registers, ranges, width
from exporters.devices.profile import ModbusProfile

PORT = 502


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

    async def fetch(self) -> list[Found]:
        """Return what the registers say."""
        client = await self._connected()
        read = (
            client.read_holding_registers
            if self._profile.table == "holding"
            else client.read_input_registers
        )
        words: dict[int, int] = {}
        for first, count in self._ranges:
            try:
                answer = await read(first, count=count, device_id=self._unit)
            except ConnectionException:
                raise DeviceError(Reason.REFUSED, "it closed the connection") from None
            except ModbusIOException:
                raise DeviceError(
                    Reason.TIMEOUT, f"no whole answer for registers from {first}"
                ) from None
            if answer.isError():
                detail = f"exception {answer.exception_code} for {count} registers from {first}"
                raise DeviceError(Reason.PROTOCOL, detail)
            if len(answer.registers) != count:
                detail = f"{len(answer.registers)} registers instead of {count} from {first}"
                raise DeviceError(Reason.PROTOCOL, detail)
            words.update(enumerate(answer.registers, first))
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
            self._client = None

    async def _connected(self) -> AsyncModbusTcpClient:
        if self._client is None:
            host, port, timeout = self._where
            self._client = AsyncModbusTcpClient(
                host, port=port, timeout=timeout, retries=0, reconnect_delay=0
            )
            if not await self._client.connect():
                raise DeviceError(Reason.REFUSED, "it takes no connection")
        return self._client
