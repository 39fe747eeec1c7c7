"""
An oslo.messaging driver for services that share one process.

A message is put straight into the inbox of the listener it is meant for, so nothing polls and a
hop costs microseconds (the library's own `fake://` driver sleeps up to 50 ms a hop).  Messages
are copied through JSON, as on a real bus.  `wire` lets other processes join.
"""
# oslo.messaging has no types.
# mypy: disable-error-code="import-untyped, misc, no-untyped-call, untyped-decorator"

import collections
import itertools
import queue
import threading
from typing import Any, Protocol

import oslo_messaging
from oslo_messaging._drivers import base, common
from oslo_serialization import jsonutils


class Inbox(Protocol):
    """Where messages are put: (context, message, replies)."""

    def put(self, item: Any) -> None:
        """Take the message; return at once."""


class Exchange:
    """Who listens to what, and what came before anyone listened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, list[tuple[str | None, Inbox]]] = collections.defaultdict(list)
        self._pending: dict[str, list[tuple[str | None, Any]]] = collections.defaultdict(list)
        self._turn = itertools.count()

    def attach(self, topic: str, server: str | None, inbox: Inbox) -> None:
        """Let the inbox have a server's share of the topic, and what waits for it."""
        with self._lock:
            self._listeners[topic].append((server, inbox))
            for wanted, item in self._pending.pop(topic, []):
                if wanted in {None, server}:
                    inbox.put(item)
                else:
                    self._pending[topic].append((wanted, item))

    def detach(self, topic: str, server: str | None, inbox: Inbox) -> None:
        """Let the inbox have no more of the topic."""
        with self._lock:
            self._listeners[topic].remove((server, inbox))

    def send(  # noqa: PLR0913, PLR0917  (what a message has)
        self,
        topic: str,
        server: str | None,
        fanout: bool,  # noqa: FBT001
        context: Any,
        message: Any,
        replies: Inbox | None,
    ) -> None:
        """Give the message to all of the topic, to the server, or to the next in turn."""
        body = jsonutils.dumps([context, message])
        with self._lock:
            chosen = self._chosen(topic, server, fanout)
            for inbox in chosen:
                inbox.put((*jsonutils.loads(body), replies))
            if not chosen and not fanout:
                self._pending[topic].append((server, (*jsonutils.loads(body), replies)))

    def _chosen(self, topic: str, server: str | None, fanout: bool) -> list[Inbox]:  # noqa: FBT001
        there = self._listeners[topic]
        if fanout:
            return [inbox for _, inbox in there]
        if server:
            return [inbox for name, inbox in there if name == server][:1]
        return [there[next(self._turn) % len(there)][1]] if there else []


exchanges: dict[str, Exchange] = collections.defaultdict(Exchange)


class _Incoming(base.RpcIncomingMessage):
    def __init__(self, context: Any, message: Any, replies: Any) -> None:
        super().__init__(context, message)
        self._replies = replies

    def reply(self, reply: Any = None, failure: Any = None) -> None:
        if self._replies is not None:
            self._replies.put((reply, failure[1] if failure else None))

    def heartbeat(self) -> None:
        pass

    def requeue(self) -> None:
        raise NotImplementedError


class _Listener(base.PollStyleListener):
    def __init__(self, exchange: Exchange, topics: list[tuple[str, str | None]]) -> None:
        super().__init__()
        self.inbox: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._exchange = exchange
        self._topics = topics
        self._stopped = False
        for topic, server in topics:
            exchange.attach(topic, server, self.inbox)

    @base.batch_poll_helper
    def poll(self, timeout: float | None = None) -> _Incoming | None:
        if self._stopped:
            return None
        try:
            item = self.inbox.get(timeout=timeout)
        except queue.Empty:
            return None
        return _Incoming(*item) if item else None

    def stop(self) -> None:
        self._stopped = True
        for topic, server in self._topics:
            self._exchange.detach(topic, server, self.inbox)
        self.inbox.put(None)


class Driver(base.BaseDriver):
    """What `transport_url = inproc://` stands for; the entry point names it."""

    def __init__(
        self, conf: Any, url: Any, default_exchange: str = "", allowed_remote_exmods: Any = None
    ) -> None:
        super().__init__(conf, url, default_exchange, allowed_remote_exmods)
        self._default = default_exchange

    def require_features(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  (theirs)
        """Accept whatever is required: there is nothing that could be lost."""

    def send(  # noqa: PLR0913, PLR0917  (the library's signature)
        self,
        target: Any,
        ctxt: Any,
        message: Any,
        wait_for_reply: Any = None,
        timeout: float | None = None,
        call_monitor_timeout: float | None = None,  # noqa: ARG002
        retry: int | None = None,  # noqa: ARG002
        transport_options: Any = None,  # noqa: ARG002
    ) -> Any:
        """Give the message to those it is meant for; raise MessagingTimeout without a reply."""
        replies: queue.SimpleQueue[Any] | None = queue.SimpleQueue() if wait_for_reply else None
        self._exchange(target).send(
            target.topic, target.server, bool(target.fanout), ctxt, message, replies
        )
        return None if replies is None else self._reply(replies, target, timeout)

    def _exchange(self, target: Any) -> Exchange:
        return exchanges[target.exchange or self._default]

    def _reply(self, replies: "queue.SimpleQueue[Any]", target: Any, timeout: float | None) -> Any:
        try:
            reply, failure = replies.get(timeout=timeout)
        except queue.Empty:
            raise oslo_messaging.MessagingTimeout(f"No reply on topic {target.topic}") from None
        if isinstance(failure, str):  # from another process
            failure = common.deserialize_remote_exception(failure, self._allowed_remote_exmods)
        if failure is not None:
            raise failure
        return jsonutils.loads(jsonutils.dumps(reply))

    def send_notification(
        self, target: Any, ctxt: Any, message: Any, version: Any, retry: Any = None
    ) -> None:
        """Drop it: nobody listens to notifications here."""

    def listen(self, target: Any, batch_size: int, batch_timeout: float | None) -> Any:
        """Give a listener for a topic and server."""
        listener = _Listener(self._exchange(target), [(target.topic, target.server)])
        return base.PollStyleListenerAdapter(listener, batch_size, batch_timeout)

    def listen_for_notifications(
        self,
        targets_and_priorities: Any,  # noqa: ARG002
        pool: Any,  # noqa: ARG002
        batch_size: int,
        batch_timeout: float | None,
    ) -> Any:
        """Give a listener that never hears anything."""
        listener = _Listener(exchanges["notifications"], [])
        return base.PollStyleListenerAdapter(listener, batch_size, batch_timeout)

    def cleanup(self) -> None:
        """Do nothing: there are no connections."""
