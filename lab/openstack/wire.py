"""
The bus of one process, for other processes of the same machine.

`serve` opens it over a Unix socket; the others join with `transport_url = unixbus:///PATH`.
Lines of JSON go both ways:

    listen  NUMBER EXCHANGE TOPIC SERVER
    deaf    NUMBER
    send    ID EXCHANGE TOPIC SERVER FANOUT CONTEXT MESSAGE   (ID: a reply is wanted)
    message NUMBER ID CONTEXT MESSAGE
    reply   ID VALUE FAILURE
"""
# oslo.messaging has no types.
# mypy: disable-error-code="import-untyped, misc"

import contextlib
import functools
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oslo_messaging._drivers import common
from oslo_serialization import jsonutils

from lab.openstack import bus

RETRY_S = 0.1


class _Wire:
    """One end of a connection between two processes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._waiting: dict[int, bus.Inbox] = {}

    def write(self, *line: Any) -> None:
        """Send a line; raise OSError when the other end is gone."""
        data = jsonutils.dump_as_bytes(line) + b"\n"
        with self._lock:
            self._connection.sendall(data)

    def lines(self) -> Iterator[Any]:
        """Give the lines that come, until the other end is gone."""
        with contextlib.suppress(OSError):
            for line in self._lines:
                yield jsonutils.loads(line)

    def expect(self, replies: bus.Inbox | None) -> int | None:
        """Give an id under which the other end may answer into `replies`."""
        if replies is None:
            return None
        number = next(self._ids)
        self._waiting[number] = replies
        return number

    def answered(self, number: int, value: Any, failure: str | None) -> None:
        """Hand an answer on; one that nobody waits for any more is dropped."""
        replies = self._waiting.pop(number, None)
        if replies is not None:
            replies.put((value, failure))


class _Answer:
    """Replies whose reader is at the other end of a wire."""

    def __init__(self, wire: _Wire, number: int) -> None:
        self._wire, self._number = wire, number

    def put(self, item: Any) -> None:
        value, failure = item
        if isinstance(failure, BaseException):
            failure = common.serialize_remote_exception(
                (type(failure), failure, failure.__traceback__)
            )
        with contextlib.suppress(OSError):  # it is gone
            self._wire.write("reply", self._number, value, failure)


class _FarInbox:
    """The inbox of a listener at the other end of a wire."""

    def __init__(self, wire: _Wire, number: int) -> None:
        self._wire, self._number = wire, number

    def put(self, item: Any) -> None:
        context, message, replies = item
        with contextlib.suppress(OSError):  # it is gone
            self._wire.write("message", self._number, self._wire.expect(replies), context, message)


def serve(path: Path) -> None:
    """Let other processes of this user join this process's bus."""
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    path.chmod(0o600)
    door.listen()

    def accept() -> None:
        while True:
            wire = _Wire(door.accept()[0])
            threading.Thread(target=_serve_one, args=(wire,), daemon=True).start()

    threading.Thread(target=accept, daemon=True, name="bus").start()


def _serve_one(wire: _Wire) -> None:
    listening: dict[int, tuple[str, str, str | None, _FarInbox]] = {}
    for kind, *rest in wire.lines():
        if kind == "listen":
            number, exchange, topic, server = rest
            inbox = _FarInbox(wire, number)
            listening[number] = (exchange, topic, server, inbox)
            bus.exchanges[exchange].attach(topic, server, inbox)
        elif kind == "deaf":
            _forget(*listening.pop(rest[0]))
        elif kind == "send":
            number, exchange, topic, server, fanout, context, message = rest
            replies = None if number is None else _Answer(wire, number)
            bus.exchanges[exchange].send(topic, server, fanout, context, message, replies)
        else:
            wire.answered(*rest)
    for one in listening.values():
        _forget(*one)


def _forget(exchange: str, topic: str, server: str | None, inbox: _FarInbox) -> None:
    bus.exchanges[exchange].detach(topic, server, inbox)


class _Hub:
    """This process's connection to a bus elsewhere; made again when it is lost."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listening: dict[int, tuple[str, str, str | None, bus.Inbox]] = {}
        self._numbers = itertools.count(1)
        self._connected = threading.Event()
        self._wire: _Wire | None = None
        threading.Thread(target=self._run, daemon=True, name="bus").start()

    def _run(self) -> None:
        while True:
            with socket.socket(socket.AF_UNIX) as connection:
                try:
                    connection.connect(self._path)
                    wire = _Wire(connection)
                    for number, (*where, _) in list(self._listening.items()):
                        wire.write("listen", number, *where)
                except OSError:
                    time.sleep(RETRY_S)
                    continue
                self._wire = wire
                self._connected.set()
                self._read(wire)
                self._connected.clear()

    def _read(self, wire: _Wire) -> None:
        for kind, *rest in wire.lines():
            if kind == "reply":
                wire.answered(*rest)
            elif rest[0] in self._listening:
                number, reply, context, message = rest
                self._listening[number][-1].put(
                    (context, message, None if reply is None else _Answer(wire, reply))
                )

    def write(self, *line: Any, replies: bus.Inbox | None = None) -> None:
        """Send a line, once more if the connection broke meanwhile."""
        for _ in range(2):
            self._connected.wait()
            assert self._wire  # noqa: S101  (since it is connected)
            with contextlib.suppress(OSError):
                kind, *rest = line
                number = [self._wire.expect(replies)] if kind == "send" else []
                return self._wire.write(kind, *number, *rest)
            time.sleep(RETRY_S)
        return None

    def listen(self, exchange: str, topic: str, server: str | None, inbox: bus.Inbox) -> None:
        """Have the topic's messages for the server put into the inbox."""
        number = next(self._numbers)
        self._connected.wait()
        self._listening[number] = (exchange, topic, server, inbox)
        self.write("listen", number, exchange, topic, server)

    def forget(self, inbox: bus.Inbox) -> None:
        """Have no more messages put into the inbox."""
        for number, (*_, one) in list(self._listening.items()):
            if one is inbox:
                del self._listening[number]
                self.write("deaf", number)


_hub = functools.cache(_Hub)


class _FarExchange(bus.Exchange):
    """An exchange of another process."""

    def __init__(self, hub: _Hub, name: str) -> None:
        super().__init__()
        self._hub, self._name = hub, name

    def attach(self, topic: str, server: str | None, inbox: bus.Inbox) -> None:
        self._hub.listen(self._name, topic, server, inbox)

    def detach(self, topic: str, server: str | None, inbox: bus.Inbox) -> None:  # noqa: ARG002
        self._hub.forget(inbox)

    def send(self, *message: Any) -> None:
        *sent, replies = message
        self._hub.write("send", self._name, *sent, replies=replies)


class Driver(bus.Driver):
    """What `transport_url = unixbus:///PATH` stands for; the entry point names it."""

    def __init__(self, conf: Any, url: Any, *args: Any, **more: Any) -> None:
        super().__init__(conf, url, *args, **more)
        self._hub = _hub(f"/{url.virtual_host}")

    def _exchange(self, target: Any) -> bus.Exchange:
        return _FarExchange(self._hub, target.exchange or self._default)
