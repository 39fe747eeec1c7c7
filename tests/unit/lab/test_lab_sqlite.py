"""SQLite with many writers, in a process of its own since it changes SQLAlchemy for good."""

import sqlite3
import subprocess
import sys
from pathlib import Path

from lab.openstack import sqlite

WRITERS = """
import sys, threading, warnings
warnings.simplefilter("ignore")
from lab.openstack import sqlite
sqlite.install()
import sqlalchemy
from oslo_db.sqlalchemy import enginefacade
context = enginefacade.transaction_context()
context.configure(connection=sys.argv[1], max_retries=0)

@enginefacade.transaction_context_provider
class Context:
    pass

class Thread(threading.Thread):
    def run(self):
        for _ in range(25):
            own = Context()
            with context.writer.using(own) as session:
                value = session.execute(sqlalchemy.text("SELECT n FROM t")).scalar()
                with context.writer.independent.using(own) as inner:
                    inner.execute(sqlalchemy.text("UPDATE t SET n = :n"), {"n": value + 1})

threads = [Thread() for _ in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
"""


def test_writers_in_many_threads_lose_nothing(tmp_path: Path) -> None:
    """Eight threads that read, then write in an inner transaction, count to 200."""
    path = tmp_path / "t.sqlite"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE t (n INTEGER)")
        made.execute("INSERT INTO t VALUES (0)")
    done = subprocess.run(
        [sys.executable, "-c", WRITERS, f"sqlite:///{path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    with sqlite3.connect(path) as read:
        (found,) = read.execute("SELECT n FROM t").fetchone()
    assert done.stderr == ""
    assert found == 200


def test_copy_takes_what_is_still_in_the_log(tmp_path: Path) -> None:
    """A database is copied with its write-ahead log, over a half-made one."""
    source, target = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    target.write_bytes(b"half")
    target.with_name("b.sqlite-wal").write_bytes(b"half")
    writer = sqlite3.connect(source, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (n INTEGER)")
    writer.execute("INSERT INTO t VALUES (7)")
    sqlite.copy(source, target)
    writer.close()
    reader = sqlite3.connect(target)
    found = reader.execute("SELECT n FROM t").fetchall()
    reader.close()
    assert found == [(7,)]


def test_removed_database_leaves_no_log_behind(tmp_path: Path) -> None:
    """The write-ahead log goes with the database; none at all is fine."""
    for name in ("a.sqlite", "a.sqlite-wal", "a.sqlite-shm", "b.sqlite"):
        (tmp_path / name).touch()
    sqlite.remove(tmp_path / "a.sqlite")
    sqlite.remove(tmp_path / "never.sqlite")
    assert [path.name for path in tmp_path.iterdir()] == ["b.sqlite"]
