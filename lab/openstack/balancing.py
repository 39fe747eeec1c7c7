"""The load balancers of a site with hosts: their namespaces, and the HAProxy that spreads."""
# octavia has no types.
# mypy: disable-error-code="import-untyped, misc"

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from octavia.common import utils
from octavia.db import api, models

from lab import files
from lab.hosts import machine
from lab.openstack import attachment, fabric, haproxy
from lab.openstack.sites import Site

PATIENCE_S = 30
# What it takes to open connections in the namespaces, and to listen there.
RIGHTS = "--bounding-set=-all,+sys_admin,+net_bind_service"
COMMAND = ("setpriv", "--pdeathsig", "KILL", RIGHTS, "haproxy", "-db")


class Plane:
    """What packets of a site's load balancers go through."""

    def __init__(self, site: Site) -> None:
        self._site = site
        folder = fabric.run_folder(site)
        self._files = haproxy.Files(folder / "haproxy.sock", folder / "haproxy.states")
        self._configuration = site.state / "octavia/haproxy.cfg"
        self._network = utils.get_network_driver()
        self._balancers: dict[str, Any] = {}  # by namespace
        self._heard: dict[str, Any] = {}  # whom their groups let in, by namespace
        self._text = ""
        self._processes: list[subprocess.Popen[bytes]] = []  # the last one is told of changes
        self._told: dict[str, dict[str, str]] = {}

    @property
    def is_up(self) -> bool:
        """Say whether HAProxy runs."""
        return bool(self._processes) and self._processes[-1].poll() is None

    def apply(self) -> None:
        """Have all as octavia has it now."""
        wanted = {
            fabric.part_of(self._site, f"balancer-{one.id[:8]}"): one
            for one in _balancers(self._balancers.values())
        }
        for space, balancer in wanted.items():
            heard = haproxy.heard(balancer)
            if _is_pending(balancer) and self._heard.get(space) != heard:
                self._network.update_vip_sg(balancer, balancer.vip)
                self._heard[space] = heard
            if space not in self._balancers:
                port = self._network.network_proxy.get_port(balancer.vip.port_id)
                attachment.attach(self._site, self._network.network_proxy, port, space)
                # An address may still be looked for elsewhere when it is listened on.
                machine.sysctl(space, net__ipv6__ip_nonlocal_bind=1)
        self._spread(haproxy.text(wanted, self._files))
        for path in machine.NAMESPACES.glob(fabric.part_of(self._site, "balancer-*")):
            if path.name not in wanted:
                attachment.detach(self._site, path.name)
        self._balancers = wanted
        self._told = {}

    def statuses(self) -> dict[str, list[dict[str, str]]]:
        """Give the operating statuses that have changed, as drivers report them."""
        now = haproxy.statuses(self._balancers.values(), self._ask("show stat"))
        changed = {
            kind: [
                {"id": id_, "operating_status": status}
                for id_, status in things.items()
                if self._told.get(kind, {}).get(id_) != status
            ]
            for kind, things in now.items()
        }
        self._told = now
        return changed

    def _spread(self, text: str) -> None:
        """Have an HAProxy with this configuration; its connections outlive the one before."""
        if self.is_up and text == self._text:
            return
        self._processes = [one for one in self._processes if one.poll() is None]
        states = self._ask("show servers state") if self._processes else ""
        files.write(self._files.states, states or "1\n")  # the format's version
        files.write(self._configuration, text)
        before = [str(one.pid) for one in self._processes]
        command = (*COMMAND, "-f", str(self._configuration), *(["-sf", *before] if before else ()))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603  (a program of its own)
        deadline = time.monotonic() + PATIENCE_S
        while f"Pid: {process.pid}\n" not in self._ask("show info"):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"haproxy does not start with {self._configuration}")
            time.sleep(0.02)
        self._processes.append(process)
        self._text = text

    def _ask(self, what: str) -> str:
        """Give HAProxy's answer, "" while it has none."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as door:
            door.settimeout(PATIENCE_S)
            door.connect(str(self._files.socket))
            door.sendall(f"{what}\n".encode())
            return door.makefile().read()
        return ""


def _balancers(known: Iterable[Any]) -> list[Any]:
    """Give the balancers that are there; those that are known and not pending, as they are."""
    ready = {one.id: one for one in known}
    session = api.get_session()
    with session.begin():
        rows = session.query(models.LoadBalancer).filter(
            models.LoadBalancer.provisioning_status.not_in(haproxy.GONE)
        )
        return [
            row.to_data_model() if _is_pending(row) or row.id not in ready else ready[row.id]
            for row in rows
        ]


def _is_pending(thing: Any) -> bool:
    return bool(thing.provisioning_status.startswith("PENDING_"))
