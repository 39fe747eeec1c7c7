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
import psycopg2.extras  # type: ignore[import-untyped]

TLS = Path("/etc/citydc/tls")
LONGEST_BODY = 64 * 1024
NEWEST = 10
PATIENCE_S = 10
"""How long a client may take over a request."""
TABLE = """
    CREATE TABLE IF NOT EXISTS records (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        written timestamptz NOT NULL DEFAULT now(),
        site text NOT NULL,
        host text NOT NULL,
        body text NOT NULL
    )"""


class Database:
    """The service's database, by whichever of its servers answers."""

    def __init__(self, configuration: dict[str, Any], credentials: Path) -> None:
        self.target = {
            **configuration["database"],
            "password": (credentials / "database-password").read_text().strip(),
            "sslmode": "verify-full",
            "sslrootcert": str(TLS / "authority.crt"),
            "connect_timeout": 3,
            "options": "-c statement_timeout=5000",
            "application_name": "{service}/{component}".format(**configuration),
        }

    @contextlib.contextmanager
    def connected(self, *, writing: bool) -> Iterator[Any]:
        """Give a cursor; for reading, on a server that takes writes if there is one."""
        try:
            connection = psycopg2.connect(**self.target, target_session_attrs="read-write")
        except psycopg2.OperationalError:
            if writing:
                raise
            connection = psycopg2.connect(**self.target, target_session_attrs="any")
        try:
            with (
                connection,
                connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
            ):
                yield cursor
        finally:
            connection.close()

    def state(self) -> str:
        """Tell whether the database can be written, only read, or not even that."""
        try:
            with self.connected(writing=False) as cursor:
                cursor.execute("SELECT pg_is_in_recovery() AS follows")
                return "read-only" if cursor.fetchone()["follows"] else "read-write"
        except psycopg2.Error:
            return "unreachable"

    def write(self, site: str, host: str, body: str) -> Any:
        """Keep a record and return it."""
        with self.connected(writing=True) as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(1)")
            cursor.execute(TABLE)
            cursor.execute(
                "INSERT INTO records (site, host, body) VALUES (%s, %s, %s) RETURNING *",
                (site, host, body),
            )
            return cursor.fetchone()

    def read(self, number: int | None = None) -> list[Any]:
        """Return the newest records, or the one with that number."""
        with self.connected(writing=False) as cursor:
            cursor.execute("SELECT to_regclass('records') AS there")
            if not cursor.fetchone()["there"]:
                return []
            cursor.execute(
                "SELECT * FROM records WHERE %(id)s IS NULL OR id = %(id)s"
                " ORDER BY id DESC LIMIT %(newest)s",
                {"id": number, "newest": NEWEST},
            )
            return list(cursor.fetchall())


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
        except psycopg2.Error as error:
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
        except psycopg2.Error as error:
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
