"""An SNMP agent to measure and test against: pysnmp's, with objects of one's own."""

import asyncio
import bisect
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto.rfc1902 import Counter64, Integer32, ObjectName, OctetString
from pysnmp.smi import exval, instrum

COMMUNITY = "r0-c0mmunity"
USER, PASSWORD, PRIVACY = "reader", "auth-passw0rd", "priv-passw0rd"
BIG = 2**31


class Objects(instrum.AbstractMibInstrumController):  # type: ignore[misc] # pysnmp is not typed
    """The agent's objects: whole numbers and texts by their OIDs."""

    def __init__(self, objects: Mapping[str, int | str]) -> None:
        self._objects = {
            tuple(map(int, oid.split("."))): _typed(value) for oid, value in objects.items()
        }
        self._order = sorted(self._objects)

    def read_variables(self, *asked: Any, **_: Any) -> list[tuple[Any, Any]]:
        """Return these objects."""
        return [(oid, self._objects.get(tuple(oid), exval.noSuchInstance)) for oid, _ in asked]

    def read_next_variables(self, *asked: Any, **_: Any) -> list[tuple[Any, Any]]:
        """Return the objects after these."""
        found = []
        for oid, _ in asked:
            place = bisect.bisect_right(self._order, tuple(oid))
            if place < len(self._order):
                name = self._order[place]
                found.append((ObjectName(name), self._objects[name]))
            else:
                found.append((oid, exval.endOfMibView))
        return found


def _typed(value: int | str) -> Any:
    if isinstance(value, str):
        return OctetString(value)
    return Integer32(value) if -BIG <= value < BIG else Counter64(value)


class Transport(udp.UdpAsyncioTransport):  # type: ignore[misc] # pysnmp is not typed
    """A transport that answers after a while: at least and at most so many seconds."""

    def __init__(self, delay: tuple[float, float]) -> None:
        super().__init__()
        self._delay = delay

    def send_message(self, message: bytes, address: Any) -> None:
        """Send a message later."""
        send = super().send_message
        self.loop.call_later(random.uniform(*self._delay), send, message, address)  # noqa: S311


@asynccontextmanager
async def agent(
    objects: Mapping[str, int | str],
    ports: Sequence[int] = (0,),
    delay: tuple[float, float] = (0, 0),
) -> AsyncIterator[int]:
    """Give the last port of an agent that answers v2c's COMMUNITY and v3's USER on all ports."""
    snmp = engine.SnmpEngine()
    for number, port in enumerate(ports):
        transport = Transport(delay).open_server_mode(("127.0.0.1", port))
        config.add_transport(snmp, (*udp.DOMAIN_NAME, number), transport)
    config.add_v1_system(snmp, "area", COMMUNITY)
    config.add_vacm_user(snmp, 2, "area", "noAuthNoPriv", (1, 3, 6), (), ())
    sha, aes = config.USM_AUTH_HMAC192_SHA256, config.USM_PRIV_CFB128_AES
    config.add_v3_user(snmp, USER, sha, PASSWORD, aes, PRIVACY)
    config.add_vacm_user(snmp, 3, USER, "authPriv", (1, 3, 6), (), ())
    answering = context.SnmpContext(snmp)
    answering.unregister_context_name(OctetString(""))
    answering.register_context_name(OctetString(""), Objects(objects))
    for responder in (cmdrsp.GetCommandResponder, cmdrsp.NextCommandResponder):
        responder(snmp, answering)
    cmdrsp.BulkCommandResponder(snmp, answering)
    while transport.transport is None:  # noqa: ASYNC110 - pysnmp tells nobody
        await asyncio.sleep(0.01)
    try:
        yield transport.transport.get_extra_info("sockname")[1]
    finally:
        snmp.close_dispatcher()
