"""A service at a site: tiers, databases, buckets and names, as its recovery tier has them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi

from catalogue import flows, recovery
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
from infra.zones import DualStackName, DualStackNameArgs, SiteZone


@dataclass(frozen=True)
class CityServiceArgs:
    """Which service, on what, and how it stands there."""

    city: City
    service: Service
    standing: Standing
    ground: Ground
    home: Home


@dataclass(frozen=True)
class Lead:
    """A name, and where it leads."""

    zone: SiteZone
    name: str
    target: str
    """The component or database."""
    ipv4: Sequence[pulumi.Input[str]]
    ipv6: Sequence[pulumi.Input[str]]
    declared: bool = True
    """Whether it is the catalogue's own."""
    inside: bool = True
    """Whether components that are declared as callers may call what it leads to."""


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
            for part in recovery.staffed(args.city, args.service, args.ground.profile):
                fleet = self._fleet(part)
                if isinstance(part, DatabaseData):
                    self.databases[part.id] = Database(f"{name}-{part.id}", fleet, self._mine)
                else:
                    self.tiers[part.id] = Tier(f"{name}-{part.id}", part, fleet, self._mine)
        self.buckets = self._buckets()
        self.leads = [lead for record in args.service.dns for lead in self._leads(record)]
        for lead in self.leads:
            self._declare(lead)
        self.register_outputs({})

    @property
    def parts(self) -> list[tuple[Component | DatabaseData, Fleet]]:
        """The components and databases that stand here, with their fleets."""
        fleets = self.fleets
        return [
            (part, fleets[part.id])
            for part in recovery.parts(self.args.service)
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

    def _leads(self, record: Record) -> list[Lead]:
        """Return where a name leads; none where there is nothing for it to lead to, or no DNS."""
        fleet, tier = self.fleets.get(record.target), self.tiers.get(record.target)
        zone = self.args.ground.zone
        if not zone or not fleet or not fleet.servers:
            return []
        balancers = tier.balancers if tier else None
        called = [fleet.prefixes.balancer] if balancers else fleet.addresses.values()
        lead = Lead(
            zone,
            record.name,
            record.target,
            [str(one.ipv4) for one in called],
            [str(one.ipv6) for one in called],
        )
        if not tier or not tier.listen or not balancers or not balancers.floating:
            return [lead]
        # No component has a rule out to a floating address, which the cloud chooses.
        public = replace(lead, ipv4=[balancers.floating.address], inside=False)
        inside = replace(lead, name=f"{record.name}{flows.INSIDE}", declared=False)
        return (
            [public, inside] if flows.called_from_inside(self.args.city, tier.listen) else [public]
        )

    def _declare(self, lead: Lead) -> None:
        DualStackName(
            lead.name,
            DualStackNameArgs(lead.zone, lead.ipv4, lead.ipv6),
            # The zone is the operator's, as all names of the site lie in it.
            pulumi.ResourceOptions(parent=self, provider=self.args.ground.admin),
        )
