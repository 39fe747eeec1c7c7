"""A service at a site: tiers, databases, buckets and names, as its recovery tier has them."""

from dataclasses import dataclass

import pulumi

from catalogue import recovery
from catalogue.model import Bucket as BucketData
from catalogue.model import Capability, City, Component, Record, Service
from catalogue.model import Database as DatabaseData
from catalogue.recovery import Standing
from infra import capabilities, databases, labels
from infra.buckets import Bucket, BucketArgs
from infra.databases import Database
from infra.fleets import Fleet, FleetArgs
from infra.ground import Ground, Home
from infra.tiers import Tier
from infra.zones import DualStackName, DualStackNameArgs


@dataclass(frozen=True)
class CityServiceArgs:
    """Which service, on what, and how it stands there."""

    city: City
    service: Service
    standing: Standing
    ground: Ground
    home: Home


class CityService(pulumi.ComponentResource):
    """All that a service has at a site."""

    def __init__(
        self, name: str, args: CityServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:service:CityService", name, None, opts)
        self.args, self._mine = args, pulumi.ResourceOptions(parent=self)
        self.tiers: dict[str, Tier] = {}
        self.databases: dict[str, Database] = {}
        if args.standing.networks:
            for part in recovery.staffed(args.service, args.ground.profile):
                fleet = self._fleet(part)
                if isinstance(part, DatabaseData):
                    self.databases[part.id] = Database(f"{name}-{part.id}", fleet, self._mine)
                else:
                    self.tiers[part.id] = Tier(f"{name}-{part.id}", part, fleet, self._mine)
        self.buckets = self._buckets()
        self.names = [record for record in args.service.dns if self._leads(record)]
        self.register_outputs({})

    @property
    def parts(self) -> list[tuple[Component | DatabaseData, Fleet]]:
        """The components and databases that stand here, with their fleets."""
        fleets = self.fleets
        return [
            (part, fleets[part.id])
            for part in recovery.staffed(self.args.service, self.args.ground.profile)
            if part.id in fleets
        ]

    @property
    def fleets(self) -> dict[str, Fleet]:
        """The fleets of all components and databases."""
        tiers = {name: one.fleet for name, one in self.tiers.items()}
        return {**tiers, **{name: one.fleet for name, one in self.databases.items()}}

    def _fleet(self, part: Component | DatabaseData) -> FleetArgs:
        site, standing = self.args.ground.site, self.args.standing
        database = isinstance(part, DatabaseData)
        return FleetArgs(
            ground=self.args.ground,
            home=self.args.home,
            service=self.args.service,
            part=part,
            servers=standing.servers[part.id],
            volumes=standing.volumes[part.id],
            role=lambda index: databases.role(site, index) if database else "server",
        )

    def _buckets(self) -> dict[str, Bucket]:
        """Declare the buckets: its own where its data stands, the one for backups everywhere."""
        ground, service = self.args.ground, self.args.service
        if not capabilities.offers(ground.site, Capability.OBJECT_STORAGE):
            return {}
        own = service.buckets if self.args.standing.networks else []
        wanted: dict[str, BucketData | None] = {
            f"{service.id}-backup": None,
            **{one.id: one for one in own},
        }
        said = labels.of_service(ground.site, service)
        return {
            name: Bucket(name, BucketArgs(bucket, ground.profile, ground.protect, said), self._mine)
            for name, bucket in wanted.items()
        }

    def _leads(self, record: Record) -> bool:
        """Declare a name; return False where there is nothing for it to lead to, or no DNS."""
        ground, fleet = self.args.ground, self.fleets.get(record.target)
        if not ground.zone or not fleet or not fleet.servers:
            return False
        ipv4: list[pulumi.Input[str]] = [str(one.ipv4) for one in fleet.addresses.values()]
        ipv6: list[pulumi.Input[str]] = [str(one.ipv6) for one in fleet.addresses.values()]
        tier = self.tiers.get(record.target)
        if tier and tier.balancers:
            address, floating = fleet.prefixes.balancer, tier.balancers.floating
            ipv4 = [floating.address if floating else str(address.ipv4)]
            ipv6 = [str(address.ipv6)]
        DualStackName(
            record.name,
            DualStackNameArgs(ground.zone, ipv4, ipv6),
            # The zone is the operator's, as all names of the site lie in it.
            pulumi.ResourceOptions(parent=self, provider=ground.admin),
        )
        return True
