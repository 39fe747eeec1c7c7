"""
Security groups: what the flows declare passes, and nothing else in either direction.

Every rule is there for IPv4 and for IPv6.  Groups start empty: neutron's own rules, which let
everything out, are deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from catalogue.flows import ICMP, Rule
from infra import labels
from infra.labels import Labels


@dataclass(frozen=True)
class SecurityGroupArgs:
    """Whose group, and what it lets pass."""

    description: str
    rules: Sequence[Rule]
    labels: Labels


class SecurityGroup(pulumi.ComponentResource):
    """A security group with its rules."""

    def __init__(
        self, name: str, args: SecurityGroupArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:security:SecurityGroup", name, None, opts)
        mine = pulumi.ResourceOptions(parent=self)
        self.group = openstack.networking.SecGroup(
            name,
            name=name,
            description=args.description,
            delete_default_rules=True,
            tags=labels.tags(args.labels),
            opts=mine,
        )
        for rule in args.rules:
            for version, prefixes in ((4, rule.ipv4), (6, rule.ipv6)):
                family, (protocol, port) = f"IPv{version}", rule.of(version)
                for prefix in prefixes:
                    which = f"-{prefix}".replace("/", "_") if len(prefixes) > 1 else ""
                    openstack.networking.SecGroupRule(
                        f"{name}-{rule.name}-{family.lower()}{which}".replace("::", "--"),
                        security_group_id=self.group.id,
                        direction=rule.direction,
                        ethertype=family,
                        protocol=protocol,
                        port_range_min=port,
                        # Of ICMP that would be the code.
                        port_range_max=None if rule.protocol == ICMP else port,
                        remote_ip_prefix=str(prefix),
                        description=rule.name,
                        opts=mine,
                    )
        self.register_outputs({})


class Baseline(pulumi.ComponentResource):
    """
    What holds for every server of the city.

    The group is the operator's and shared with all agencies, so that no agency can widen it.
    """

    def __init__(
        self, name: str, args: SecurityGroupArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:security:Baseline", name, None, opts)
        mine = pulumi.ResourceOptions(parent=self)
        self.group = SecurityGroup(name, args, mine).group
        self.share = openstack.networking.RbacPolicyV2(
            name,
            action="access_as_shared",
            object_type="security_group",
            object_id=self.group.id,
            target_tenant="*",
            opts=mine,
        )
        self.register_outputs({})
