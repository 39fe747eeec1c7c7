"""
Read a UPS or PDU from a NUT server (RFC 9271): one question and its list of answers.

Reading needs no login.  aionut, the kept library, logs what it sends and leaves a connection open
after a failed login; what is needed of the protocol is the few lines here.
"""

import asyncio
import shlex
from collections.abc import Mapping

from exporters.devices.client import DeviceError, Found, Reason
from exporters.devices.decoding import figure, number
from exporters.devices.profile import NutProfile

PORT = 3493
MOST_LINES = 1000
"""A UPS has some dozens of variables."""


def decoded(profile: NutProfile, said: Mapping[str, str]) -> list[Found]:
    """Return what these variables say of the profile's points."""
    found = []
    for variable in profile.points:
        raw = said.get(variable.variable)
        if raw is None:
            continue
        value = number(raw)
        if value is None:
            raise DeviceError(Reason.PROTOCOL, f"{variable.variable} is no number")
        found.append(Found(variable.point(), figure(variable, value), raw))
    return found


class NutReader:
    """A UPS behind a NUT server."""

    def __init__(self, profile: NutProfile, host: str, port: int, unit: str) -> None:
        self._profile, self._host, self._port, self._unit = profile, host, port, unit
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def fetch(self) -> list[Found]:
        """Return what the UPS's variables say; those that it doesn't have are left out."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(f"LIST VAR {self._unit}\n".encode())
        await writer.drain()
        found = decoded(self._profile, await self._listed(reader))
        if not found:
            raise DeviceError(Reason.PROTOCOL, "it has none of the variables of its profile")
        return found

    async def disconnect(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _listed(self, reader: asyncio.StreamReader) -> dict[str, str]:
        """Return the variables of the list that the server begins now."""
        line = await self._line(reader)
        if line.startswith("ERR "):
            denied = "ACCESS-DENIED" in line
            reason = Reason.AUTHENTICATION if denied else Reason.PROTOCOL
            raise DeviceError(reason, f"the server says {line[:60]}")
        if line != f"BEGIN LIST VAR {self._unit}":
            raise DeviceError(Reason.PROTOCOL, "no list of variables")
        said: dict[str, str] = {}
        for _ in range(MOST_LINES):
            line = await self._line(reader)
            if line == f"END LIST VAR {self._unit}":
                return said
            match shlex.split(line):
                case ["VAR", unit, name, value] if unit == self._unit:
                    said[name] = value
                case _:
                    raise DeviceError(Reason.PROTOCOL, "something else within the list")
        raise DeviceError(Reason.TOO_LARGE, f"more than {MOST_LINES} variables")

    @staticmethod
    async def _line(reader: asyncio.StreamReader) -> str:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise DeviceError(Reason.TOO_LARGE, "a line without an end") from None
        return line.decode("utf-8", "replace").strip()
