"""A site's process of one project: its API, with the workers as threads."""
# waitress has no types.
# mypy: disable-error-code="import-untyped"

import contextlib
import faulthandler
import signal
import socket
import time
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING, Any

import waitress

from lab.openstack import processes
from lab.openstack.sites import HOST, Site

if TYPE_CHECKING:
    from lab.openstack.project import Project

PATIENCE_S = 120
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve(name: str, project: "Project", site: Site) -> None:
    """Start the project on the site and answer requests; does not return."""
    processes.set_name(f"{name}-{site.name}")
    faulthandler.register(signal.SIGUSR1)  # writes all threads' stacks into the .out file
    for other in project.waits_for:
        wait_for(site.port_of(other))
    if project.serve:
        project.serve(site)
    if project.start:
        app = project.start(site)
        processes.set_name(f"{name}-{site.name}")  # some rename themselves
        waitress.serve(
            logged(app, (site.log / f"{name}.requests").open("a", buffering=1)),
            listen=f"{HOST}:{site.port_of(name)}",
            threads=16,
            ident=None,
            _quiet=True,
            channel_timeout=3600,
            connection_limit=1000,
            asyncore_use_poll=True,
            max_request_body_size=1 << 40,
            clear_untrusted_proxy_headers=False,
        )


def wait_for(port: int) -> None:
    """Wait until something listens on the port of this machine; raise TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing answers on port {port}")
        time.sleep(0.1)


def logged(app: Application, log: IO[str]) -> Application:
    """Give the app, with a line per request in the log."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        began, status = time.monotonic(), ["-"]

        def start(line: str, headers: Any, exc_info: Any = None) -> Any:
            status[0] = line[:3]
            return start_response(line, headers, exc_info)

        try:
            return app(environ, start)
        finally:
            url = environ["PATH_INFO"]
            if environ.get("QUERY_STRING"):
                url += "?" + environ["QUERY_STRING"]
            took = (time.monotonic() - began) * 1000
            with contextlib.suppress(OSError):  # a full disk shall not keep it from answering
                log.write(
                    f"{time.strftime('%F %T')} {status[0]} {took:5.0f} ms "
                    f"{environ['REQUEST_METHOD']} {url}\n"
                )

    return application
