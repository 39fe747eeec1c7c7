"""
How far each PostgreSQL server has come, asked with an account that may do nothing but log in.

The functions asked are everybody's (PostgreSQL 15, 9.27.3 and 9.27.4), but one that the account may
run: `citydc_records()` tells what is written down on the server of backups and restores.  Servers
that were made by others have none.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address

import asyncpg

from catalogue import recovery
from catalogue.errors import OutsideError
from catalogue.model import Catalogue, Database
from exporters.outputs import Outputs
from exporters.recovery.records import Records

TIMEOUT_S = 10
QUERY = """
    SELECT pg_is_in_recovery() AS follows,
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
            - '0/0'::pg_lsn AS position,
        CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() END AS replayed
"""
RECORDS = "SELECT backups, restore FROM citydc_records()"


@dataclass(frozen=True, slots=True)
class Server:
    """A server of a database."""

    service: str
    database: str
    site: str
    name: str
    role: str
    """ "primary" or "standby", as it was deployed; a takeover changes which takes writes."""
    address: IPv6Address
    port: int


@dataclass(frozen=True, slots=True)
class Status:
    """What a server says of itself."""

    follows: bool
    """Whether it is a standby."""
    position: int
    """How far its log is written, or replayed, bytes."""
    replayed: datetime | None
    """When the last transaction that a standby replayed was committed."""
    records: Records | None = None
    """What is written down there; None where it can't be asked for."""


def servers(catalogue: Catalogue, stacks: Iterable[Outputs]) -> list[Server]:
    """Return the PostgreSQL servers of the stacks."""
    found = []
    for outputs in stacks:
        for host in outputs.hosts:
            service = catalogue.services[host.service]
            part = next(one for one in recovery.parts(service) if one.id == host.component)
            if isinstance(part, Database) and part.engine == "postgresql":
                found.append(
                    Server(
                        service.id,
                        part.id,
                        outputs.site,
                        host.name,
                        host.role,
                        host.ipv6,
                        part.port,
                    )
                )
    return found


def lag_s(standby: Status, written: int | None, now: datetime) -> float | None:
    """
    Return how old what a standby has is, s: what would be lost if it took over now, at most.

    `written` is how far the primary's log was before the standby was asked: a standby that has all
    of it lags 0 s, however long nothing was written.  Without a primary that answers, or behind it,
    it is the age of the last transaction replayed.  None where it never replayed one.
    """
    if written is not None and standby.position >= written:
        return 0.0
    if standby.replayed is None:
        return None
    return max(0.0, (now - standby.replayed).total_seconds())


async def ask(server: Server, user: str, password: str, context: ssl.SSLContext) -> Status:
    """
    Return what the server says of itself.

    Raise OutsideError if it can't be asked.  Its certificate must be good for its IPv6 address.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            connection = await asyncpg.connect(
                host=str(server.address),
                port=server.port,
                user=user,
                password=password,
                database="postgres",
                ssl=context,
                timeout=TIMEOUT_S,
            )
            try:
                (row,) = await connection.fetch(QUERY)
                found = await _records(connection, server)
                return Status(row["follows"], int(row["position"]), row["replayed"], found)
            finally:
                with contextlib.suppress(OSError):
                    connection.terminate()
    except Exception as error:  # noqa: BLE001 - whatever a server answers, the others are asked
        raise OutsideError(
            f"{server.name} at {server.site} cannot be asked",
            why=str(error) or type(error).__name__,
            remedy="see whether it runs, and lets the exporter's account log in",
        ) from None


async def _records(connection: asyncpg.Connection, server: Server) -> Records | None:
    try:
        (row,) = await connection.fetch(RECORDS)
    except asyncpg.UndefinedFunctionError:
        return None
    return Records(f"{server.name} at {server.site}", row["backups"], row["restore"])
