"""A service's component: its servers and what stands in front of them."""

import pulumi

from catalogue import flows
from catalogue.model import Component
from infra.balancers import Balancers, BalancersArgs
from infra.fleets import Fleet, FleetArgs


class Tier(pulumi.ComponentResource):
    """A fleet, and its load balancers where the cloud offers them and there are servers."""

    def __init__(
        self,
        name: str,
        component: Component,
        args: FleetArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("citydc:service:Tier", name, None, opts)
        mine = pulumi.ResourceOptions(parent=self)
        self.fleet = Fleet(name, args, mine)
        self.balancers: Balancers | None = None
        self.listen = flows.balanced_port(component, args.ground.site)
        if self.listen and component.load_balancer and self.fleet.servers:
            self.balancers = Balancers(
                name,
                BalancersArgs(
                    self.fleet.network,
                    self.listen,
                    component.load_balancer,
                    self.fleet.addresses,
                    args.ground.open.balanced[args.key],
                    args.ground.site.external_network,
                    args.labels,
                ),
                mine,
            )
        self.register_outputs({})
