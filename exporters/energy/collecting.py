"""
Reading many devices at their times: spread over the interval, each by one reader at a time.

All in one event loop.  A device that does not answer keeps nobody waiting but itself.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from catalogue.model import Device
from exporters.devices import Client, DeviceError, Reason
from exporters.readings import Reading

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Target:
    """A device of a site, and how its last reading went."""

    site: str
    device: Device
    client: Client
    up: bool | None = None
    """None before the first reading."""
    duration: float = 0.0
    """s"""
    read_at: float | None = None
    """By the monotonic clock, when it was last read well."""
    failed: str = ""
    """Why the last reading failed, if it did."""
    reading: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What Prometheus calls it: "SITE/DEVICE"."""
        return f"{self.site}/{self.device.id}"


Taking = Callable[[Target, Sequence[Reading]], Awaitable[None]]
"""Takes what a device said; what it raises ends the collector."""


class Collector:
    """Reads targets every `interval` s (0: only when asked), and hands on what they said."""

    def __init__(
        self,
        targets: Sequence[Target],
        take: Taking,
        failed: Callable[[Target, Reason], None],
        *,
        interval: float,
        timeout: float,
    ) -> None:
        self.targets = {one.name: one for one in targets}
        self._take, self._failed = take, failed
        self._interval, self._timeout = interval, timeout

    async def run(self) -> None:
        """Read all targets for ever; end with the first error that is no device's."""
        if not self._interval:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            for target in self.targets.values():
                group.create_task(self._poll(target))

    async def _poll(self, target: Target) -> None:
        """Read a target at its own moment of each interval; one that is late skips, never piles."""
        moment = time.monotonic() + phase(target.name) * self._interval
        while True:
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            await self.read(target)
            missed = (time.monotonic() - moment) // self._interval
            moment += (missed + 1) * self._interval

    async def read(self, target: Target) -> None:
        """Read a target, or wait for the reading that is under way."""
        if target.reading is None or target.reading.done():
            target.reading = asyncio.create_task(self._read(target))
        await asyncio.shield(target.reading)

    async def _read(self, target: Target) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                readings = await target.client.read()
        except DeviceError as error:
            self._lost(target, error.reason, error.detail)
        except TimeoutError:
            self._lost(target, Reason.TIMEOUT, f"no answer in {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001  no device may end the reading of the others
            self._lost(target, Reason.PROTOCOL, type(error).__name__)
        else:
            target.duration = time.monotonic() - began
            await self._take(target, readings)
            target.up, target.read_at, target.failed = True, time.monotonic(), ""
            return
        target.duration = time.monotonic() - began

    def _lost(self, target: Target, reason: Reason, detail: str) -> None:
        if target.failed != reason:
            _log.warning("%s: %s: %s", target.name, reason, detail)
        target.up, target.failed = False, reason
        self._failed(target, reason)

    async def close(self) -> None:
        """End readings under way, then every connection."""
        tasks = [one.reading for one in self.targets.values() if one.reading]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await asyncio.gather(*(one.client.close() for one in self.targets.values()))


def phase(name: str) -> float:
    """Return where in each interval a target is read, from 0 to 1: always the same."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def in_shard(name: str, shard: tuple[int, int]) -> bool:
    """Return whether a target is in shard i (from 1) of n."""
    number, of = shard
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[-4:]) % of == number - 1
