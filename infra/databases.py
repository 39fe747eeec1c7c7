"""A service's database: its primary and standbys, here or at the primary site."""

import pulumi

from catalogue.model import Site
from infra.fleets import Fleet, FleetArgs


class Database(pulumi.ComponentResource):
    """
    A fleet whose first server at the primary site is the primary.

    All others follow it: the rest there, and every one at a standby site.  How they follow is the
    database's own replication, which the security groups let pass and the playbooks set up.
    """

    def __init__(
        self, name: str, args: FleetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:service:Database", name, None, opts)
        self.fleet = Fleet(name, args, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def role(site: Site, index: int) -> str:
    """Return what the database server with that index, from 0, is."""
    return "primary" if site.role == "primary" and index == 0 else "standby"
