"""Dual-stack networks, and the routers that join them."""

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from catalogue import addresses
from catalogue.addresses import Prefixes
from catalogue.model import Agency as AgencyData
from catalogue.model import Site
from infra import labels
from infra.foundation import AddressPlan
from infra.labels import Labels
from infra.link import InterSiteLink

IPV6_MODE = "dhcpv6-stateful"
"""Addresses come from DHCPv6, so that each server has the one planned for it."""


@dataclass(frozen=True)
class DualStackNetworkArgs:
    """Where a network lies and what it hangs on."""

    site: Site
    prefixes: Prefixes
    plan: AddressPlan
    router: pulumi.Input[str]
    labels: Labels


class DualStackNetwork(pulumi.ComponentResource):
    """A network with an IPv4 and an IPv6 subnet, both on the agency's router."""

    def __init__(
        self, name: str, args: DualStackNetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:network:DualStackNetwork", name, None, opts)
        self.prefixes = args.prefixes
        mine, tags = pulumi.ResourceOptions(parent=self), labels.tags(args.labels)
        self.network = openstack.networking.Network(
            name,
            name=name,
            admin_state_up=True,
            port_security_enabled=True,
            tags=tags,
            opts=mine,
        )
        gateway, pool = args.prefixes.gateway, args.prefixes.pool
        self.ipv4 = openstack.networking.Subnet(
            f"{name}-ipv4",
            name=f"{name}-ipv4",
            network_id=self.network.id,
            subnetpool_id=args.plan.ipv4.id,
            ip_version=4,
            cidr=str(args.prefixes.ipv4),
            gateway_ip=str(gateway.ipv4),
            allocation_pools=[{"start": str(pool.ipv4[0]), "end": str(pool.ipv4[1])}],
            dns_nameservers=_name_servers(args.site, 4),
            tags=tags,
            opts=mine,
        )
        self.ipv6 = openstack.networking.Subnet(
            f"{name}-ipv6",
            name=f"{name}-ipv6",
            network_id=self.network.id,
            subnetpool_id=args.plan.ipv6.id,
            ip_version=6,
            cidr=str(args.prefixes.ipv6),
            gateway_ip=str(gateway.ipv6),
            allocation_pools=[{"start": str(pool.ipv6[0]), "end": str(pool.ipv6[1])}],
            ipv6_address_mode=IPV6_MODE,
            ipv6_ra_mode=IPV6_MODE,
            dns_nameservers=_name_servers(args.site, 6),
            tags=tags,
            opts=mine,
        )
        self.interfaces = [
            openstack.networking.RouterInterface(
                f"{name}-{family}", router_id=args.router, subnet_id=subnet.id, opts=mine
            )
            for family, subnet in (("ipv4", self.ipv4), ("ipv6", self.ipv6))
        ]
        self.register_outputs({})


def _name_servers(site: Site, version: int) -> list[str] | None:
    return [str(one) for one in site.name_servers if one.version == version] or None


@dataclass(frozen=True)
class AgencyRouterArgs:
    """Whose router, what is outside, what is beyond the other routers."""

    site: Site
    agency: AgencyData
    external_network: pulumi.Input[str]
    link: InterSiteLink
    project: pulumi.Input[str]
    routes: "list[Route]"
    admin: openstack.Provider


@dataclass(frozen=True)
class Route:
    """What lies behind another router on the link."""

    destination: str
    next_hop: str


class AgencyRouter(pulumi.ComponentResource):
    """The one router of an agency's networks: out to the external network, across to the others."""

    def __init__(
        self, name: str, args: AgencyRouterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:network:AgencyRouter", name, None, opts)
        mine = pulumi.ResourceOptions(parent=self)
        admin = pulumi.ResourceOptions(parent=self, provider=args.admin)
        tags = labels.tags(labels.of_agency(args.site, args.agency))
        self.router = openstack.networking.Router(
            name,
            name=name,
            admin_state_up=True,
            external_network_id=args.external_network,
            tags=tags,
            opts=mine,
        )
        address = addresses.link_address(args.site, args.agency)
        # The link is the city's: an agency has a router's port on it, and can have nothing else.
        port = openstack.networking.Port(
            f"{name}-link",
            name=f"{name}-link",
            network_id=args.link.network.id,
            tenant_id=args.project,
            fixed_ips=[
                {"subnet_id": args.link.ipv4.id, "ip_address": str(address.ipv4)},
                {"subnet_id": args.link.ipv6.id, "ip_address": str(address.ipv6)},
            ],
            no_security_groups=True,
            admin_state_up=True,
            tags=tags,
            opts=admin,
        )
        joined = openstack.networking.RouterInterface(
            f"{name}-link", router_id=self.router.id, port_id=port.id, opts=admin
        )
        if args.routes:
            openstack.networking.RouterRoutesV2(
                name,
                router_id=self.router.id,
                routes=[
                    {"destination_cidr": one.destination, "next_hop": one.next_hop}
                    for one in args.routes
                ],
                # A next hop must be on a network that the router is on.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[joined]),
            )
        self.register_outputs({})
