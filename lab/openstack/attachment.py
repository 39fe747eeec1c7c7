"""
A network namespace on a site's network, by a port of neutron's, as a host is.

Its addresses are the port's, its default routes the subnets' gateways; what passes, neutron says.
"""

import ipaddress
import time
from typing import Any

from catalogue.errors import OutsideError
from lab.hosts import machine
from lab.hosts.command import run
from lab.openstack import fabric, plugging
from lab.openstack.sites import Site

PATIENCE_S = 60


def attach(site: Site, network: Any, port: Any, space: str) -> None:
    """
    Have the namespace, with the port as an interface of it; again is fine.

    `network` is openstacksdk's way to neutron, as an administrator; `port` is of its kind.
    """
    if not port.is_admin_state_up or port.binding_host_id != site.network_host:
        network.update_port(port, admin_state_up=True, binding_host_id=site.network_host)
    mtu = network.get_network(port.network_id).mtu
    switch = plugging.switch_of(site)
    machine.make_namespace(space)
    machine.sysctl(space, net__ipv4__ip_forward=0, net__ipv6__conf__default__accept_ra=0)
    plugging.empty(switch, space, but=port.mac_address)
    device = plugging.plug(switch, plugging.Port(port.id, port.mac_address, mtu), space)
    for fixed in port.fixed_ips:
        subnet = network.get_subnet(fixed["subnet_id"])
        prefix = ipaddress.ip_network(subnet.cidr)
        address = f"{fixed['ip_address']}/{prefix.prefixlen}"
        run("ip", "-n", space, "address", "replace", address, "dev", device)
        if subnet.gateway_ip:
            way = ("default", "via", subnet.gateway_ip, "dev", device)
            run("ip", "-n", space, f"-{prefix.version}", "route", "replace", *way)


def wait(network: Any, port: Any, space: str) -> None:
    """Wait until the port is wired and its addresses are found to be unique; or OutsideError."""
    tentative = ("ip", "-n", space, "-6", "address", "show", "tentative")
    deadline = time.monotonic() + PATIENCE_S
    while network.get_port(port.id).status != "ACTIVE" or run(*tentative):
        if time.monotonic() > deadline:
            raise OutsideError(
                f"the port {port.name} is not wired within {PATIENCE_S} s",
                remedy="look into neutron-ovs.log of its site, then citydc lab up",
            )
        time.sleep(0.2)


def detach(site: Site, space: str) -> None:
    """Remove the namespace, with what runs in it, and its port from the switch."""
    if (machine.NAMESPACES / space).exists():
        plugging.empty(plugging.switch_of(site), space)
    fabric.remove_space(space)
