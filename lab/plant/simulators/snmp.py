"""PDUs, UPSs and cooling units behind SNMP v2c and v3: one pysnmp engine with a port for each."""

import bisect
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto import rfc1902, rfc1905
from pysnmp.smi import error, instrum

from exporters.devices.credentials import Credentials
from exporters.devices.profile import Object, SnmpProfile, channel_fits
from exporters.readings import Quantity
from lab.openstack.sites import HOST
from lab.plant.instruments import Instrument

DECIMALS = 1
V3, AUTH_PRIV = 3, 3
LINES = ("1", "2", "3")

Oid = tuple[int, ...]
Give = Callable[[float], Any]


class Agent(NamedTuple):
    """One device at a port."""

    port: int
    instrument: Instrument
    profile: SnmpProfile
    credentials: Credentials


def start(agents: list[Agent], clock: Callable[[], float]) -> engine.SnmpEngine:
    """Answer for the agents in the running loop; the engine is to be kept."""
    found = engine.SnmpEngine()
    trees: dict[Oid, _Tree] = {}
    known: dict[str, Credentials] = {}
    for number, agent in enumerate(agents):
        domain = (*udp.DOMAIN_NAME, number)
        transport = udp.UdpTransport().open_server_mode((HOST, agent.port))
        config.add_transport(found, domain, transport)
        name = agent.instrument.device.credentials or ""
        trees[domain] = _Tree(objects(agent.instrument, agent.profile), agent.credentials, clock)
        known[name] = agent.credentials
    for name, given in known.items():
        _add_user(found, name, given)
    answers = context.SnmpContext(found)
    answers.unregister_context_name(b"")
    answers.register_context_name(b"", _Trees(trees))
    for responder in (
        cmdrsp.GetCommandResponder,
        cmdrsp.NextCommandResponder,
        cmdrsp.BulkCommandResponder,
    ):
        responder(found, answers)
    return found


def _add_user(found: engine.SnmpEngine, name: str, given: Credentials) -> None:
    if given.username is None:
        community = given.community.get_secret_value() if given.community else ""
        config.add_v1_system(found, name, community)
        return
    if given.password is None or given.privacy_password is None:
        raise ValueError(f"the credentials {name} lack a password")
    config.add_v3_user(
        found,
        given.username,
        config.USM_AUTH_HMAC192_SHA256,
        given.password.get_secret_value(),
        config.USM_PRIV_CFB128_AES,
        given.privacy_password.get_secret_value(),
    )


def objects(instrument: Instrument, profile: SnmpProfile) -> dict[Oid, Give]:
    """
    Return what the device has: for each object, what it says at a time.

    Figures that a reader sums, such as those of a UPS's lines, are spread over their rows.
    """
    found: dict[Oid, Give] = {}
    kinds: dict[str, dict[str, str]] = {}  # by the column that tells rows apart, each row's kind
    for point in profile.points:
        if point.index is None:
            found[_oid(point.oid)] = _giver(instrument, point, point.channel)
            continue
        numbers = _rows(instrument, point)
        if point.where:
            taken = kinds.setdefault(point.where.oid, {})
            numbers = [next((one for one in numbers if one not in taken), _free(taken))]
            taken |= dict.fromkeys(numbers, point.where.value)
        shares = 1 if "*" in point.channel else len(numbers)
        for number in numbers:
            row = point.index.replace("*", number)
            channel = point.channel.replace("*", number)
            found[_oid(f"{point.oid}.{row}")] = _giver(instrument, point, channel, shares)
            if point.where:
                found[_oid(f"{point.where.oid}.{row}")] = _constant(point.where.value)
            if point.decimals:
                found[_oid(f"{point.decimals}.{row}")] = _constant(str(DECIMALS))
    return dict(sorted(found.items()))


def _rows(instrument: Instrument, point: Object) -> list[str]:
    """Return the numbers of the rows that a column has."""
    if "*" not in point.channel:
        return list(LINES if point.channel in {"input", "output"} else LINES[:1])
    before, _, after = point.channel.partition("*")
    read = [one for one in sorted(instrument.channels) if channel_fits(point, one)]
    return [one[len(before) : len(one) - len(after)] for one in read] or list(LINES)


def _free(taken: Mapping[str, str]) -> str:
    return next(str(number) for number in itertools.count(1) if str(number) not in taken)


def _oid(text: str) -> Oid:
    return tuple(map(int, text.split(".")))


def _constant(value: str) -> Give:
    if "." in value:
        return lambda _: rfc1902.ObjectIdentifier(value)
    return lambda _: rfc1902.Integer32(int(value))


def _giver(instrument: Instrument, point: Object, channel: str, shares: int = 1) -> Give:
    scale = point.factor() * shares * (10.0**-DECIMALS if point.decimals else 1)

    def give(time: float) -> Any:
        value = instrument.value(point.quantity, channel, time)
        if value is None:
            sentinel = int(point.unavailable[0], 0) if point.unavailable else 0
            return rfc1902.Integer32(sentinel)
        raw = round(value / scale)
        if point.quantity in {Quantity.ENERGY, Quantity.VOLUME}:
            return rfc1902.Counter32(raw % int(point.modulus or 2**32))
        return rfc1902.Integer32(raw)

    return give


class _Tree:
    """The objects of one device, for those who have its credentials."""

    def __init__(
        self, found: Mapping[Oid, Give], credentials: Credentials, clock: Callable[[], float]
    ) -> None:
        self._found, self._clock = found, clock
        self._order = list(found)
        self._needs_v3 = credentials.username is not None

    def check(self, model: int, level: int) -> None:
        """Raise AuthorizationError for another version, or one without its protection."""
        if (model == V3) != self._needs_v3 or (self._needs_v3 and level < AUTH_PRIV):
            raise error.AuthorizationError(idx=0)

    def get(self, name: Any) -> tuple[Any, Any]:
        give = self._found.get(tuple(name))
        return name, give(self._clock()) if give else rfc1905.noSuchInstance

    def following(self, name: Any) -> tuple[Any, Any]:
        at = bisect.bisect_right(self._order, tuple(name))
        if at == len(self._order):
            return name, rfc1905.endOfMibView
        following = self._order[at]
        return rfc1902.ObjectName(following), self._found[following](self._clock())


class _Trees(instrum.AbstractMibInstrumController):  # type: ignore[misc]  # pysnmp is untyped
    """The tree of the device whose port a request came to."""

    def __init__(self, trees: Mapping[Oid, _Tree]) -> None:
        self._trees = trees

    def read_variables(self, *asked: Any, **given: Any) -> list[Any]:
        tree = self._tree(given)
        return [tree.get(name) for name, _ in asked]

    def read_next_variables(self, *asked: Any, **given: Any) -> list[Any]:
        tree = self._tree(given)
        return [tree.following(name) for name, _ in asked]

    def _tree(self, given: Mapping[str, Any]) -> _Tree:
        observer = given["snmpEngine"].observer
        request = observer.get_execution_context("rfc3412.receiveMessage:request")
        tree = self._trees[tuple(request["transportDomain"])]
        tree.check(int(request["securityModel"]), int(request["securityLevel"]))
        return tree
