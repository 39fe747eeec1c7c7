"""
A stand-in for a service: it answers over TLS and reads and writes the service's database.

    GET /health     200 if it can read its database (or has none), else 503
    GET /records    the newest records
    GET /records/N  one record
    POST /records   keeps the body as a record: 201, or 503 where no server takes writes

The answers are JSON.  Its configuration's path is its argument; systemd gives its credentials.
"""

import contextlib
import json
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2  # type: ignore[import-untyped]
import psycopg2.errors  # type: ignore[import-untyped]
import psycopg2.extras  # type: ignore[import-untyped]
import pymysql  # type: ignore[import-untyped]
import pymysql.cursors  # type: ignore[import-untyped]

TLS = Path("/etc/citydc/tls")
LONGEST_BODY = 64 * 1024
NEWEST = 10
PATIENCE_S = 10
"""How long a client may take over a request."""
CONNECT_S = 3
ERRORS = (psycopg2.Error, pymysql.MySQLError)


class PostgreSQL:
    """The service's database, by whichever of its servers answers."""

    table = """
        CREATE TABLE IF NOT EXISTS records (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            written timestamptz NOT NULL DEFAULT now(),
            site text NOT NULL,
            host text NOT NULL,
            body text NOT NULL
        )"""
    # Two that make the table at once must not meet.
    before_table = "SELECT pg_advisory_xact_lock(1)"
    follows = "SELECT pg_is_in_recovery() AS follows"
    no_table = psycopg2.errors.UndefinedTable

    def __init__(self, about: dict[str, Any], name: str, password: str) -> None:
        self.target = {
            "dbname": about["name"],
            "user": about["user"],
            "port": about["port"],
            "host": ",".join(one["name"] for one in about["servers"]),
            "hostaddr": ",".join(one["ipv6"] for one in about["servers"]),
            "password": password,
            "sslmode": "verify-full",
            "sslrootcert": str(TLS / "authority.crt"),
            "connect_timeout": CONNECT_S,
            "options": "-c statement_timeout=5000",
            "application_name": name,
            "cursor_factory": psycopg2.extras.RealDictCursor,
        }

    def connect(self, *, writing: bool) -> Any:
        """Connect; for reading, to a server that takes writes if there is one."""
        try:
            return psycopg2.connect(**self.target, target_session_attrs="read-write")
        except psycopg2.OperationalError:
            if writing:
                raise
            return psycopg2.connect(**self.target, target_session_attrs="any")


class MariaDB:
    """The same for the other engine."""

    table = """
        CREATE TABLE IF NOT EXISTS records (
            id bigint AUTO_INCREMENT PRIMARY KEY,
            written timestamp(6) NOT NULL DEFAULT now(6),
            site varchar(64) NOT NULL,
            host varchar(128) NOT NULL,
            body mediumtext NOT NULL
        )"""
    before_table = "SET max_statement_time = 5"
    follows = "SELECT @@read_only AS follows"
    no_table = pymysql.err.ProgrammingError

    def __init__(self, about: dict[str, Any], name: str, password: str) -> None:
        self.addresses = [one["ipv6"] for one in about["servers"]]
        self.target = {
            "database": about["name"],
            "user": about["user"],
            "port": about["port"],
            "password": password,
            # Certificates are for the servers' addresses too.
            "ssl": ssl.create_default_context(cafile=TLS / "authority.crt"),
            "connect_timeout": CONNECT_S,
            "read_timeout": PATIENCE_S,
            "program_name": name,
            "cursorclass": pymysql.cursors.DictCursor,
        }

    def connect(self, *, writing: bool) -> Any:
        """Connect; for reading, to a server that takes writes if there is one."""
        error, follower = pymysql.err.OperationalError("no server takes writes"), None
        for address in self.addresses:
            try:
                connection = pymysql.connect(host=address, **self.target)
            except pymysql.err.OperationalError as said:
                error = said
                continue
            with connection.cursor() as cursor:
                cursor.execute(self.follows)
                if not cursor.fetchone()["follows"]:
                    return connection
            follower = connection
        if writing or not follower:
            raise error
        return follower


ENGINES: dict[str, type[PostgreSQL | MariaDB]] = {"postgresql": PostgreSQL, "mariadb": MariaDB}


class Database:
    """The records of the service."""

    def __init__(self, configuration: dict[str, Any], credentials: Path) -> None:
        about = configuration["database"]
        self.engine = ENGINES[about["engine"]](
            about,
            "{service}/{component}".format(**configuration),
            (credentials / "database-password").read_text().strip(),
        )

    @contextlib.contextmanager
    def connected(self, *, writing: bool) -> Iterator[Any]:
        """Give a cursor, and keep what was done with it if nothing fails."""
        with contextlib.closing(self.engine.connect(writing=writing)) as connection:
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()

    def state(self) -> str:
        """Tell whether the database can be written, only read, or not even that."""
        try:
            with self.connected(writing=False) as cursor:
                cursor.execute(self.engine.follows)
                return "read-only" if cursor.fetchone()["follows"] else "read-write"
        except ERRORS:
            return "unreachable"

    def write(self, site: str, host: str, body: str) -> Any:
        """Keep a record and return it."""
        with self.connected(writing=True) as cursor:
            cursor.execute(self.engine.before_table)
            cursor.execute(self.engine.table)
            cursor.execute(
                "INSERT INTO records (site, host, body) VALUES (%s, %s, %s) RETURNING *",
                (site, host, body),
            )
            return cursor.fetchone()

    def read(self, number: int | None = None) -> list[Any]:
        """Return the newest records, or the one with that number; none before the first."""
        try:
            with self.connected(writing=False) as cursor:
                cursor.execute(
                    "SELECT * FROM records WHERE %(id)s IS NULL OR id = %(id)s"
                    " ORDER BY id DESC LIMIT %(newest)s",
                    {"id": number, "newest": NEWEST},
                )
                return list(cursor.fetchall())
        except self.engine.no_table:
            return []


class Handler(BaseHTTPRequestHandler):
    """Answers one client."""

    server: "Server"

    protocol_version = "HTTP/1.1"
    server_version = "application"
    sys_version = ""
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        """Answer with the state, or with records."""
        path = urlsplit(self.path).path
        database = self.server.database
        if path == "/health":
            state = database.state() if database else "none"
            bad = state == "unreachable"
            status = HTTPStatus.SERVICE_UNAVAILABLE if bad else HTTPStatus.OK
            self._answer(status, {**self.server.identity, "database": state})
            return
        head, _, number = path.removeprefix("/").partition("/")
        if not database or head != "records" or not (number.isdecimal() or not number):
            self._answer(HTTPStatus.NOT_FOUND, {"error": "there is nothing here"})
            return
        try:
            found = database.read(int(number) if number else None)
        except ERRORS as error:
            self._unavailable(error)
            return
        if number and not found:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"there is no record {number}"})
            return
        self._answer(HTTPStatus.OK, found[0] if number else found)

    def do_HEAD(self) -> None:
        """Answer like GET, without the content."""
        self.do_GET()

    def do_POST(self) -> None:
        """Keep the body as a record."""
        database = self.server.database
        size = self.headers.get("Content-Length", "")
        if not database or self.path != "/records":
            self.close_connection = True
            self._answer(HTTPStatus.NOT_FOUND, {"error": "nothing is kept here"})
            return
        if not size.isdecimal() or int(size) > LONGEST_BODY:
            self.close_connection = True
            why = f"a record has at most {LONGEST_BODY} bytes"
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": why})
            return
        body = self.rfile.read(int(size)).decode(errors="replace").replace("\0", "")
        try:
            kept = database.write(self.server.identity["site"], self.server.identity["host"], body)
        except ERRORS as error:
            self._unavailable(error)
            return
        self._answer(HTTPStatus.CREATED, kept)

    def _unavailable(self, error: Exception) -> None:
        _log(f"database: {str(error).strip()}")
        self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "the database does not answer"})

    def _answer(self, status: HTTPStatus, content: Any) -> None:
        body = json.dumps(content, default=str).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, form: str, *values: Any) -> None:
        """Write a line to the journal, health checks left out."""
        if self.path != "/health":
            _log(f"{self.client_address[0]} {form % values}")


class Server(ThreadingHTTPServer):
    """One listening address; the handshake with a client holds up no other."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext,
        configuration: dict[str, Any],
        database: Database | None,
    ) -> None:
        host, port = address
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.context, self.database = context, database
        self.identity = {
            key: configuration[key] for key in ("service", "component", "site", "host")
        }
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        """Hear IPv4 too where all addresses are meant."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "", self.server_address[1]

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Greet the client and answer it."""
        request.settimeout(PATIENCE_S)
        with self.context.wrap_socket(request, server_side=True) as secured:
            Handler(secured, client_address, self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that break off."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _log(line: str) -> None:
    """Write a line to the journal."""
    sys.stderr.write(f"{line}\n")


def notify(text: str) -> None:
    """Tell systemd."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.sendto(text.encode(), path.replace("@", "\0", 1))


def main() -> None:
    """Serve until told to stop."""
    configuration = json.loads(Path(sys.argv[1]).read_text())
    credentials = Path(os.environ["CREDENTIALS_DIRECTORY"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(TLS / "host.crt", credentials / "host.key")
    database = Database(configuration, credentials) if configuration["database"] else None
    local = configuration["local_port"]
    addresses = [("::1", local), ("127.0.0.1", local)]
    addresses += [("::", port) for port in configuration["ports"]]
    servers = [Server(one, context, configuration, database) for one in addresses]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    notify("READY=1")
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
