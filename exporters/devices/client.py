"""What reading a device is: a connection that gives readings, or the reason why there are none."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from exporters.readings import Point, Reading

GOODBYE = 2.0
"""Seconds that ending a session may take."""


class Reason(StrEnum):
    """Why a device could not be read."""

    REFUSED = "refused"
    """Nothing listens there, the name is unknown, or the device closed the connection."""
    TIMEOUT = "timeout"
    """It did not answer, or not whole, within the time given."""
    PROTOCOL = "protocol"
    """It answered something that its protocol or its profile does not know."""
    AUTHENTICATION = "authentication"
    """It did not take the credentials, or there are none."""
    CERTIFICATE = "certificate"
    """Its certificate is expired, of another name, or of an authority that is not trusted."""
    TOO_LARGE = "too-large"
    """It answered more, or deeper nested, than a device of its kind has to say."""
    REDIRECT = "redirect"
    """It sent the reader elsewhere, which is never followed."""


_ENDED = {Reason.REFUSED, Reason.AUTHENTICATION}
"""What a device that answered before may say of a connection or session that it ended."""


class DeviceError(Exception):
    """A device that could not be read: why, and in words that hold no credential."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Client(Protocol):
    """A device that is open for reading; it connects when it is read, and again if it must."""

    async def read(self) -> list[Reading]:
        """
        Return what the device says now, one reading for each point that it has.

        Raise DeviceError within the time given when it was opened.  One read at a time.
        """

    async def close(self) -> None:
        """End its sessions and connections.  Never raises."""


@dataclass(frozen=True, slots=True)
class Found:
    """A point's value in the quantity's unit, and as it was on the wire."""

    point: Point
    value: float | None
    raw: str


class Reader(Protocol):
    """What a protocol's module does for one device; it may raise whatever its library raises."""

    async def fetch(self) -> list[Found]:
        """Return what the device says now; connect first where there is no connection."""

    async def disconnect(self) -> None:
        """Forget the connection and all that was learnt over it."""


class BoundedClient:
    """A client that keeps its reader to the time given and tells every fault as a DeviceError."""

    def __init__(self, device: str, reader: Reader, timeout: float) -> None:
        self._device, self._reader, self._timeout = device, reader, timeout
        self._answered = False

    async def read(self) -> list[Reading]:
        """Return what the device says now; after a fault the next read connects anew."""
        try:
            async with _told(self._timeout):
                found = await self._found()
        except BaseException:
            self._answered = False
            await self.close()
            raise
        self._answered = True
        now = time.time()
        return [Reading(self._device, one.point, one.value, one.raw, now) for one in found]

    async def _found(self) -> list[Found]:
        """Fetch, and once more where the device has ended the connection or the session."""
        try:
            return await self._reader.fetch()
        except TimeoutError:
            raise
        except (DeviceError, OSError, EOFError) as error:
            if not self._answered or getattr(error, "reason", Reason.REFUSED) not in _ENDED:
                raise
        await self.close()
        return await self._reader.fetch()

    async def close(self) -> None:
        """End the connection, whatever the device makes of it."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(min(GOODBYE, self._timeout)):
                await self._reader.disconnect()


@contextlib.asynccontextmanager
async def _told(seconds: float) -> AsyncIterator[None]:
    """Turn what goes wrong within into a DeviceError; no other text than ours and the system's."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except DeviceError:
        raise
    except TimeoutError:
        raise DeviceError(Reason.TIMEOUT, f"no whole answer within {seconds:g} s") from None
    except (OSError, EOFError) as error:
        detail = getattr(error, "strerror", None) or "it closed the connection"
        raise DeviceError(Reason.REFUSED, detail) from None
    except Exception as error:  # noqa: BLE001 - a library meets what no device should say
        raise DeviceError(Reason.PROTOCOL, f"{type(error).__name__} on its answer") from None
