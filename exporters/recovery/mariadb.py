"""
How far a MariaDB server has come, asked with an account that may read that and no table.

The positions are everybody's; the account has REPLICA MONITOR and may run one procedure,
`citydc.records()`, which tells what is written down on the server of backups and restores.
Servers that were made by others have none.
"""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pymysql  # type: ignore[import-untyped]
from pymysql.constants import ER  # type: ignore[import-untyped]
from pymysql.cursors import DictCursor  # type: ignore[import-untyped]

from exporters.recovery.records import Records
from exporters.recovery.replication import TIMEOUT_S, Server, Status, unanswered

POSITION = """
    SELECT @@global.read_only AS follows,
        IF(@@global.read_only, @@global.gtid_slave_pos, @@global.gtid_binlog_pos) AS position
"""
STANDBY = "SHOW REPLICA STATUS"
RECORDS = "CALL citydc.records()"
NO_RECORDS = {ER.PROCACCESS_DENIED_ERROR, ER.SP_DOES_NOT_EXIST, ER.BAD_DB_ERROR}


async def ask(server: Server, user: str, password: str, context: ssl.SSLContext) -> Status:
    """
    Return what the server says of itself.

    Raise OutsideError if it can't be asked.  Its certificate must be good for its IPv6 address.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await asyncio.to_thread(_ask, server, user, password, context)
    except Exception as error:  # noqa: BLE001 - whatever a server answers, the others are asked
        raise unanswered(server, error) from None


def transactions(position: str) -> int:
    """Return how many transactions are before a position: "0-1-42" has 42, "0-1-2,1-1-3" 5."""
    return sum(int(one.rpartition("-")[2]) for one in position.split(",") if one)


def _ask(server: Server, user: str, password: str, context: ssl.SSLContext) -> Status:
    with (
        pymysql.connect(
            host=str(server.address),
            port=server.port,
            user=user,
            password=password,
            ssl=context,
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            cursorclass=DictCursor,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(POSITION)
        told = cursor.fetchone()
        cursor.execute(STANDBY)
        status = cursor.fetchone() or {}
        records = _records(cursor, server)
    behind = status.get("Seconds_Behind_Master")
    return Status(
        bool(told["follows"]),
        transactions(told["position"]),
        None if behind is None else datetime.now(UTC) - timedelta(seconds=behind),
        records,
    )


def _records(cursor: Any, server: Server) -> Records | None:
    try:
        cursor.execute(RECORDS)
    except pymysql.MySQLError as error:
        if error.args[0] in NO_RECORDS:
            return None
        raise
    row = cursor.fetchone()
    return Records(str(server), row["backups"], row["restore"])
