"""
Read a device by SNMP v2c or v3: which rows its tables have is found out once, then all are got.

gufo-snmp encodes in native code: a device costs a fraction of what it costs with pysnmp.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from gufo.snmp import (
    Aes128Key,
    Aes192Key,
    Aes256Key,
    DesKey,
    Md5Key,
    Sha1Key,
    Sha224Key,
    Sha256Key,
    Sha384Key,
    Sha512Key,
    SnmpAuthError,
    User,
    ValueType,
)
from gufo.snmp.aio import SnmpSession

from exporters.devices.client import DeviceError, Found, Reason
from exporters.devices.credentials import Credentials
from exporters.devices.decoding import figure, number
from exporters.devices.profile import Object, SnmpProfile
from exporters.readings import Point

T = TypeVar("T")

PORT = 161
TRIES = 3
"""So often is a request sent within the time given."""
MOST_ROWS = 2000
"""Of a column; a device's largest table has some hundreds."""

_AUTHENTICATION = {
    "md5": Md5Key, "sha1": Sha1Key, "sha224": Sha224Key, "sha256": Sha256Key,
    "sha384": Sha384Key, "sha512": Sha512Key,
}  # fmt: skip
_PRIVACY = {"des": DesKey, "aes128": Aes128Key, "aes192": Aes192Key, "aes256": Aes256Key}


@dataclass(frozen=True, slots=True)
class Row:
    """One object that the device has."""

    object: Object
    oid: str
    point: Point
    decimals: int = 0


def decoded(rows: Sequence[Row], values: Mapping[str, ValueType]) -> list[Found]:
    """
    Return what the objects say; a point one of whose objects is not there is left out.

    A point of several rows is their sum, which is not available if one of them is not.
    """
    points: dict[Point, list[tuple[float | None, str]]] = {}
    gone = set()
    for row in rows:
        said = values.get(row.oid)
        if said is None:
            gone.add(row.point)
            continue
        raw = number(said)
        if raw is None:
            raise DeviceError(Reason.PROTOCOL, f"{row.oid} is no number")
        value = figure(row.object, raw)
        scaled = None if value is None else value / 10**row.decimals
        points.setdefault(row.point, []).append((scaled, _text(said)))
    return [
        Found(point, _sum([value for value, _ in parts]), " + ".join(text for _, text in parts))
        for point, parts in points.items()
        if point not in gone
    ]


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


class SnmpReader:
    """A device that answers SNMP."""

    def __init__(
        self,
        profile: SnmpProfile,
        host: str,
        port: int,
        credentials: Credentials | None,
        timeout: float,
    ) -> None:
        self._profile, self._timeout = profile, timeout
        self._host, self._port = host, port
        self._credentials = credentials
        self._session: SnmpSession | None = None
        self._rows: list[Row] | None = None

    async def fetch(self) -> list[Found]:
        """Return what the objects say; those that the device doesn't have are left out."""
        if self._session is None:
            self._session = await self._open()
        if self._rows is None:
            self._rows = await self._discovered(self._session)
        rows = self._rows
        values = await self._get(self._session, [row.oid for row in rows])
        if any(row.object.index and values.get(row.oid) is None for row in rows):
            self._rows = None
        found = decoded(rows, values)
        if not found:
            raise DeviceError(Reason.PROTOCOL, "it has none of the objects of its profile")
        return found

    async def disconnect(self) -> None:
        """Forget the session, whose socket closes with it, and the rows."""
        self._session = self._rows = None

    async def _open(self) -> SnmpSession:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        address = str(found[0][4][0])
        given = self._credentials
        wait = self._timeout / TRIES
        if given is None or not (given.username or given.community):
            raise DeviceError(Reason.AUTHENTICATION, "no community and no user is given for it")
        if given.username is None:
            community = given.community.get_secret_value() if given.community else ""
            return SnmpSession(address, self._port, community=community, timeout=wait)
        session = SnmpSession(address, self._port, user=_user(given), timeout=wait)
        await _tried(session.refresh)
        return session

    async def _discovered(self, session: SnmpSession) -> list[Row]:
        """Return the scalars of the profile, and the rows that the device's tables have."""
        rows = []
        for point in self._profile.points:
            if point.index is None:
                rows.append(Row(point, point.oid, point.point()))
                continue
            indexes = await self._indexes(session, point.oid, point.index)
            if point.where:
                column = await self._get(session, [f"{point.where.oid}.{one}" for one in indexes])
                indexes = {
                    one: channel
                    for one, channel in indexes.items()
                    if _text(column.get(f"{point.where.oid}.{one}")) == point.where.value
                }
            decimals: dict[str, ValueType] = {}
            if point.decimals:
                decimals = await self._get(session, [f"{point.decimals}.{one}" for one in indexes])
            for one, channel in indexes.items():
                digits = number(decimals.get(f"{point.decimals}.{one}")) or 0
                oid = f"{point.oid}.{one}"
                rows.append(Row(point, oid, point.point(channel), int(digits)))
        return rows

    async def _indexes(self, session: SnmpSession, column: str, wanted: str) -> dict[str, str]:
        """Return the indexes that a column has of those wanted, with what `*` is in each."""
        pattern = re.compile(re.escape(wanted).replace(r"\*", r"(\d+)"))
        before = wanted.partition("*")[0].rstrip(".")

        async def walk() -> list[str]:
            found: list[str] = []
            async for oid, _ in session.getbulk(f"{column}.{before}".rstrip(".")):
                found.append(oid.removeprefix(f"{column}."))
                if len(found) > MOST_ROWS:
                    raise DeviceError(Reason.TOO_LARGE, f"column {column} does not end")
            return found

        matches = (pattern.fullmatch(index) for index in await _tried(walk))
        return {match[0]: match[1] for match in matches if match}

    async def _get(self, session: SnmpSession, oids: list[str]) -> dict[str, ValueType]:
        found: dict[str, ValueType] = {}
        size = self._profile.at_once
        for start in range(0, len(oids), size):
            some = oids[start : start + size]
            found |= await _tried(partial(session.get_many, some))
        return found


async def _tried(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask, and ask again where no answer comes: a datagram may be lost."""
    for _ in range(TRIES):
        try:
            return await ask()
        except TimeoutError as error:
            if "refused" in str(error.__cause__):
                raise DeviceError(Reason.REFUSED, "nothing listens there") from None
        except SnmpAuthError:
            raise DeviceError(Reason.AUTHENTICATION, "it does not take the user") from None
    raise DeviceError(Reason.TIMEOUT, f"no answer to {TRIES} requests")


def _text(said: ValueType) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _user(given: Credentials) -> User:
    password, privacy = given.password, given.privacy_password
    return User(
        given.username or "",
        auth_key=_AUTHENTICATION[given.authentication](password.get_secret_value().encode())
        if password
        else None,
        priv_key=_PRIVACY[given.privacy](privacy.get_secret_value().encode()) if privacy else None,
    )
