"""
A site's network node: its switch, and neutron's own agents, in the site's namespace.

The agents run as root and call what is privileged directly.
"""
# neutron has no types.
# mypy: disable-error-code="import-untyped"

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import neutron.plugins.ml2.drivers.openvswitch.agent.openflow.native.ovs_oskenapp  # noqa: F401  (once for all sites)
from neutron import privileged, service
from neutron.agent import l3_agent
from neutron.agent.l3 import agent as _l3  # noqa: F401  (once for all sites)
from neutron.agent.l3 import namespace_manager, namespaces
from neutron.common import config as common
from neutron.conf.agent import common as agent
from neutron.plugins.ml2.drivers.openvswitch.agent import main as ovs_agent
from oslo_config import cfg

from lab.hosts import machine
from lab.openstack import fabric, processes
from lab.openstack.sites import Site

PATIENCE_S = 20


def serve(site: Site) -> None:
    """Run the switch and the agents; end, and so all of them, when one of them ends."""
    machine.enter(fabric.space_of(site))
    os.environ["OVS_RUNDIR"] = str(fabric.run_folder(site))
    fabric.remove_routers(site)
    fabric.make_switch_database(site)
    database, switch = fabric.switch_commands(site)
    _start(database)
    _wait_for(fabric.run_folder(site) / "db.sock")
    fabric.make_bridges(site)
    _start(switch)
    for name, run in (("ovs", _run_ovs), ("l3", _run_l3)):
        processes.fork(_run_agent, site, name, run)
    pid, status = os.wait()
    raise SystemExit(f"process {pid} ended ({os.waitstatus_to_exitcode(status)})")


def _start(command: list[str]) -> None:
    subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL)  # noqa: S603, S607  (programs of its own)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} does not appear")
        time.sleep(0.02)


def _run_agent(site: Site, name: str, run: Any) -> None:
    processes.set_name(f"{name}-agent-{site.name}")
    for rights in (
        privileged.default,
        privileged.dhcp_release_cmd,
        privileged.ovs_vsctl_cmd,
        privileged.namespace_cmd,
        privileged.conntrack_cmd,
        privileged.link_cmd,
    ):
        rights.set_client_mode(False)  # no helper under sudo
    sys.argv = [f"neutron-{name}-agent", "--config-file", f"{site.etc}/neutron/{name}.conf"]
    run(site)


def _run_ovs(_site: Site) -> None:
    ovs_agent.main()


def _run_l3(site: Site) -> None:
    # The namespaces of routers carry the site's name, so that no agent takes those of another
    # for its own leavings.
    prefix = fabric.router_prefix(site)
    known = namespace_manager.NamespaceManager.ns_prefix_to_class_map
    known[prefix] = known.pop(namespaces.NS_PREFIX)
    namespaces.NS_PREFIX = prefix
    # What neutron's own program does, without a launcher that would fork.
    l3_agent.register_opts(cfg.CONF)
    common.init(sys.argv[1:])
    agent.setup_logging()
    agent.setup_privsep()
    service.Service.create(
        binary="neutron-l3-agent",
        topic="l3_agent",
        manager="neutron.agent.l3.agent.L3NATAgentWithStateReport",
        report_interval=cfg.CONF.AGENT.report_interval,
    ).start()
    threading.Event().wait()
