"""
Make SQLite fit for services that write from many threads at once.

A transaction that reads first and writes later cannot wait for its turn in SQLite: it fails with
"database is locked".  oslo.db knows beforehand which transactions write, so those take the write
lock at their start and queue for it; readers never wait (write-ahead log).  What still fails
counts as a deadlock, which the services retry.  Services that do without that part of oslo.db
read outside of any transaction and take the lock at their first write, as if their database
isolated transactions no further than "read committed".

SQLite makes those who wait for the lock sleep up to 100 ms a turn.  All writers of a database are
threads of one process, so they first take their turn at a lock of the process, which is handed on
at once.
"""
# oslo.db has no types, and its private parts are what is changed here.
# mypy: disable-error-code="import-untyped"
# ruff: noqa: SLF001

import collections
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy
from oslo_db import exception
from oslo_db.sqlalchemy import enginefacade, engines, exc_filters
from sqlalchemy import event, pool
from sqlalchemy.engine.default import DefaultDialect

WAIT_S = 60
WRITES = "citydc_writes"
UNMARKED = {"barbican.sqlite", "octavia.sqlite"}  # their transactions don't say whether they write


_turns: dict[str, threading.Lock] = collections.defaultdict(threading.Lock)  # by database
_holders: dict[int, threading.Lock] = {}  # by connection


def copy(source: Path, target: Path) -> None:
    """Copy a database, with what is still in its write-ahead log, over whatever is there."""
    remove(target)
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def remove(path: Path) -> None:
    """Remove a database with its write-ahead log; one that is not there is fine."""
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()


def install() -> None:
    """Change SQLAlchemy and oslo.db in this process; call once, before any engine is made."""
    event.listen(sqlalchemy.Engine, "connect", _connected)
    event.listen(sqlalchemy.Engine, "begin", _begun)
    event.listen(sqlalchemy.Engine, "before_cursor_execute", _executing)
    for name in ("do_commit", "do_rollback"):
        setattr(DefaultDialect, name, _ending_turns(getattr(DefaultDialect, name)))
    _pool_connections()
    _mark_writers()
    exc_filters.filters("sqlite", sqlalchemy.exc.OperationalError, r".*database is locked.*")(
        _locked
    )


def _connected(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA busy_timeout = {WAIT_S * 1000}")


def _begun(connection: Any) -> None:
    if _is_unmarked(connection):
        connection.info["in_transaction"] = True  # oslo.db's own mark: it begins none
    elif connection.get_execution_options().get(WRITES):
        _begin_turn(connection, connection.exec_driver_sql)
        connection.info["in_transaction"] = True


def _executing(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
    if (
        _is_unmarked(connection)
        and not connection.connection.dbapi_connection.in_transaction
        and not statement.lstrip().upper().startswith(("SELECT", "PRAGMA"))
    ):
        _begin_turn(connection, cursor.execute)


def _is_unmarked(connection: Any) -> bool:
    return Path(connection.engine.url.database).name in UNMARKED


def _begin_turn(connection: Any, execute: Callable[[str], Any]) -> None:
    key, turn = id(connection.connection.dbapi_connection), _turns[connection.engine.url.database]
    if turn.acquire(timeout=WAIT_S):
        _holders[key] = turn
    try:
        execute("BEGIN IMMEDIATE")
    except BaseException:
        _end_turn(key)
        raise


def _ending_turns(plain: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def ending(self: Any, connection: Any) -> None:
        try:
            plain(self, connection)
        finally:
            _end_turn(id(getattr(connection, "dbapi_connection", connection)))

    return ending


def _end_turn(key: int) -> None:
    if turn := _holders.pop(key, None):
        turn.release()


def _locked(error: Any, _match: Any, _engine_name: str, _is_disconnect: bool) -> None:  # noqa: FBT001  (theirs)
    raise exception.DBDeadlock(error)


def _pool_connections() -> None:
    """
    Keep connections: oslo.db opens one per transaction.

    Each would read the schema, and the last one to close would fold the write-ahead log back.
    """
    make_engine = sqlalchemy.create_engine

    def create_engine(url: Any, **options: Any) -> Any:
        if options.get("poolclass") is pool.NullPool:
            options.update(
                poolclass=pool.QueuePool, pool_size=16, max_overflow=100, pool_pre_ping=False
            )
            options["connect_args"]["check_same_thread"] = False
        return make_engine(url, **options)

    sqlalchemy.create_engine = create_engine
    engines._thread_yield = lambda _connection, _record: None  # of use with eventlet only


def _mark_writers() -> None:
    """Let writing transactions say so when they begin, and join the one they are inside of."""
    factory = enginefacade._AbstractTransactionFactory
    make_session = factory._create_session
    make_connection = factory._create_connection

    def create_session(self: Any, mode: Any, bind: Any = None) -> Any:
        session = make_session(self, mode, bind)
        if mode is enginefacade._WRITER and bind is None:
            plain = session.begin

            def begin(*args: Any, **more: Any) -> Any:
                result = plain(*args, **more)
                session.connection(execution_options={WRITES: True})
                return result

            session.begin = begin
        return session

    def create_connection(self: Any, mode: Any) -> Any:
        connection = make_connection(self, mode)
        if mode is enginefacade._WRITER:
            connection = connection.execution_options(**{WRITES: True})
        return connection

    factory._create_session = create_session
    factory._create_connection = create_connection
    # A second write transaction inside one would wait for its own thread.
    enginefacade._AbstractTransactionContextManager.independent = property(lambda self: self)
