"""
Where a site is observed from: a network namespace with a port where its monitoring hosts stand.

In production exporters run on hosts of `operations/monitoring`; a lab has none.  The port is on the
deployed network of that part, with the groups of its hosts, so that probes pass what theirs would.
"""

import ipaddress
from typing import Any, NamedTuple

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from catalogue.errors import OutsideError
from lab.hosts import machine, registry
from lab.openstack import attachment, clouds, fabric, management
from lab.openstack.sites import NAMES, OBSERVER, Site

NETWORK = "operations-monitoring"
GROUPS = (NETWORK, "baseline")  # those of the part's hosts


class Place(NamedTuple):
    """A namespace under /run/netns, and its address on the lab's management network."""

    namespace: str
    address: ipaddress.IPv6Address


def place(site: Site) -> Place:
    """Have the site's place, until the site or the lab is stopped; raise OutsideError."""
    if not site.hosts:
        raise OutsideError(
            f"{site.name} can't be observed from within",
            why="its servers are fake: no packet flows",
            remedy="make a lab with real hosts: citydc lab reset, then up as root",
        )
    if not (machine.REGISTRY / fabric.space_of(site)).exists():
        raise OutsideError(f"{site.name} is not up", remedy="citydc lab up")
    space = fabric.part_of(site, "observer")
    with clouds.connect(site) as cloud:
        try:
            port = _port(site, cloud.network)
            registry.register(space, belongs_to=site.home.parent)
            attachment.attach(site, cloud.network, port, space)
            attachment.wait(cloud.network, port, space)
        except (SDKException, ClientException) as error:
            raise OutsideError(
                f"the port from which {site.name} is observed could not be made",
                why=str(error),
                remedy="citydc lab status tells what is down",
            ) from error
    number = 2 + NAMES.index(site.name)
    return Place(space, management.join(site.home.parent, space, number))


def remove(site: Site) -> None:
    """Remove the site's place and its port; what runs in it ends."""
    attachment.detach(site, fabric.part_of(site, "observer"))
    with clouds.connect(site) as cloud:
        for port in cloud.network.ports(device_owner=OBSERVER):
            cloud.network.delete_port(port)


def _port(site: Site, network: Any) -> Any:
    """Find or make the port, with the groups as they are deployed now."""
    there = network.find_network(NETWORK)
    groups = [one.id for name in GROUPS if (one := network.find_security_group(name))]
    if not there or len(groups) < len(GROUPS):
        raise OutsideError(
            f"{site.name} can't be observed from within",
            why=f"the network and group {NETWORK} are not deployed there",
            remedy=f"citydc deploy {site.name}",
        )
    for port in network.ports(network_id=there.id, device_owner=OBSERVER):
        if set(port.security_group_ids) != set(groups):
            network.update_port(port, security_group_ids=groups)
        return port
    return network.create_port(
        network_id=there.id,
        name=f"{NETWORK}-observer",
        device_owner=OBSERVER,
        device_id=f"observer-{site.name}",
        security_group_ids=groups,
    )
