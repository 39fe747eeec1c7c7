"""Messages between services of one process."""
# oslo.messaging has no types, and takes eventlet unless told otherwise beforehand.
# mypy: disable-error-code="import-untyped"

import collections
import queue
import threading
import warnings
from typing import Any

import pytest
from oslo_config import cfg

from lab.openstack import parent

with warnings.catch_warnings():  # of what OpenStack's libraries will drop
    warnings.simplefilter("ignore")
    parent.preload()

from oslo_messaging import MessagingTimeout, Target

from lab.openstack import bus


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> bus.Driver:
    """Give a driver whose exchanges nobody else knows."""
    monkeypatch.setattr(bus, "exchanges", collections.defaultdict(bus.Exchange))
    return bus.Driver(cfg.ConfigOpts(), None, "site")


def listen(driver: bus.Driver, server: str) -> bus._Listener:
    """Give a listener on the topic "volume"."""
    return bus._Listener(driver._exchange(Target()), [("volume", server)])


def took(listener: bus._Listener) -> list[Any]:
    """Give the messages that wait for a listener."""
    found: list[Any] = []
    while True:
        try:
            item = listener.inbox.get_nowait()
        except queue.Empty:
            return found
        assert item
        found.append(item[1])


def test_message_to_a_server_goes_to_it_alone(driver: bus.Driver) -> None:
    """Of two servers of a topic, the one named gets it."""
    first, second = listen(driver, "a"), listen(driver, "b")
    driver.send(Target(topic="volume", server="b"), {}, {"do": "it"})
    assert (took(first), took(second)) == ([], [{"do": "it"}])


def test_message_to_a_topic_goes_to_one_server_in_turn(driver: bus.Driver) -> None:
    """Servers of a topic share its messages."""
    first, second = listen(driver, "a"), listen(driver, "b")
    for number in range(4):
        driver.send(Target(topic="volume"), {}, number)
    assert sorted(map(len, (took(first), took(second)))) == [2, 2]


def test_fanout_goes_to_all(driver: bus.Driver) -> None:
    """Every server of the topic gets a copy."""
    first, second = listen(driver, "a"), listen(driver, "b")
    driver.send(Target(topic="volume", fanout=True), {}, "all")
    assert (took(first), took(second)) == (["all"], ["all"])


def test_message_waits_for_a_server_that_starts_later(driver: bus.Driver) -> None:
    """What is sent before a server listens is there when it does; others don't get it."""
    driver.send(Target(topic="volume", server="late"), {}, "early")
    assert took(listen(driver, "other")) == []
    assert took(listen(driver, "late")) == ["early"]


def test_call_gets_the_reply(driver: bus.Driver) -> None:
    """A call waits for the answer, which is copied as on a real bus."""
    listener = listen(driver, "a")
    answer = {"size": (1, 2)}

    def serve() -> None:
        for incoming in listener.poll(timeout=10):
            incoming.reply(answer)

    server = threading.Thread(target=serve)
    server.start()
    got = driver.send(Target(topic="volume"), {}, {}, wait_for_reply=True, timeout=10)
    server.join()
    assert got == {"size": [1, 2]}


def test_call_raises_the_server_s_failure(driver: bus.Driver) -> None:
    """An exception on the other side is raised here."""
    listener = listen(driver, "a")

    def serve() -> None:
        error = ValueError("no such volume")
        for incoming in listener.poll(timeout=10):
            incoming.reply(failure=(ValueError, error, None))

    server = threading.Thread(target=serve)
    server.start()
    with pytest.raises(ValueError, match="no such volume"):
        driver.send(Target(topic="volume"), {}, {}, wait_for_reply=True, timeout=10)
    server.join()


def test_call_without_a_reply_times_out(driver: bus.Driver) -> None:
    """The error names the topic."""
    with pytest.raises(MessagingTimeout, match="volume"):
        driver.send(Target(topic="volume"), {}, {}, wait_for_reply=True, timeout=0.01)


def test_stopped_listener_gets_nothing_more(driver: bus.Driver) -> None:
    """After a stop its poll ends, and messages go to those that are left."""
    first, second = listen(driver, "a"), listen(driver, "b")
    first.stop()
    driver.send(Target(topic="volume"), {}, "next")
    assert first.poll(timeout=10) == []
    assert took(second) == ["next"]


def test_exchanges_keep_apart(driver: bus.Driver) -> None:
    """Nova's messages are none of cinder's, whatever the topic."""
    listener = listen(driver, "a")
    driver.send(Target(exchange="other", topic="volume"), {}, "theirs")
    assert took(listener) == []
