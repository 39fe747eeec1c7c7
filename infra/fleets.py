"""Servers of one kind: apart from each other, on encrypted volumes, at their planned addresses."""

from collections.abc import Callable
from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from catalogue import addresses, flows, recovery
from catalogue.addresses import Pair
from catalogue.flows import PartKey
from catalogue.model import Component, Database, Profile, Service
from infra import capabilities, labels, quotas
from infra.ground import Ground, Home
from infra.labels import Labels
from infra.networks import DualStackNetwork, DualStackNetworkArgs
from infra.security import SecurityGroup, SecurityGroupArgs


@dataclass(frozen=True)
class FleetArgs:
    """Which part of which service, on what, and how much of it stands here."""

    ground: Ground
    home: Home
    service: Service
    part: Component | Database
    servers: int
    volumes: int
    """For how many servers the data volumes are there, the servers being there or not."""
    role: Callable[[int], str]
    """What the server with that index is to the service."""

    @property
    def key(self) -> PartKey:
        """The part's key among the flows."""
        return PartKey(self.service.id, self.part.id)

    @property
    def labels(self) -> Labels:
        """What all objects of the part say about themselves."""
        return labels.of_part(self.ground.site, self.service, self.part)


class Fleet(pulumi.ComponentResource):
    """A network and security group of their own, data volumes, and the servers."""

    def __init__(
        self, name: str, args: FleetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:server:Fleet", name, None, opts)
        self._args, self._mine = args, pulumi.ResourceOptions(parent=self)
        ground, self.name = args.ground, name
        self.prefixes = addresses.network(ground.site, args.service, args.part.number)
        self.network = DualStackNetwork(
            name,
            DualStackNetworkArgs(
                ground.site, self.prefixes, ground.plan, args.home.router_id, args.labels
            ),
            self._mine,
        )
        self.group = SecurityGroup(
            name,
            SecurityGroupArgs(
                f"What {args.service.name.en}'s {args.part.id} hears and calls",
                ground.open.groups[args.key],
                args.labels,
            ),
            self._mine,
        )
        self.addresses = {
            flows.server_name(args.key, index): self.prefixes.server(index)
            for index in range(args.servers)
        }
        volumes = [self._volumes(index) for index in range(max(args.servers, args.volumes))]
        self.servers: dict[str, Server] = {}
        if args.servers:
            apart = openstack.compute.ServerGroup(
                name, name=name, policies=_policy(args), opts=self._mine
            )
            self.servers = {
                server: Server(
                    server,
                    ServerArgs(args, self, index, address, apart.id, volumes[index]),
                    self._mine,
                )
                for index, (server, address) in enumerate(self.addresses.items())
            }
        self.register_outputs({})

    def _volumes(self, index: int) -> dict[str, openstack.blockstorage.Volume]:
        args, ground, mine = self._args, self._args.ground, self._mine
        server = flows.server_name(args.key, index)
        keeps_backups = args.servers > 0 and recovery.keeps_backups(ground.site, index)
        sizes = quotas.data_volumes(args.part, ground.profile, keeps_backups=keeps_backups)
        opts = pulumi.ResourceOptions.merge(mine, pulumi.ResourceOptions(protect=ground.protect))
        return {
            volume: openstack.blockstorage.Volume(
                f"{server}-{volume}",
                name=f"{server}-{volume}",
                size=size,
                availability_zone=_volume_zone(args, index),
                volume_type=capabilities.volume_type(ground.site),
                metadata={**args.labels, "volume": volume},
                opts=opts,
            )
            for volume, size in sizes.items()
        }


def _policy(args: FleetArgs) -> str:
    """
    Return how strictly servers keep apart, which must not depend on how many there are.

    A changed policy replaces the group and its servers.  A database's primary and standbys never
    share a machine in production.  Other tiers are spread over the zones, and there as well as can
    be, since a smaller tier is worse than two of its servers on one machine.
    """
    strict = isinstance(args.part, Database) and args.ground.profile is Profile.PRODUCTION
    return "anti-affinity" if strict else "soft-anti-affinity"


@dataclass(frozen=True)
class ServerArgs:
    """One server of a fleet."""

    fleet: FleetArgs
    on: Fleet
    index: int
    address: Pair
    apart: pulumi.Input[str]
    volumes: dict[str, openstack.blockstorage.Volume]


class Server(pulumi.ComponentResource):
    """A port at the planned addresses, a system volume from the image, the server, its data."""

    def __init__(
        self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:server:Server", name, None, opts)
        part, ground = args.fleet.part, args.fleet.ground
        self.zone = _zone(args.fleet, args.index)
        self.role = args.fleet.role(args.index)
        self.volumes = args.volumes
        said = {**args.fleet.labels, "role": self.role}
        image = next(one for one in ground.site.images if one.id == part.image)
        self.user = image.user
        port = openstack.networking.Port(
            name,
            name=name,
            network_id=args.on.network.network.id,
            fixed_ips=[
                {"subnet_id": args.on.network.ipv4.id, "ip_address": str(args.address.ipv4)},
                {"subnet_id": args.on.network.ipv6.id, "ip_address": str(args.address.ipv6)},
            ],
            security_group_ids=[args.on.group.group.id, ground.baseline.group.id],
            port_security_enabled=True,
            admin_state_up=True,
            tags=labels.tags(args.fleet.labels),
            # The baseline is another project's: it must be shared before a port can have it.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[ground.baseline.share]),
        )
        system = openstack.blockstorage.Volume(
            f"{name}-system",
            name=f"{name}-system",
            size=image.min_disk_gib,
            image_id=ground.foundation.images[image.id].id,
            availability_zone=_volume_zone(args.fleet, args.index),
            volume_type=capabilities.volume_type(ground.site),
            metadata={**args.fleet.labels, "volume": "system"},
            # A newer image is for new servers: it must not replace those that run.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["image_id"]),
        )
        self.instance = openstack.compute.Instance(
            name,
            name=name,
            flavor_id=ground.foundation.flavors[part.flavor].id,
            key_pair=ground.foundation.keypair.name,
            networks=[{"port": port.id}],
            block_devices=[
                {
                    "uuid": system.id,
                    "source_type": "volume",
                    "destination_type": "volume",
                    "boot_index": 0,
                    "delete_on_termination": False,
                }
            ],
            scheduler_hints=[{"group": args.apart}],
            availability_zone_hints=self.zone,
            config_drive=True,
            metadata=said,
            tags=labels.tags({"service": args.fleet.service.id}),
            # The new one needs the port and the volume that the old one holds.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        for volume, disk in args.volumes.items():
            openstack.compute.VolumeAttach(
                f"{name}-{volume}",
                instance_id=self.instance.id,
                volume_id=disk.id,
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self.register_outputs({})


def _zone(fleet: FleetArgs, index: int) -> str:
    """Return the server's zone: in turn, from where the service's and part's numbers begin."""
    zones = fleet.ground.site.zones
    return zones[(fleet.service.number + fleet.part.number + index) % len(zones)]


def _volume_zone(fleet: FleetArgs, index: int) -> str | None:
    """Return the zone of the server's volumes: its own where they have zones, else the cloud's."""
    zoned = fleet.ground.site.zoned_volumes and fleet.ground.profile is Profile.PRODUCTION
    return _zone(fleet, index) if zoned else None
