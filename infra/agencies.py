"""An agency's own room in a site's cloud: its project, who may do what there, and how much."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from catalogue.model import Agency as AgencyData
from catalogue.model import Capability, Site
from infra import capabilities
from infra.credentials import Credentials
from infra.quotas import Quotas

DEPLOYER_ROLES = {
    "member": (),
    "load-balancer_member": (Capability.LOAD_BALANCER,),
    "creator": (Capability.KEY_MANAGER,),
}
"""What the deploying user needs in a project, and which capabilities of a cloud call for it."""
STAFF_ROLE = "reader"
"""The agency's people look; changes come from the catalogue."""


def roles(site: Site) -> list[str]:
    """Return the names of the roles that are given to anybody."""
    return [STAFF_ROLE, *_deployer_roles(site)]


def _deployer_roles(site: Site) -> list[str]:
    return [role for role, wanted in DEPLOYER_ROLES.items() if capabilities.offers(site, *wanted)]


@dataclass(frozen=True)
class AgencyArgs:
    """Which agency, where, with which limits, and who deploys."""

    site: Site
    agency: AgencyData
    quotas: Quotas
    credentials: Credentials
    deployer: pulumi.Output[str]
    """The deploying user's id."""
    roles: Mapping[str, pulumi.Output[str]]
    """Ids by name."""


class Agency(pulumi.ComponentResource):
    """A project with its quotas and roles, and the provider that works in it."""

    def __init__(
        self, name: str, args: AgencyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:site:Agency", name, None, opts)
        self._args, self._mine = args, pulumi.ResourceOptions(parent=self)
        self.agency, self.roles = args.agency.id, args.roles
        self.project = openstack.identity.Project(
            name,
            name=self.agency,
            description=args.agency.name.en,
            tags=["citydc"],
            opts=self._mine,
        )
        self.staff = openstack.identity.GroupV3(
            f"{name}-staff",
            name=f"{self.agency}-staff",
            description=f"Staff of {args.agency.name.en}",
            opts=self._mine,
        )
        self._role(f"{name}-staff-{STAFF_ROLE}", STAFF_ROLE, group_id=self.staff.id)
        ready: list[pulumi.Resource] = [
            self._role(f"{name}-deployer-{role}", role, user_id=args.deployer)
            for role in _deployer_roles(args.site)
        ]
        ready += self._quotas(name, args.quotas)
        self.provider = args.credentials.provider(
            name,
            project=self.project.id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=ready),
        )
        self.register_outputs({})

    def _role(
        self,
        name: str,
        role: str,
        *,
        group_id: pulumi.Output[str] | None = None,
        user_id: pulumi.Output[str] | None = None,
    ) -> openstack.identity.RoleAssignment:
        return openstack.identity.RoleAssignment(
            name,
            project_id=self.project.id,
            role_id=self._args.roles[role],
            group_id=group_id,
            user_id=user_id,
            opts=self._mine,
        )

    def _quotas(self, name: str, limits: Quotas) -> list[pulumi.Resource]:
        project = self.project.id
        found: list[pulumi.Resource] = [
            openstack.compute.QuotaSetV2(
                f"{name}-compute",
                project_id=project,
                instances=limits.servers,
                cores=limits.vcpus,
                ram=limits.ram_mib,
                server_groups=limits.networks,
                server_group_members=limits.servers,
                opts=self._mine,
            ),
            openstack.networking.QuotaV2(
                f"{name}-network",
                project_id=project,
                network=limits.networks,
                subnet=2 * limits.networks,
                port=limits.ports,
                router=2,
                floatingip=limits.floating_ips,
                security_group=limits.security_groups,
                security_group_rule=limits.security_group_rules,
                opts=self._mine,
            ),
            openstack.blockstorage.QuoteSetV3(
                f"{name}-volume",
                project_id=project,
                volumes=limits.volumes,
                gigabytes=limits.volumes_gib,
                snapshots=limits.volumes,
                backups=limits.volumes,
                backup_gigabytes=limits.volumes_gib,
                opts=self._mine,
            ),
        ]
        if capabilities.offers(self._args.site, Capability.LOAD_BALANCER):
            found.append(
                openstack.loadbalancer.Quota(
                    f"{name}-load-balancer",
                    project_id=project,
                    loadbalancer=limits.balancers,
                    listener=limits.balancers,
                    pool=limits.balancers,
                    health_monitor=limits.balancers,
                    member=limits.members,
                    opts=self._mine,
                )
            )
        return found
