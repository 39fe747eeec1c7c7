"""What reading a device is: a connection that gives readings, or the reason why there are none."""

from enum import StrEnum
from typing import Protocol

from exporters.readings import Reading


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
