"""What all agencies of a site share: flavors, images, the first SSH key, the address plan."""

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from catalogue import addresses
from catalogue.model import Capability, Flavor, Image, Profile, Site
from infra import capabilities, labels


@dataclass(frozen=True)
class FoundationArgs:
    """Of which site, for which size of cloud."""

    site: Site
    profile: Profile


class Foundation(pulumi.ComponentResource):
    """Flavors, images and the first SSH key."""

    def __init__(
        self, name: str, args: FoundationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:site:Foundation", name, None, opts)
        self._args, self._mine = args, pulumi.ResourceOptions(parent=self)
        self.flavors = {one.id: self._flavor(one) for one in args.site.flavors}
        self.images = {one.id: self._image(one) for one in args.site.images}
        self.keypair = openstack.compute.Keypair(
            "citydc", name="citydc", public_key=args.site.public_key.strip(), opts=self._mine
        )
        self.register_outputs({})

    def _flavor(self, flavor: Flavor) -> openstack.compute.Flavor:
        devices = self._args.profile is Profile.PRODUCTION and capabilities.offers(
            self._args.site, Capability.GPU
        )
        return openstack.compute.Flavor(
            flavor.id,
            name=flavor.id,
            vcpus=flavor.vcpus,
            ram=flavor.ram_mib,
            disk=0,  # servers boot from volumes
            is_public=True,
            extra_specs={**flavor.extra_specs, **(flavor.device_specs if devices else {})} or None,
            opts=self._mine,
        )

    def _image(self, image: Image) -> openstack.images.Image:
        sha512 = image.sha512_of(self._args.profile)
        return openstack.images.Image(
            image.id,
            name=image.name_of(self._args.profile),
            image_source_url=image.source.of(self._args.profile),
            web_download=True,
            container_format="bare",
            disk_format=image.format,
            min_disk_gb=image.min_disk_gib,
            visibility="public",
            properties={"source_sha512": sha512} if sha512 else None,
            tags=["citydc"],
            opts=self._mine,
        )


class AddressPlan(pulumi.ComponentResource):
    """
    The pools that all networks of a site come from, so that none overlap.

    The IPv4 pool is in an address scope: nothing outside it is routed to, except through the
    gateway's translation.  The IPv6 pool is in none, because neutron passes IPv6 between a scope
    and an external network only if that network is in the same scope.
    """

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("citydc:site:AddressPlan", name, None, opts)
        mine = pulumi.ResourceOptions(parent=self)
        link = addresses.link(site)
        self.scope = openstack.networking.AddressScope(
            "city-ipv4", name="city-ipv4", ip_version=4, shared=True, opts=mine
        )
        self.ipv4 = openstack.networking.SubnetPool(
            "city-ipv4",
            name="city-ipv4",
            description="Private addresses of the city's services at this site",
            address_scope_id=self.scope.id,
            prefixes=_prefixes(str(site.ipv4), str(link.ipv4), inner=site.link is None),
            min_prefixlen=min(link.ipv4.prefixlen, site.ipv4_prefix),
            default_prefixlen=site.ipv4_prefix,
            max_prefixlen=max(link.ipv4.prefixlen, site.ipv4_prefix),
            shared=True,
            tags=labels.tags({"site": site.id}),
            opts=mine,
        )
        self.ipv6 = openstack.networking.SubnetPool(
            "city-ipv6",
            name="city-ipv6",
            description="Global addresses of the city's services at this site",
            prefixes=_prefixes(str(site.ipv6), str(link.ipv6), inner=site.link is None),
            min_prefixlen=64,
            default_prefixlen=64,
            max_prefixlen=64,
            shared=True,
            tags=labels.tags({"site": site.id}),
            opts=mine,
        )
        self.register_outputs({})


def _prefixes(site: str, link: str, *, inner: bool) -> list[str]:
    return [site] if inner else sorted([site, link])
