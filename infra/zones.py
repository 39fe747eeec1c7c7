"""The site's DNS zone, and names in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from catalogue.model import City, Site

TTL = 60
"""Seconds after which a name that moves to the other site is asked for anew."""


def fqdn(city: City, site: Site, name: str) -> str:
    """Return the absolute name, without the last dot, of `name` at the site."""
    return f"{name}.{site.id}.{city.domain}".rstrip(".")


class SiteZone(pulumi.ComponentResource):
    """The zone under which all names of a site lie."""

    def __init__(
        self, name: str, city: City, site: Site, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:dns:SiteZone", name, None, opts)
        self.name = f"{site.id}.{city.domain}"
        self.zone = openstack.dns.Zone(
            name,
            name=self.name,
            type="PRIMARY",
            email=f"hostmaster@{city.domain.rstrip('.')}",
            description=city.name.en,
            ttl=TTL,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


@dataclass(frozen=True)
class DualStackNameArgs:
    """Where a name leads."""

    zone: SiteZone
    ipv4: Sequence[pulumi.Input[str]]
    ipv6: Sequence[pulumi.Input[str]]


class DualStackName(pulumi.ComponentResource):
    """A name with its A and AAAA records."""

    def __init__(
        self, name: str, args: DualStackNameArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:dns:DualStackName", name, None, opts)
        for kind, records in (("A", args.ipv4), ("AAAA", args.ipv6)):
            openstack.dns.RecordSet(
                f"{name}-{kind.lower()}",
                zone_id=args.zone.zone.id,
                name=f"{name}.{args.zone.name}",
                type=kind,
                ttl=TTL,
                records=records,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
