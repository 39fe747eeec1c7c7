"""
Serving an exporter: /metrics, /-/healthy, /-/ready, /-/reload, what it adds, and nothing else.

SIGHUP and POST /-/reload read the exporter's files and the web configuration anew; SIGTERM ends it.
Systemd is told when it has begun.
"""

import asyncio
import base64
import binascii
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uvicorn
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from catalogue.errors import BadInputError, CityDCError, OutsideError
from exporters import web
from exporters.families import Family, exposition

_log = logging.getLogger(__name__)
_MANY = 128
"""Connections at once; a scrape needs one."""


class Exporter(Protocol):
    """What is served.  `registry` may hold prometheus_client's metrics beside the families."""

    registry: CollectorRegistry

    def families(self) -> Iterable[Family]:
        """Return the families as they are now; it must not wait for anything."""

    def routes(self) -> Sequence[BaseRoute]:
        """Return what it answers beside what all exporters do."""

    def unready(self) -> str:
        """Return why it can't tell the truth yet or any more; empty when it can."""

    async def reload(self) -> None:
        """Read its files anew.  Raise CityDCError, with nothing changed, if one is faulty."""

    async def run(self) -> None:
        """Work until cancelled, then leave everything whole."""


@dataclass(frozen=True)
class Listening:
    """Where to listen; beyond loopback only with TLS."""

    address: str
    port: int
    web_config: Path | None = None


def listening(text: str, web_config: Path | None = None) -> Listening:
    """
    Return where "127.0.0.1:9811" or "[::1]:9811" is.

    Raise BadInputError if it is no such text, or lies beyond loopback without TLS.
    """
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
        socket.htons(number)
    except (ValueError, OverflowError) as error:
        raise BadInputError(
            f'"{text}" is no place to listen',
            why=str(error),
            remedy='write an address and a port such as "127.0.0.1:9811" or "[::1]:9811"',
        ) from error
    secured = web_config is not None and web.read(web_config).tls_server_config is not None
    if not address.is_loopback and not secured:
        raise BadInputError(
            f"{text} is beyond loopback, and there is no TLS",
            why="figures and passwords would cross the network in clear",
            remedy="give --web-config FILE with tls_server_config, or listen on 127.0.0.1 or ::1",
        )
    return Listening(str(address), number, web_config)


def serve(exporter: Exporter, where: Listening) -> None:
    """Serve until SIGTERM or SIGINT.  Raise BadInputError or OutsideError if it can't begin."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("exporters").setLevel(logging.INFO)
    asyncio.run(_serve(exporter, where))


async def _serve(exporter: Exporter, where: Listening) -> None:
    server = _Server(exporter, where)
    listener = _bound(where)
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def hang_up() -> None:
        task = loop.create_task(server.reload_and_tell())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    with listener:
        await server.run(listener)


def _bound(where: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in where.address else socket.AF_INET
    try:
        return socket.create_server((where.address, where.port), family=family)
    except OSError as error:
        raise OutsideError(
            f"{where.address}:{where.port} cannot be listened on",
            why=error.strerror or str(error),
            remedy="end what listens there, or give another --listen",
        ) from error


class _Server:
    def __init__(self, exporter: Exporter, where: Listening) -> None:
        self._exporter, self._where = exporter, where
        self._config = web.read(where.web_config) if where.web_config else web.WebConfig()
        self._tls = (
            web.context(self._config.tls_server_config) if self._config.tls_server_config else None
        )
        self._guard: _Guard | None = None
        self._reload_lock = asyncio.Lock()
        self._failed: BaseException | None = None
        ProcessCollector(registry=exporter.registry)

    def app(self) -> ASGIApp:
        """Return the application, guarded."""
        routes: list[BaseRoute] = [
            Route("/metrics", self._metrics),
            Route("/-/healthy", self._healthy),
            Route("/-/ready", self._ready),
            Route("/-/reload", self._reload, methods=["POST", "PUT"]),
            *self._exporter.routes(),
        ]
        self._guard = _Guard(Starlette(routes=routes, lifespan=self._working))
        self._guard.users = web.Users(self._config.basic_auth_users)
        return self._guard

    async def run(self, listener: socket.socket) -> None:
        """Serve on a socket.  Raise what the exporter's own work failed with."""
        config = uvicorn.Config(
            self.app(),
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            limit_concurrency=_MANY,
            timeout_graceful_shutdown=5,
            ssl_context_factory=(lambda *_: self._tls_context()) if self._tls else None,
        )
        self._uvicorn = uvicorn.Server(config)
        await self._uvicorn.serve([listener])
        if self._failed:
            raise self._failed

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            raise RuntimeError("there is no TLS")
        return self._tls

    @contextlib.asynccontextmanager
    async def _working(self, _app: Starlette) -> AsyncIterator[None]:
        """Let the exporter work as long as it is served, and serve no longer than it works."""
        task = asyncio.create_task(self._exporter.run())
        task.add_done_callback(self._ended)
        _tell_systemd("READY=1")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._failed = task.exception() or RuntimeError("the exporter stopped working")
            self._uvicorn.should_exit = True

    async def _metrics(self, request: Request) -> Response:
        return respond(request, self._exporter.families(), self._exporter.registry)

    async def _healthy(self, _request: Request) -> Response:
        return PlainTextResponse("healthy\n")

    async def _ready(self, _request: Request) -> Response:
        why = self._exporter.unready()
        return PlainTextResponse(f"{why or 'ready'}\n", 503 if why else 200)

    async def _reload(self, _request: Request) -> Response:
        try:
            await self.reload()
        except CityDCError as error:
            _log.warning("not reloaded: %s", error)
            return PlainTextResponse(f"not reloaded: {error}\n", 500)
        return PlainTextResponse("reloaded\n")

    async def reload_and_tell(self) -> None:
        """Reload, and say on the log how it went."""
        try:
            await self.reload()
        except CityDCError as error:
            _log.warning("not reloaded: %s", error)
        else:
            _log.info("reloaded")

    async def reload(self) -> None:
        """Read all files anew.  Raise CityDCError if one is faulty; what ran so far still runs."""
        async with self._reload_lock:
            found = web.read(self._where.web_config) if self._where.web_config else self._config
            tls = found.tls_server_config
            if (tls is None) != (self._tls is None):
                raise BadInputError(
                    "TLS can't be switched while the exporter runs", remedy="start it anew"
                )
            if tls:
                web.context(tls)  # a faulty pair must not replace a sound one
            await self._exporter.reload()
            if tls and self._tls:
                web.load(self._tls, tls)
            if self._guard:
                self._guard.users = web.Users(found.basic_auth_users)
            self._config = found


def _tell_systemd(state: str) -> None:
    """Tell a state to the service manager that waits for it, if one does (sd_notify(3))."""
    place = os.environ.get("NOTIFY_SOCKET")
    if place:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), place.replace("@", "\0", 1) if place[0] == "@" else place)


def respond(
    request: HTTPConnection, families: Iterable[Family], registry: CollectorRegistry
) -> Response:
    """Return families and prometheus_client's metrics in the format that the client prefers."""
    encoder, content_type = choose_encoder(request.headers.get("accept", ""))
    head = exposition(families, openmetrics="openmetrics" in content_type)
    return Response(head.encode() + encoder(registry), headers={"content-type": content_type})


class _Guard:
    """Lets nobody in without a user's password, where there are users."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.users = web.Users({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or await self._admitted(HTTPConnection(scope)):
            await self._app(scope, receive, send)
        else:
            refusal = PlainTextResponse(
                "who are you?\n", 401, {"www-authenticate": 'Basic realm="citydc"'}
            )
            await refusal(scope, receive, send)

    async def _admitted(self, connection: HTTPConnection) -> bool:
        users = self.users
        if not users.hashes:
            return True
        scheme, _, coded = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            name, colon, password = base64.b64decode(coded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        if not colon:
            return False
        known = users.remembered(name, password)
        if known is None:
            known = await asyncio.to_thread(users.admit, name, password)
        return known
