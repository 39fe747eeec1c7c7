"""Load balancers in front of a component's servers: one for each family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from catalogue.addresses import Pair
from catalogue.flows import Callers
from catalogue.model import Listen, LoadBalancer
from infra import labels
from infra.labels import Labels
from infra.networks import DualStackNetwork

CHECK_EVERY_S = 5
CHECK_TIMEOUT_S = 3
CHECK_RETRIES = 3


@dataclass(frozen=True)
class BalancersArgs:
    """Which port of which servers is spread, and who may call it."""

    network: DualStackNetwork
    listen: Listen
    balancer: LoadBalancer
    servers: Mapping[str, Pair]
    callers: Callers
    external_network: str
    labels: Labels


class Balancers(pulumi.ComponentResource):
    """
    A balancer with an IPv4 and one with an IPv6 address.

    Both pass connections through as they are: TLS ends at the servers.  They hear only the declared
    callers.  A public one has a floating IPv4 address; its IPv6 address is global anyhow.
    """

    def __init__(
        self, name: str, args: BalancersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:network:Balancers", name, None, opts)
        self._args, self._mine = args, pulumi.ResourceOptions(parent=self)
        net, vip = args.network, args.network.prefixes.balancer
        servers = args.servers.items()
        ipv4 = self._balancer(
            f"{name}-ipv4",
            net.ipv4,
            str(vip.ipv4),
            _hears(args.callers.ipv4, net.prefixes.ipv4),
            {server: str(address.ipv4) for server, address in servers},
        )
        self._balancer(
            f"{name}-ipv6",
            net.ipv6,
            str(vip.ipv6),
            _hears(args.callers.ipv6, net.prefixes.ipv6),
            {server: str(address.ipv6) for server, address in servers},
        )
        self.floating: openstack.networking.FloatingIp | None = None
        if args.balancer.public:
            self.floating = openstack.networking.FloatingIp(
                name,
                pool=args.external_network,
                port_id=ipv4.vip_port_id,
                description=name,
                tags=labels.tags(args.labels),
                # The address is reached through the router's leg in this network.
                opts=pulumi.ResourceOptions(parent=self, depends_on=net.interfaces[:1]),
            )
        self.register_outputs({})

    def _balancer(
        self,
        name: str,
        subnet: openstack.networking.Subnet,
        address: str,
        callers: list[str],
        servers: Mapping[str, str],
    ) -> openstack.loadbalancer.LoadBalancer:
        listen, mine = self._args.listen, self._mine
        balancer = openstack.loadbalancer.LoadBalancer(
            name,
            name=name,
            vip_subnet_id=subnet.id,
            vip_address=address,
            tags=labels.tags(self._args.labels),
            opts=mine,
        )
        protocol = listen.protocol.upper()
        listener = openstack.loadbalancer.Listener(
            name,
            name=name,
            loadbalancer_id=balancer.id,
            protocol=protocol,
            protocol_port=listen.port,
            allowed_cidrs=callers,
            opts=mine,
        )
        pool = openstack.loadbalancer.Pool(
            name,
            name=name,
            listener_id=listener.id,
            protocol=protocol,
            lb_method=self._args.balancer.algorithm,
            opts=mine,
        )
        openstack.loadbalancer.Monitor(
            name,
            name=name,
            pool_id=pool.id,
            type="TCP" if listen.protocol == "tcp" else "UDP-CONNECT",
            delay=CHECK_EVERY_S,
            timeout=CHECK_TIMEOUT_S,
            max_retries=CHECK_RETRIES,
            opts=mine,
        )
        for server, of_server in servers.items():
            openstack.loadbalancer.Member(
                f"{server}-{name}",
                name=server,
                pool_id=pool.id,
                subnet_id=subnet.id,
                address=of_server,
                protocol_port=listen.port,
                opts=mine,
            )
        return balancer


def _hears(callers: Sequence[object], own: object) -> list[str]:
    """Return whom a listener hears; its own network where nobody calls: none is everyone."""
    return [str(one) for one in callers or [own]]
