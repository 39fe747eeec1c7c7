"""The PostgreSQL probe and the recovery exporter against a real primary and its standby."""

import asyncio
import datetime as dt
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from certificates import Authority
from lab_helpers import wait_for

from catalogue.errors import OutsideError
from exporters.recovery import postgresql, replication
from exporters.recovery.replication import Server, Status
from exporters.trust import trusting
from exporters.uptime.outcome import Outcome, Reason
from exporters.uptime.probes import probe
from exporters.uptime.probes.limits import Limits
from exporters.uptime.states import Seen
from exporters.uptime.targets import Target
from lab import packages

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
POSTGRESQL = packages.Need(
    "the tests' database",
    ("postgresql-15",),
    tuple(str(PROGRAMS / one) for one in ("initdb", "pg_basebackup", "pg_ctl")),
    ("postgresql.service",),
)
PASSWORD = "only-of-this-test"
LOOPBACK = IPv6Address("::1")


@dataclass
class Cluster:
    """A server on loopback, with the account that the exporter logs in with."""

    folder: Path
    data: Path
    port: int

    def run(self, program: str, *arguments: str | Path) -> str:
        """Run one of PostgreSQL's programs as its user, and give what it prints."""
        done = subprocess.run(
            ["runuser", "-u", "postgres", "--", PROGRAMS / program, *arguments],
            cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def control(self, *words: str) -> None:
        """Start or stop the server."""
        log = self.folder / f"{self.data.name}.log"
        options = f"-p {self.port} -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "-D", self.data, "-l", log, "-o", options, "-w", *words)

    def sql(self, statement: str) -> str:
        """Run a statement as the database's owner."""
        where = ("-h", str(self.folder), "-p", str(self.port), "-d", "postgres")
        return self.run("psql", "-XAtq", *where, "-c", statement).strip()

    @property
    def server(self) -> Server:
        """The server as the exporter knows it."""
        return Server(
            "lgsp", "registry", "main", self.data.name, "primary", LOOPBACK, self.port, "postgresql"
        )


@dataclass
class Pair:
    """A primary, its standby, and what clients trust."""

    primary: Cluster
    standby: Cluster
    context: ssl.SSLContext

    def ask(self, cluster: Cluster, user: str = "monitor", password: str = PASSWORD) -> Status:
        """Ask a server how far it has come."""
        return asyncio.run(postgresql.ask(cluster.server, user, password, self.context))

    def probe(self, cluster: Cluster) -> Outcome:
        """Probe a server."""
        target = Target(
            "lgsp", "main", "registry", "postgresql", "ipv6", (LOOPBACK,), cluster.port, "::1"
        )
        return asyncio.run(probe(target, Limits(10, 30, self.context)))


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as found:
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Give a primary and its standby, stopped and removed afterwards."""
    packages.ensure(POSTGRESQL, print)
    folder = Path(tempfile.mkdtemp(prefix="citydc-postgresql-"))
    authority = Authority(folder)
    primary = Cluster(folder, folder / "primary", free_port())
    standby = Cluster(folder, folder / "standby", free_port())
    try:
        issued = authority.issue("::1")
        issued.chmod(0o600)
        user = pwd.getpwnam("postgres")
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
        primary.run("initdb", "-D", primary.data, "-A", "peer", "--no-sync")
        with (primary.data / "postgresql.conf").open("a") as file:
            file.write(
                f"listen_addresses = '::1'\nssl = on\nfsync = off\n"
                f"ssl_cert_file = '{issued}'\nssl_key_file = '{issued}'\n"
            )
        (primary.data / "pg_hba.conf").write_text(
            "local all postgres peer\nlocal replication postgres peer\n"
            "hostssl postgres monitor ::1/128 scram-sha-256\n"
        )
        primary.control("start")
        primary.sql(f"CREATE ROLE monitor LOGIN PASSWORD '{PASSWORD}'")
        where = ("-h", str(folder), "-p", str(primary.port))
        primary.run("pg_basebackup", *where, "-D", standby.data, "-R", "-X", "stream", "--no-sync")
        standby.control("start")
        yield Pair(primary, standby, trusting(authority.file))
    finally:
        for cluster in (standby, primary):
            subprocess.run(
                ["runuser", "-u", "postgres", "--", PROGRAMS / "pg_ctl", "-D", cluster.data,
                 "-m", "immediate", "stop"],
                cwd=folder, capture_output=True, check=False,
            )  # fmt: skip
        shutil.rmtree(folder)


def test_probe_needs_no_account(pair: Pair) -> None:
    """A server that knows nobody of the probe's name takes sessions, the standby too."""
    assert [pair.probe(one).seen for one in (pair.primary, pair.standby)] == [Seen.GOOD, Seen.GOOD]


def test_lag_and_position(pair: Pair) -> None:
    """
    A standby that has all lags nothing; one that is held back is as old as what it replayed.

    The account may do nothing but log in.
    """
    pair.primary.sql("CREATE TABLE t (n int)")
    written = pair.ask(pair.primary)
    assert not written.follows
    caught = wait_for(lambda: (now := pair.ask(pair.standby)).position >= written.position and now)
    assert caught.follows
    assert replication.lag_s(caught, written.position, dt.datetime.now(dt.UTC)) == 0

    pair.standby.sql("SELECT pg_wal_replay_pause()")
    wait_for(lambda: pair.standby.sql("SELECT pg_get_wal_replay_pause_state()") == "paused")
    pair.primary.sql("INSERT INTO t SELECT generate_series(1, 1000)")
    written, held = pair.ask(pair.primary), pair.ask(pair.standby)
    assert held.position < written.position
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    lag = replication.lag_s(held, written.position, later)
    assert lag
    assert 3600 < lag < 3600 + 600
    pair.standby.sql("SELECT pg_wal_replay_resume()")
    wait_for(lambda: pair.ask(pair.standby).position >= written.position)


def test_who_may_not_log_in_is_told_so(pair: Pair) -> None:
    """The message names the server and the cause, and no password."""
    with pytest.raises(OutsideError, match="primary at main cannot be asked") as raised:
        pair.ask(pair.primary, password="wrong-and-secret")
    assert "wrong-and-secret" not in str(raised.value)
    with pytest.raises(OutsideError, match="cannot be asked"):
        pair.ask(pair.primary, user="somebody")


def test_takeover_and_a_full_server(pair: Pair) -> None:
    """After the promotion the standby takes writes; a server without room is bad; one down, too."""
    pair.primary.control("stop", "-m", "immediate")
    assert pair.probe(pair.primary).reason is Reason.REFUSED
    with pytest.raises(OutsideError, match="cannot be asked"):
        pair.ask(pair.primary)
    pair.standby.sql("SELECT pg_promote()")
    assert not wait_for(lambda: not (now := pair.ask(pair.standby)).follows and now).follows
    pair.standby.sql("ALTER SYSTEM SET max_connections = 1")
    pair.standby.sql("ALTER SYSTEM SET superuser_reserved_connections = 0")
    pair.standby.sql("ALTER SYSTEM SET max_wal_senders = 0")
    pair.standby.control("restart")
    with subprocess.Popen(
        ["runuser", "-u", "postgres", "--", PROGRAMS / "psql", "-XAtq", "-h", pair.standby.folder,
         "-p", str(pair.standby.port), "-d", "postgres"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as only:  # fmt: skip
        assert only.stdin
        assert only.stdout
        only.stdin.write("SELECT 1;\n")
        only.stdin.flush()
        assert only.stdout.readline() == "1\n"
        full = pair.probe(pair.standby)
        only.stdin.close()
    assert (full.seen, full.reason) == (Seen.BAD, Reason.NOT_READY)
