"""Images, kept as files."""
# glance has no types.
# mypy: disable-error-code="import-untyped"

import os
from typing import Any

import glance.api.v2.router  # noqa: F401  (loaded once for all sites)
from glance.cmd import manage
from glance.common import config, wsgi_app
from oslo_log import log

from lab.openstack.project import Project
from lab.openstack.sites import Site


def _sync(site: Site) -> None:
    config.CONF(
        [], project="glance", default_config_files=[str(site.etc / "glance/glance-api.conf")]
    )
    log.setup(config.CONF, "glance")
    manage.DbCommands().sync()


def _start(site: Site) -> Any:
    os.environ["OS_GLANCE_CONFIG_DIR"] = str(site.etc / "glance")
    return wsgi_app.init_app()


PROJECT = Project(databases=("glance",), sync=_sync, start=_start)
