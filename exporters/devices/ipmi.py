"""
Read a server's controller by IPMI's DCMI commands, through FreeIPMI's `ipmi-dcmi`.

No asynchronous Python library speaks RMCP+ (pyghmi has a loop of its own, python-ipmi blocks), so
Debian's freeipmi-tools does, as in Prometheus's ipmi_exporter.  It is given the credentials through
a pipe: they are in no file and in no list of processes.
"""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE

from exporters.devices.client import DeviceError, Found, Reason
from exporters.devices.credentials import Credentials
from exporters.devices.decoding import figure, labelled, number
from exporters.devices.profile import IpmiProfile

PORT = 623
PROGRAM = "ipmi-dcmi"
LARGEST = 64 << 10
AT_ONCE = 128
"""So many programs run at a time; one that waits for a dead controller holds its place till the
time given is over."""
_MEASURING, _ACTIVE = "Power Measurement", "Active"
"""Of a controller that does not measure now, DCMI's watts are 0 and say nothing."""
_DENIED = ("password", "username", "privilege", "authentication", "k_g")

_running = asyncio.Semaphore(AT_ONCE)


class IpmiReader:
    """A controller that answers DCMI over RMCP+."""

    def __init__(
        self,
        profile: IpmiProfile,
        host: str,
        port: int,
        credentials: Credentials | None,
        timeout: float,
    ) -> None:
        self._profile, self._credentials = profile, credentials
        self._host, self._timeout = f"{host}:{port}", timeout

    async def fetch(self) -> list[Found]:
        """Return what the controller says of its power."""
        return decoded(self._profile, await self._said())

    async def disconnect(self) -> None:
        """Do nothing: the session ends with the program."""

    async def _said(self) -> str:
        """Run the program to its end and return what it prints."""
        async with _running:
            ours, theirs = os.pipe()
            try:
                with os.fdopen(theirs, "wb") as pipe:
                    pipe.write(self._configuration())
                program = await asyncio.create_subprocess_exec(
                    PROGRAM, "-h", self._host, f"--config-file=/dev/fd/{ours}",
                    "--get-system-power-statistics",
                    stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=LARGEST, pass_fds=[ours],
                )  # fmt: skip
            except FileNotFoundError:
                detail = f"{PROGRAM} is not installed (Debian: freeipmi-tools)"
                raise DeviceError(Reason.PROTOCOL, detail) from None
            finally:
                os.close(ours)
            try:
                out, err = await program.communicate()
            except asyncio.CancelledError:
                program.kill()
                await program.wait()
                raise
        if program.returncode:
            raise _fault(err.decode("utf-8", "replace"))
        return out[:LARGEST].decode("utf-8", "replace")

    def _configuration(self) -> bytes:
        """Return the program's configuration: less than a pipe holds, so that no write waits."""
        given = self._credentials
        if given is None or given.username is None or given.password is None:
            raise DeviceError(Reason.AUTHENTICATION, "no user and password are given for it")
        wait = int(self._timeout * 1000)
        password = given.password.get_secret_value()
        if "\n" in given.username + password:
            raise DeviceError(Reason.AUTHENTICATION, "its credentials have more than one line")
        lines = [
            "driver-type LAN_2_0",
            "privilege-level USER",
            f"username {_escaped(given.username)}",
            f"password {_escaped(password)}",
            f"session-timeout {wait}",
            f"retransmission-timeout {max(wait // 4, 100)}",
        ]
        return "\n".join([*lines, ""]).encode()


def decoded(profile: IpmiProfile, text: str) -> list[Found]:
    """Return what the program's text says of the profile's points; nothing if none is measured."""
    said = labelled(text)
    measuring = said.get(_MEASURING, _ACTIVE) == _ACTIVE
    found = []
    for answer in profile.points:
        raw = said.get(answer.at, "")
        value = number(raw.split(" ")[0])
        if value is None:
            raise DeviceError(Reason.PROTOCOL, f'it does not say "{answer.at}"')
        known = figure(answer, value) if measuring else None
        found.append(Found(answer.point(), known, raw))
    return found


def _escaped(text: str) -> str:
    """Return the text as FreeIPMI's configuration has it, where `#` begins a comment."""
    return text.replace("#", r"\#")


def _fault(said: str) -> DeviceError:
    """Return why the program failed, from its last line, which names no credential."""
    line = (said.strip().splitlines() or ["no answer"])[-1].rpartition(": ")[2][:80]
    if "timeout" in line:
        return DeviceError(Reason.TIMEOUT, line)
    if any(word in line.lower() for word in _DENIED):
        return DeviceError(Reason.AUTHENTICATION, line)
    return DeviceError(Reason.PROTOCOL, line)
