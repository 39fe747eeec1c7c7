"""What a service is built on: what the site gives to all, and what its agency gives to its own."""

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from catalogue.flows import SiteFlows
from catalogue.model import Profile, Site
from infra.agencies import Agency
from infra.foundation import AddressPlan, Foundation
from infra.networks import AgencyRouter
from infra.security import Baseline
from infra.zones import SiteZone


@dataclass(frozen=True)
class Ground:
    """What all services of a site share."""

    site: Site
    profile: Profile
    open: SiteFlows
    admin: openstack.Provider
    foundation: Foundation
    plan: AddressPlan
    baseline: Baseline
    zone: SiteZone | None
    """None where the cloud offers no DNS."""

    @property
    def protect(self) -> bool:
        """Whether what holds data is protected from deletion."""
        return self.profile is Profile.PRODUCTION


@dataclass(frozen=True)
class Home:
    """What all services of an agency share; no router where only their backups are kept."""

    agency: Agency
    router: AgencyRouter | None

    @property
    def router_id(self) -> pulumi.Output[str]:
        """The id of the agency's router."""
        if self.router is None:
            raise AssertionError(f"{self.agency.agency} has networks but no router")
        return self.router.router.id
