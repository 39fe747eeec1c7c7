"""Placement.  Its traits and resource classes are made on the first start."""
# placement has no types.
# mypy: disable-error-code="import-untyped"

import os
from typing import Any

from placement import wsgi

from lab.openstack.project import Project
from lab.openstack.sites import Site


def _sync(site: Site) -> None:
    os.environ["OS_PLACEMENT_DATABASE__SYNC_ON_STARTUP"] = "true"
    _start(site)


def _start(site: Site) -> Any:
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = str(site.etc / "placement")
    return wsgi.init_application()


PROJECT = Project(databases=("placement",), sync=_sync, start=_start)
