"""
A cloud that answers from a script: a real HTTP server on loopback, with tokens and versions.

A script is a list of exchanges in the order in which they must come:

    call: GET /network/v2.0/ports?device_id=r     the request (its query sorted)
    sends: {...}                                   the JSON body that it must have (none: any)
    given: {header: value}                         headers that it must have
    status: 200, answers: {...}, headers: {...}    what comes back
"""

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lab.engine.cloud import Cloud

_VERSIONS = {
    "identity": ("identity", "v3", "v3.14"),
    "network": ("network", "v2.0", "v2.0"),
    "compute": ("compute", "v2.1", "v2.1"),
    "volume": ("block-storage", "v3", "v3.0"),
    "image": ("image", "v2", "v2.9"),
    "balancer": ("load-balancer", "v2.0", "v2.26"),
    "dns": ("dns", "v2", "v2.0"),
    "keys": ("key-manager", "v1", "v1"),
    "objects": ("object-store", "v1/AUTH_p", "v1.0"),
}


class ScriptedCloud:
    """The server.  `problems` holds what did not go by the script."""

    def __init__(self) -> None:
        self.script: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.tokens = 0
        self.refuses: int | None = None
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["ScriptedCloud"]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def cloud(self, **more: str) -> Cloud:
        """Give a cloud with credentials for this server."""
        return Cloud(
            {
                "authUrl": f"{self.url}/identity/v3",
                "userName": "u",
                "password": "secret",
                "tenantId": "p",
                "userDomainId": "default",
                "region": "main",
                **more,
            }
        )

    def plays(self, script: Sequence[dict[str, Any]]) -> None:
        """Answer from another script from now on."""
        with self._lock:
            self.script, self.problems = [dict(one) for one in script], []

    def answer(self, method: str, path: str, body: Any, headers: Any) -> tuple[int, Any, Any]:
        """Return status, body and headers for a request."""
        with self._lock:
            own = self._own_answer(method, path)
            return own or self._scripted(method, path, body, headers)

    def _scripted(self, method: str, path: str, body: Any, headers: Any) -> tuple[int, Any, Any]:
        parts = urllib.parse.urlsplit(path)
        query = urllib.parse.urlencode(sorted(urllib.parse.parse_qsl(parts.query)))
        call = f"{method} {parts.path}{'?' if query else ''}{query}"
        if not self.script:
            self.problems.append(f"{call}: nothing more was to be asked")
            return 599, {}, {}
        wanted = self.script.pop(0)
        if wanted["call"] != call:
            self.problems.append(f"{call} came instead of {wanted['call']}")
        if "sends" in wanted and wanted["sends"] != body:
            self.problems.append(f"{call} sent {json.dumps(body)}, not {wanted['sends']}")
        for name, value in (wanted.get("given") or {}).items():
            if headers.get(name) != str(value):
                self.problems.append(f"{call}: header {name} is {headers.get(name)}, not {value}")
        return wanted.get("status", 200), wanted.get("answers"), wanted.get("headers") or {}

    def _own_answer(self, method: str, path: str) -> tuple[int, Any, Any] | None:
        if path == "/identity/v3/auth/tokens" and method == "POST":
            self.tokens += 1
            if self.refuses:
                refusal = {
                    "error": {"message": "The request you have made requires authentication."}
                }
                return self.refuses, refusal, {"x-openstack-request-id": "req-auth"}
            return 201, {"token": self._token()}, {"X-Subject-Token": "t"}
        for part, (_, version, number) in _VERSIONS.items():
            if part == "objects":
                continue
            if path.rstrip("/") in (f"/{part}", f"/{part}/{version}"):
                link = {"rel": "self", "href": f"{self.url}/{part}/{version}/"}
                one = {
                    "id": number,
                    "status": "CURRENT",
                    "links": [link],
                    "version": "2.100" if part == "compute" else "",
                    "min_version": "2.1" if part == "compute" else "",
                }
                return 200, {"versions": [one]}, {}
        return None

    def _token(self) -> dict[str, Any]:
        return {
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "user": {"id": "u-id", "name": "u", "domain": {"id": "default", "name": "Default"}},
            "project": {"id": "p", "name": "proj", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "r1", "name": "admin"}],
            "catalog": [
                {
                    "type": kind,
                    "id": part,
                    "name": part,
                    "endpoints": [
                        {
                            "id": part,
                            "interface": "public",
                            "region": "main",
                            "region_id": "main",
                            "url": f"{self.url}/{part}/{version}",
                        }
                    ],
                }
                for part, (kind, version, _) in _VERSIONS.items()
            ],
        }


def _handler(cloud: ScriptedCloud) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            try:
                body = json.loads(text) if text else None
            except ValueError:
                body = text.decode(errors="replace")
            status, answer, headers = cloud.answer(self.command, self.path, body, self.headers)
            raw = answer if isinstance(answer, str) else json.dumps(answer)
            data = b"" if answer is None else raw.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Content-Type", "application/json")
            for name, value in headers.items():
                self.send_header(name, str(value))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _answer  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return Handler
