"""Networking, with the ML2 plug-in; on a site with hosts, a network node is beside it."""
# neutron has no types.
# mypy: disable-error-code="import-untyped"

import contextlib
import os
from collections.abc import Callable
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
from neutron_lib.plugins import directory
from sqlalchemy import orm

import lab.openstack.core
import lab.openstack.ml2  # noqa: F401  (loaded once for all sites)
from lab.openstack import fabric, wire
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
    app = server.boot_server(api.api_server, prog="neutron-api")
    if site.hosts:
        _hear_agents(site)
    return app


def _hear_agents(site: Site) -> None:
    """Listen to the agents, as neutron-rpc-server does in a process of its own."""
    for plugin in directory.get_unique_plugins():
        if hasattr(plugin, "start_rpc_listeners"):
            with contextlib.suppress(NotImplementedError):
                plugin.start_rpc_listeners()
    wire.serve(fabric.bus_socket(site))


def _beside() -> dict[str, Callable[[Site], None]]:
    from lab.openstack import network  # noqa: PLC0415  (only sites with hosts pay for it)

    return {"network": network.serve}


PROJECT = Project(databases=("neutron",), sync=_sync, start=_start, beside=_beside)
