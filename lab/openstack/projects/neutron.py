"""Networking, with the ML2 plug-in and no data plane."""
# neutron has no types.
# mypy: disable-error-code="import-untyped"

import os
from typing import Any

import neutron.plugins.ml2.plugin
import neutron.services.l3_router.l3_router_plugin
import neutron.services.qos.qos_plugin
import neutron.services.trunk.plugin  # noqa: F401  (loaded once for all sites)
import sqlalchemy
from neutron import server
from neutron.db.migration.models import head
from neutron.db.models import securitygroup_default_rules as rules
from neutron.server import api
from sqlalchemy import orm

import lab.openstack.ml2  # noqa: F401  (loaded once for all sites)
from lab.openstack.project import Project
from lab.openstack.sites import Site


def _sync(site: Site) -> None:
    """
    Make the schema from the models: neutron's migrations do not run on SQLite.

    One migration also adds rows: the rules every new group starts with.
    """
    engine = sqlalchemy.create_engine(site.database("neutron"))
    head.get_metadata().create_all(engine)
    with orm.Session(engine) as session, session.begin():
        for ethertype in ("IPv4", "IPv6"):
            for direction in ("egress", "ingress"):
                inward = direction == "ingress"
                session.add(
                    rules.SecurityGroupDefaultRule(
                        direction=direction,
                        ethertype=ethertype,
                        remote_group_id="PARENT" if inward else None,
                        used_in_default_sg=True,
                        used_in_non_default_sg=not inward,
                    )
                )
    engine.dispose()


def _start(site: Site) -> Any:
    os.environ["OS_NEUTRON_CONFIG_FILES"] = str(site.etc / "neutron/neutron.conf")
    os.environ["OS_NEUTRON_CONFIG_DIR"] = "/"
    return server.boot_server(api.api_server, prog="neutron-api")


PROJECT = Project(databases=("neutron",), sync=_sync, start=_start)
