"""
Secrets, encrypted with a key from the configuration.

Barbican reads its configuration when it is imported, into several objects, from the usual places
only; so it is given a home directory of the site's, and nothing of it is imported beforehand.
"""
# barbican has no types; its imports stand in functions for the reason above.
# mypy: disable-error-code="import-untyped"
# ruff: noqa: PLC0415

import importlib
import os
from typing import Any

from keystoneauth1 import loading
from keystonemiddleware import auth_token
from oslo_config import cfg
from paste import deploy

from lab.openstack.project import Project
from lab.openstack.sites import Site


def _configure(site: Site) -> None:
    home = site.etc / "barbican"
    os.environ["HOME"] = str(home)
    if not (home / ".barbican").exists():
        (home / ".barbican").symlink_to(".")
    importlib.import_module("barbican.common.config")  # puts its own into cfg.CONF
    cfg.CONF.register_opts(auth_token._opts._OPTS, "keystone_authtoken")  # noqa: SLF001
    loading.register_auth_conf_options(cfg.CONF, "keystone_authtoken")


def _sync(site: Site) -> None:
    _configure(site)
    from barbican.common import config
    from barbican.model import repositories

    config.CONF.set_override("db_auto_create", True)
    repositories.setup_database_engine_and_factory()


def _start(site: Site) -> Any:
    _configure(site)
    from barbican.common import policy

    policy.get_enforcer()  # made by the first requests otherwise, each seeing it half made
    return deploy.loadapp(f"config:{site.etc}/barbican/barbican-api-paste.ini")


PROJECT = Project(databases=("barbican",), sync=_sync, start=_start)
