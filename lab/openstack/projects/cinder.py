"""Block storage: API, scheduler, volumes and backups in one process."""
# cinder has no types, and wants its patch before its other modules.
# mypy: disable-error-code="import-untyped"
# ruff: noqa: E402

import os
import sys
from typing import Any

os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "1"

from cinder import monkey_patch

monkey_patch.patch()

from cinder import objects

objects.register_all()

import cinder.api.v3.router
import cinder.backup.manager
import cinder.cmd.backup
import cinder.cmd.volume
import cinder.privsep
import cinder.scheduler.manager
import cinder.volume.manager
import os_brick
import os_brick.privileged
from cinder import service
from cinder.db import migration
from cinder.wsgi import wsgi
from oslo_config import cfg

from lab.openstack import volume
from lab.openstack.project import Project
from lab.openstack.sites import ZONES, Site

volume.keep_plain()


def _sync(site: Site) -> None:
    cfg.CONF(["--config-file", str(site.etc / "cinder/cinder.conf")], project="cinder")
    migration.db_sync()


def _start(site: Site) -> Any:
    for rights in (cinder.privsep.sys_admin_pctxt, os_brick.privileged.default):
        rights.set_client_mode(False)  # no helper under sudo
    sys.argv = ["cinder", "--config-file", str(site.etc / "cinder/cinder.conf")]
    app = wsgi.initialize_application()
    os_brick.setup(cfg.CONF)
    for zone in ZONES:
        _start_workers(site, zone)
    # Last: its start waits until the volume services have told their capacity.
    service.Service.create(binary="cinder-scheduler").start()
    return app


def _start_workers(site: Site, zone: str) -> None:
    """Start the volumes and backups of a zone: a volume is backed up in its own zone."""
    host = f"{site.name}-{zone}"
    cfg.CONF.register_opt(cfg.StrOpt("backend_host"), group=zone)
    cfg.CONF.set_override("storage_availability_zone", zone)  # read when a service is made
    service.Service.create(
        binary="cinder-volume", host=f"{host}@{zone}", service_name=zone, coordination=True
    ).start()
    service.Service.create(
        binary="cinder-backup", host=host, coordination=True, process_number=1
    ).start()
    cfg.CONF.clear_override("storage_availability_zone")


PROJECT = Project(databases=("cinder",), sync=_sync, start=_start)
