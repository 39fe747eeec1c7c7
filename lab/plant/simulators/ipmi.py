"""
Servers' controllers behind IPMI: pyghmi's BMC, with DCMI's power reading (DCMI 1.5, 6.6.1).

Debian's ipmi_sim knows no DCMI.
"""

import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from pyghmi.ipmi import bmc
from pyghmi.ipmi.private.session import Session

from exporters.devices.credentials import Credentials
from exporters.readings import Quantity
from lab.openstack.sites import HOST
from lab.plant.instruments import Instrument

GROUP_EXTENSION, DCMI = 0x2C, 0xDC
CAPABILITIES, POWER_READING, SENSOR_INFO = 1, 2, 7
PERIOD_MS = 60_000
INVALID = 0xC1
SESSION_S = 120


class Controller(bmc.Bmc):  # type: ignore[misc]  # pyghmi is untyped
    """A controller that tells the power of its server."""

    def __init__(
        self, port: int, instrument: Instrument, given: Credentials, clock: Callable[[], float]
    ) -> None:
        password = given.password.get_secret_value() if given.password else ""
        super().__init__({given.username: password}, port=port, address=HOST)
        self._instrument, self._clock = instrument, clock

    def handle_raw_request(self, request: dict[str, Any], session: Any) -> None:
        """Answer DCMI's power reading; all else as pyghmi does."""
        if request["netfn"] != GROUP_EXTENSION:
            super().handle_raw_request(request, session)
        elif request["command"] == POWER_READING and bytes(request["data"])[:1] == bytes([DCMI]):
            session.send_ipmi_response(data=list(self._power()))
        else:
            session.send_ipmi_response(code=INVALID)

    def _power(self) -> bytes:
        now = self._clock()
        watts = round(self._instrument.value(Quantity.POWER, "", now) or 0)
        active = 0x40
        return struct.pack(
            "<BHHHHIIB", DCMI, watts, watts, watts, watts, int(now), PERIOD_MS, active
        )


def start(controllers: list[Controller]) -> threading.Thread:
    """Answer for the controllers in a thread of their own, for pyghmi has a loop of its own."""

    def run() -> None:
        seen: dict[Any, float] = {}
        while controllers:
            Session.wait_for_rsp(30)
            # pyghmi never forgets the clients of a BMC.
            now = time.monotonic()
            handlers = Session.bmc_handlers
            for one in [key for key in handlers if isinstance(key, tuple)]:
                if now - seen.setdefault(one, now) > SESSION_S:
                    del handlers[one], seen[one]

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
