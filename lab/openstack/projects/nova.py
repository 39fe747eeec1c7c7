"""Compute: API, conductor, scheduler and computes in one process."""
# nova has no types, and wants its patch before its other modules.
# mypy: disable-error-code="import-untyped"
# ruff: noqa: E402

import os
import sys
from typing import Any

from nova import monkey_patch

monkey_patch.patch(backend="threading")

import nova.api.openstack.compute.routes
import nova.compute.manager
import nova.conductor.manager
import nova.conf
import nova.scheduler.manager
import os_vif
from nova import config, context, objects, service
from nova.api.openstack import wsgi_app
from nova.compute import rpcapi as compute
from nova.conductor import rpcapi as conductor
from nova.db import migration
from nova.objects import host_mapping
from nova.scheduler import rpcapi as scheduler
from oslo_log import log

from lab import files
from lab.openstack import compute as hosts
from lab.openstack import sqlite, virt
from lab.openstack.project import Project
from lab.openstack.sites import Site

objects.register_all()
# Nova looks for a driver under nova.virt only.
sys.modules["nova.virt.citydc"] = virt
sys.modules["nova.virt.citydc_hosts"] = hosts

CELL1 = "00000000-0000-0000-0000-000000000001"
COMPUTE = "00000000-0000-0000-0000-00000000000c"


def _configure(site: Site) -> None:
    config.parse_args(["nova"], default_config_files=[str(site.etc / "nova/nova.conf")])
    log.setup(nova.conf.CONF, "nova")


def _sync(site: Site) -> None:
    _configure(site)
    migration.db_sync(database="api")
    migration.db_sync(database="main")
    sqlite.copy(site.db / "nova.sqlite", site.db / "nova_cell0.sqlite")


def _seed(site: Site) -> None:
    """Make the cells."""
    _configure(site)
    admin = context.get_admin_context()
    for uuid, name, bus, database in (
        (objects.CellMapping.CELL0_UUID, "cell0", "none:///", "nova_cell0"),
        (CELL1, "cell1", "inproc://", "nova"),
    ):
        objects.CellMapping(
            admin,
            uuid=uuid,
            name=name,
            transport_url=bus,
            disabled=False,
            database_connection=site.database(database),
        ).create()
    files.write(site.state / "nova/compute_id", COMPUTE)


def _start(site: Site) -> Any:
    os.environ["OS_NOVA_CONFIG_DIR"] = str(site.etc / "nova")
    wsgi_app.init_global_data(
        wsgi_app._get_config_files(),  # noqa: SLF001  (as nova's own entry point does)
        "osapi_compute",
        "nova",
    )
    os_vif.initialize()
    service.Service.create(binary="nova-conductor", topic=conductor.RPC_TOPIC).start()
    service.Service.create(binary="nova-scheduler", topic=scheduler.RPC_TOPIC).start()
    for host, _zone in site.computes():
        service.Service.create(
            binary="nova-compute",
            host=host,
            topic=compute.RPC_TOPIC,
            topic_alt=compute.RPC_TOPIC_ALT,
        ).start()
    host_mapping.discover_hosts(context.get_admin_context())
    return wsgi_app.init_application("osapi_compute", "nova")


PROJECT = Project(
    databases=("nova", "nova_api", "nova_cell0"),
    sync=_sync,
    seed=_seed,
    start=_start,
    waits_for=("keystone", "placement"),
)
