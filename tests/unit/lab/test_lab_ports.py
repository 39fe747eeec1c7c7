"""Ports that are free and ports that are not, with real sockets."""

import os
import socket
from pathlib import Path

import pytest

from catalogue.errors import OutsideError
from lab.openstack import ports, sites


def free_port() -> int:
    """Give a port that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104  (what is tested)
def test_port_that_someone_listens_to_is_not_free(address: str) -> None:
    """A listener on loopback or on every address takes the port."""
    with socket.create_server((address, 0)) as other:
        assert not ports.is_free(other.getsockname()[1])


def test_port_taken_by_udp_is_not_free() -> None:
    """The name server needs both kinds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        assert not ports.is_free(other.getsockname()[1])


def test_port_is_free_again_once_its_listener_is_gone() -> None:
    """What was closed may be had."""
    assert ports.is_free(free_port())


def test_listener_is_found_with_its_process() -> None:
    """A listening port has the id of the process that has it."""
    with socket.create_server(("127.0.0.1", 0)) as mine:
        assert ports.listeners()[mine.getsockname()[1]] == os.getpid()


def test_taken_ports_are_told_with_service_and_process(tmp_path: Path) -> None:
    """The message says which service of which site needs the port, and who has it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        site = sites.Site("main", port - 4, tmp_path, tmp_path)
        with pytest.raises(OutsideError) as told:
            ports.check_free([site])
    assert f"{port} (nova of main) by process {os.getpid()}" in told.value.why
    assert "CITYDC_LAB_PORT" in told.value.remedy


def test_many_taken_ports_are_told_in_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first few are named, the rest counted."""
    monkeypatch.setattr(ports, "is_free", lambda _: False)
    monkeypatch.setattr(ports, "holder", lambda _: "someone")
    with pytest.raises(OutsideError) as told:
        ports.check_free(sites.load(tmp_path, 23000))
    assert told.value.why.count("someone") == 4
    assert told.value.why.endswith("and 30 more")


def test_free_ports_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said when all may be had."""
    monkeypatch.setattr(ports, "is_free", lambda _: True)
    assert ports.check_free(sites.load(tmp_path, 23000)) is None  # type: ignore[func-returns-value]  # that it returns
