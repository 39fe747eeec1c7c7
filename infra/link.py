"""The inter-site link: the network on which the agencies' routers meet, here and across sites."""

import pulumi
import pulumi_openstack as openstack

from catalogue import addresses
from catalogue.model import Capability, Site
from infra import capabilities, labels
from infra.foundation import AddressPlan


class InterSiteLink(pulumi.ComponentResource):
    """
    A network for routers only.

    Where the cloud offers VLAN networks it is the VLAN that all sites share; elsewhere it joins the
    routers of its own site alone.  Each site's routers have addresses of their own in the same
    prefixes, so that every site can plan for itself.
    """

    def __init__(
        self, name: str, site: Site, plan: AddressPlan, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:network:InterSiteLink", name, None, opts)
        mine, tags = pulumi.ResourceOptions(parent=self), labels.tags({"site": site.id})
        prefixes, pool = addresses.link(site), addresses.link_pool(site)
        self.network = openstack.networking.Network(
            name,
            name=name,
            admin_state_up=True,
            segments=_segments(site),
            tags=tags,
            opts=mine,
        )
        self.ipv4 = openstack.networking.Subnet(
            f"{name}-ipv4",
            name=f"{name}-ipv4",
            network_id=self.network.id,
            subnetpool_id=plan.ipv4.id,
            ip_version=4,
            cidr=str(prefixes.ipv4),
            no_gateway=True,
            enable_dhcp=False,
            allocation_pools=[{"start": str(pool.ipv4[0]), "end": str(pool.ipv4[1])}],
            tags=tags,
            opts=mine,
        )
        self.ipv6 = openstack.networking.Subnet(
            f"{name}-ipv6",
            name=f"{name}-ipv6",
            network_id=self.network.id,
            subnetpool_id=plan.ipv6.id,
            ip_version=6,
            cidr=str(prefixes.ipv6),
            no_gateway=True,
            enable_dhcp=False,
            allocation_pools=[{"start": str(pool.ipv6[0]), "end": str(pool.ipv6[1])}],
            tags=tags,
            opts=mine,
        )
        self.register_outputs({})


def _segments(site: Site) -> list[openstack.networking.NetworkSegmentArgsDict] | None:
    if not site.link or not capabilities.offers(site, Capability.VLAN_NETWORKS):
        return None
    return [
        {
            "physical_network": site.link.physical_network,
            "network_type": "vlan",
            "segmentation_id": site.link.vlan,
        }
    ]
