"""An OpenStack that exists only in memory, with just enough of neutron and cinder to deploy to."""

import itertools
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from lab.engine.cloud import ApiError, Cloud

Body = dict[str, Any]

PROJECT = "p1"
DEFAULTS: dict[str, Body] = {
    "networks": {"admin_state_up": True, "mtu": 1450, "shared": False, "status": "ACTIVE"},
    "subnets": {"gateway_ip": "fd00::1", "enable_dhcp": True, "dns_nameservers": []},
    "ports": {
        "admin_state_up": True,
        "fixed_ips": [],
        "security_groups": [],
        "allowed_address_pairs": [],
        "device_id": "",
    },
    "security-groups": {"description": "", "stateful": True, "security_group_rules": []},
    "security-group-rules": {
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": None,
    },
    "projects": {"enabled": True, "description": "", "domain_id": "default", "is_domain": False},
    "quotas": {},
    "volumes": {"status": "available", "metadata": {}, "attachments": [], "size": 1},
}
KEYS = {name: name.removesuffix("s").replace("-", "_") for name in DEFAULTS}


class MemoryCloud:
    """
    The objects, by collection and id.  Safe for many threads.

    `log` has "METHOD /path" of each request; `refuse` maps such a line (an id as "*") to the
    status and message that it gets instead of an answer.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Body]] = {name: {} for name in DEFAULTS}
        self.log: list[str] = []
        self.refuse: dict[str, tuple[int, str]] = {}
        self.made = 0
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    @property
    def changes(self) -> list[str]:
        """The requests that changed something, or tried to."""
        return [line for line in self.log if not line.startswith("GET")]

    def all(self, name: str) -> list[Body]:
        """Give the objects of a collection."""
        return list(self.objects[name].values())

    def only(self, name: str) -> Body:
        """Give the one object of a collection."""
        (found,) = self.objects[name].values()
        return found

    def answer(
        self, method: str, path: str, query: Mapping[str, Any], body: Body | None
    ) -> tuple[int, Body]:
        """Do one request: its status and JSON."""
        with self._lock:
            self.log.append(f"{method} {path}")
            parts = path.strip("/").split("/")
            pattern = f"{method} /{parts[0]}" + ("/*" if len(parts) > 1 else "")
            for line in (f"{method} {path}", pattern):
                if line in self.refuse:
                    status, message = self.refuse[line]
                    return status, {"NeutronError": {"message": message}}
            return self._answer(method, parts, query, body or {})

    def _answer(
        self, method: str, parts: list[str], query: Mapping[str, Any], body: Body
    ) -> tuple[int, Body]:
        name, *rest = parts
        objects, key = self.objects[name], KEYS[name]
        if not rest or rest == ["detail"]:
            if method == "POST":
                return 201, {key: self._make(name, body[key])}
            return 200, {name.replace("-", "_"): self._listed(name, query)}
        if rest[0] not in objects:
            return 404, {"NeutronError": {"message": f"{key} {rest[0]} could not be found"}}
        if method == "DELETE":
            return self._delete(name, rest[0])
        if rest[1:] == ["tags"]:
            objects[rest[0]]["tags"] = sorted(body["tags"])
            return 200, {"tags": objects[rest[0]]["tags"]}
        if method == "PUT":
            objects[rest[0]].update(body[key])
        return 200, {key: self._whole(name, objects[rest[0]])}

    def _listed(self, name: str, query: Mapping[str, Any]) -> list[Body]:
        wanted = {key: query[key] for key in ("name", "security_group_id") if key in query}
        return [
            self._whole(name, one)
            for one in self.objects[name].values()
            if all(one.get(field) == value for field, value in wanted.items())
        ]

    def _make(self, name: str, fields: Body) -> Body:
        ident = f"{KEYS[name]}-{next(self._ids)}"
        self.made += 1
        stamp = "2026-01-01T00:00:00+00:00"
        made = json.loads(json.dumps(DEFAULTS[name])) | {
            "id": ident,
            "project_id": PROJECT,
            "tenant_id": PROJECT,
            "tags": [],
            "created_at": stamp,
            **fields,
        }
        for leg in made.get("fixed_ips", ()):
            leg.setdefault("ip_address", f"fd00::{self.made + 0x10:x}")
        self.objects[name][ident] = made
        if name == "security-groups":
            for kind in ("IPv4", "IPv6"):
                self._make(
                    "security-group-rules",
                    {"security_group_id": ident, "direction": "egress", "ethertype": kind},
                )
        return self._whole(name, made)

    def _whole(self, name: str, one: Body) -> Body:
        if name != "security-groups":
            return one
        rules = self.objects["security-group-rules"].values()
        mine = [rule for rule in rules if rule["security_group_id"] == one["id"]]
        return {**one, "security_group_rules": mine}

    def _delete(self, name: str, ident: str) -> tuple[int, Body]:
        users = {"networks": ("subnets", "ports"), "security-groups": ("ports",)}.get(name, ())
        for user in users:
            if any(ident in json.dumps(one) for one in self.objects[user].values()):
                return 409, {"NeutronError": {"message": f"{ident} is in use"}}
        del self.objects[name][ident]
        if name == "security-groups":
            rules = self.objects["security-group-rules"]
            for rule in [one for one in rules.values() if one["security_group_id"] == ident]:
                del rules[rule["id"]]
        return 204, {}

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it over HTTP on loopback: its URL."""
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                parts = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(parts.query))
                status, answer = cloud.answer(self.command, parts.path, query, body)
                data = b"" if status == 204 else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815 - http.server's names

            def log_message(self, *args: Any) -> None:
                """Keep quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class MemoryConnection(Cloud):
    """A Cloud whose requests go to a MemoryCloud, directly or at a URL."""

    region = "r"
    project_id = PROJECT
    user_id = "u1"

    def __init__(
        self,
        settings: Mapping[str, Any],
        memory: MemoryCloud | None = None,
        url: str = "",
        hook: Callable[[str, str, str], None] | None = None,
    ) -> None:
        super().__init__(settings)
        self.settings = settings
        self.memory, self.url, self.hook = memory, url, hook

    def require_access(self) -> None:
        """Let everybody in."""

    def extension(self, alias: str) -> bool:
        """Say that there is none."""
        del alias
        return False

    def request(  # noqa: D102 - Cloud's
        self,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        microversion: str | None = None,
        **more: Any,
    ) -> requests.Response:
        del microversion
        method = method.upper()
        project = self.settings.get("tenantId")
        if self.memory and project and project not in self.memory.objects["projects"]:
            raise ApiError(
                service=service, method=method, url=path, status=401, message="no such project"
            )
        if self.hook:
            self.hook("before", method, path)
        query = more.get("params") or {}
        if self.url:
            asked = requests.request(method, self.url + path, params=query, json=body, timeout=10)
            status, found = asked.status_code, asked.json() if asked.content else {}
        else:
            assert self.memory is not None
            status, found = self.memory.answer(method, path, query, body)
        if self.hook:
            self.hook("after", method, path)
        if status >= 400:
            raise ApiError(
                service=service,
                method=method,
                url=f"http://memory{path}",
                status=status,
                message=found["NeutronError"]["message"],
                request_id="req-1",
            )
        response = requests.Response()
        response.status_code = status
        response._content = json.dumps(found).encode()
        return response
