"""
What a cloud's operators provide before anyone deploys: made through the API, again is fine.

Roles, availability zones, the external network, volume types.  Production has them already.
"""

import ipaddress
import time

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from catalogue.errors import OutsideError
from lab.openstack import clouds
from lab.openstack.sites import ZONES, Site

EXTERNAL = "external"
AGENTS = {"neutron-openvswitch-agent", "neutron-l3-agent"}
PATIENCE_S = 60
# What may be done with load balancers and secrets comes with the membership in a project.
ROLES_OF_A_MEMBER = ("load-balancer_member", "creator")
ENCRYPTION = {
    "provider": "luks",
    "cipher": "aes-xts-plain64",
    "key_size": 256,
    "control_location": "front-end",
}


def provide(site: Site) -> None:
    """Make on the site what is missing; raise OutsideError when a service refuses."""
    with clouds.connect(site) as cloud:
        try:
            if site.hosts:
                _wait_for_agents(cloud, site)
            _roles(cloud)
            _volume_types(cloud)
            _external_network(cloud, site)
            _availability_zones(cloud, site)
        except (SDKException, ClientException) as error:
            raise OutsideError(
                f"what the operators of {site.name} provide could not be made",
                why=str(error),
                remedy="look into the log, then citydc lab up",
                place=str(site.log),
            ) from error


def _wait_for_agents(cloud: Connection, site: Site) -> None:
    """Wait until neutron knows its agents: before, no port can be bound."""
    deadline = time.monotonic() + PATIENCE_S
    while not {agent.binary for agent in cloud.network.agents() if agent.is_alive} >= AGENTS:
        if time.monotonic() > deadline:
            raise OutsideError(
                f"the network agents of {site.name} don't report within {PATIENCE_S} s",
                remedy="look into the log, then citydc lab up",
                place=str(site.log / "network.out"),
            )
        time.sleep(0.2)


def _roles(cloud: Connection) -> None:
    there = {role.name: role for role in cloud.identity.roles()}
    for name in ROLES_OF_A_MEMBER:
        role = there.get(name) or cloud.identity.create_role(name=name)
        cloud.identity.put(f"/roles/{there['member'].id}/implies/{role.id}")


def _volume_types(cloud: Connection) -> None:
    there = {kind.name: kind for kind in cloud.block_storage.types()}
    if "standard" not in there:
        cloud.block_storage.create_type(name="standard", description="not encrypted")
    luks = there.get("luks") or cloud.block_storage.create_type(
        name="luks", description="encrypted, with a key of its own per volume"
    )
    if not cloud.block_storage.get_type_encryption(luks.id).provider:
        cloud.block_storage.create_type_encryption(luks.id, **ENCRYPTION)


def _external_network(cloud: Connection, site: Site) -> None:
    network = cloud.network.find_network(
        EXTERNAL, ignore_missing=True
    ) or cloud.network.create_network(
        name=EXTERNAL,
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network=EXTERNAL,
    )
    there = {subnet.cidr for subnet in cloud.network.subnets(network_id=network.id)}
    for cidr in site.uplink:
        if cidr not in there:
            prefix = ipaddress.ip_network(cidr)
            cloud.network.create_subnet(
                name=f"{EXTERNAL}-ipv{prefix.version}",
                network_id=network.id,
                ip_version=prefix.version,
                cidr=cidr,
                gateway_ip=str(prefix[1]),
                is_dhcp_enabled=False,
            )


def _availability_zones(cloud: Connection, site: Site) -> None:
    there = {aggregate.name: aggregate for aggregate in cloud.compute.aggregates()}
    for zone in ZONES:
        aggregate = there.get(zone) or cloud.compute.create_aggregate(
            name=zone, availability_zone=zone
        )
        for host, of in site.computes():
            if of == zone and host not in (aggregate.hosts or ()):
                cloud.compute.add_host_to_aggregate(aggregate, host)
