"""What stands around a project's API."""

import socket
from pathlib import Path
from typing import Any

import pytest

from lab.openstack import serving


def test_request_is_logged_with_status_and_address(tmp_path: Path) -> None:
    """A line per request: status, milliseconds, method, path and query; no header, no body."""

    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("204 No Content", [])
        return [b""]

    environ = {"PATH_INFO": "/v3/volumes", "QUERY_STRING": "limit=1", "REQUEST_METHOD": "GET"}
    with (tmp_path / "log").open("a") as log:
        logged = serving.logged(app, log)
        body = logged({**environ, "HTTP_X_AUTH_TOKEN": "secret"}, lambda *_: None)
    line = (tmp_path / "log").read_text()
    assert body == [b""]
    assert " 204 " in line
    assert line.endswith("GET /v3/volumes?limit=1\n")
    assert "secret" not in line


def test_waiting_for_a_port_ends_when_someone_listens() -> None:
    """A service that another one needs is waited for."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert serving.wait_for(other.getsockname()[1]) is None  # type: ignore[func-returns-value]  # that it returns


def test_waiting_for_a_port_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody ever listens, the error names the port."""
    monkeypatch.setattr(serving, "PATIENCE_S", 0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with pytest.raises(TimeoutError, match=str(port)):
        serving.wait_for(port)
