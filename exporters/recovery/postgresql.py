"""
How far a PostgreSQL server has come, asked with an account that may do nothing but log in.

The functions asked are everybody's (PostgreSQL 15, 9.27.3 and 9.27.4), but one that the account may
run: `citydc_records()` tells what is written down on the server of backups and restores.  Servers
that were made by others have none.
"""

import asyncio
import contextlib
import ssl

import asyncpg

from exporters.recovery.records import Records
from exporters.recovery.replication import TIMEOUT_S, Server, Status, unanswered

QUERY = """
    SELECT pg_is_in_recovery() AS follows,
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
            - '0/0'::pg_lsn AS position,
        CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() END AS replayed
"""
RECORDS = "SELECT backups, restore FROM citydc_records()"


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
            finally:
                with contextlib.suppress(OSError):
                    connection.terminate()
    except Exception as error:  # noqa: BLE001 - whatever a server answers, the others are asked
        raise unanswered(server, error) from None
    return Status(row["follows"], int(row["position"]), row["replayed"], found)


async def _records(connection: asyncpg.Connection, server: Server) -> Records | None:
    try:
        (row,) = await connection.fetch(RECORDS)
    except asyncpg.UndefinedFunctionError:
        return None
    return Records(str(server), row["backups"], row["restore"])
