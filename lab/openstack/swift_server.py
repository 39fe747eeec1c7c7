"""
Swift's proxy, account, container and object servers in one process.

Run as `python -m lab.openstack.swift_server ETC SITE ACCOUNT_PORT CONTAINER_PORT OBJECT_PORT`.
"""
# swift and eventlet have no types, and eventlet wants its patch before the other modules.
# mypy: disable-error-code="import-untyped"
# ruff: noqa: E402

import eventlet

eventlet.monkey_patch()

import logging
import sys
from pathlib import Path

from eventlet import wsgi as eventlet_wsgi
from swift.common import http_protocol, ring, storage_policy, utils, wsgi
from swift.common.utils import logs

from lab.openstack import processes
from lab.openstack.sites import HOST


def main(etc: Path, site: str, ports: dict[str, int]) -> None:
    """Serve with the configuration in `etc`; does not return."""
    processes.set_name(f"swift-{site}")
    for part, port in ports.items():
        _write_ring(etc / f"{part}.ring.gz", port)
    logs.ThreadSafeSysLogHandler = _to_standard_error
    utils.SWIFT_CONF_FILE = str(etc / "swift.conf")
    utils.validate_configuration()
    storage_policy.reload_storage_policies()
    servers = []
    for part in (*ports, "proxy"):
        app, settings, _logger, _ = wsgi.init_request_processor(
            str(etc / f"{part}-server.conf"), f"{part}-server"
        )
        servers.append(
            eventlet.spawn(
                eventlet_wsgi.server,
                wsgi.get_socket(settings),
                app,
                utils.NullLogger(),
                protocol=http_protocol.SwiftHttpProtocol,
            )
        )
    for server in servers:
        server.wait()


def _to_standard_error(**_syslog: object) -> logging.Handler:
    """Log into the .out file: Swift itself knows syslog only, and sends it over the network."""
    return logging.StreamHandler()


def _write_ring(path: Path, port: int) -> None:
    if path.exists():
        return
    builder = ring.RingBuilder(part_power=4, replicas=1, min_part_hours=0)
    builder.add_dev({"region": 1, "zone": 1, "ip": HOST, "port": port, "device": "d1", "weight": 1})
    builder.rebalance()
    draft = path.with_name(f"draft.{path.name}")
    builder.get_ring().save(str(draft))
    draft.replace(path)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        sys.argv[2],
        dict(zip(("account", "container", "object"), map(int, sys.argv[3:]), strict=True)),
    )
