"""Identity: users, projects, roles, and the catalog of the site's APIs."""
# keystone has no types.
# mypy: disable-error-code="import-untyped"

import os
from typing import Any

import keystone.server.backends
import keystone.server.flask.application  # noqa: F401  (loaded once for all sites)
from keystone import server
from keystone.cmd import bootstrap
from keystone.common import provider_api
from keystone.common.sql import upgrades
from keystone.server import wsgi

from lab.openstack.project import Project
from lab.openstack.sites import PROJECTS, Site

SERVICE_PROJECT: dict[str, Any] = {
    "id": "service",
    "name": "service",
    "domain_id": "default",
    "parent_id": None,
    "enabled": True,
    "is_domain": False,
    "description": "what the services themselves use",
    "tags": [],
    "options": {},
}


def _configure(site: Site) -> None:
    server.configure(config_files=[str(site.etc / "keystone/keystone.conf")])


def _sync(site: Site) -> None:
    _configure(site)
    upgrades.offline_sync_database_to_version()


def _seed(site: Site) -> None:
    """Make the administrator, the services' user and the catalog."""
    _configure(site)
    _bootstrapper(site).bootstrap()
    apis = provider_api.ProviderAPIs
    project = apis.resource_api.create_project("service", SERVICE_PROJECT)
    user = apis.identity_api.create_user(
        {
            "name": "service",
            "domain_id": "default",
            "enabled": True,
            "password": site.credentials.service,
        }
    )
    roles = {role["name"]: role["id"] for role in apis.role_api.list_roles()}
    for role in ("admin", "service"):
        apis.assignment_api.add_role_to_user_and_project(user["id"], project["id"], roles[role])
    for name in PROJECTS:
        if name != "keystone":  # which made its own
            _add_to_catalog(apis.catalog_api, site, name)


def _bootstrapper(site: Site) -> Any:
    made = bootstrap.Bootstrapper()
    made.username = made.admin_username = "admin"
    made.project_name = made.admin_project_name = "admin"
    made.admin_role_name = "admin"
    made.password = made.admin_password = site.credentials.admin
    made.immutable_roles = True
    made.public_url = made.internal_url = made.admin_url = site.url("keystone")
    made.service_name = "keystone"
    made.region_id = site.name
    return made


def _add_to_catalog(catalog: Any, site: Site, name: str) -> None:
    catalog.create_service(
        name, {"id": name, "name": name, "enabled": True, "type": PROJECTS[name].type}
    )
    for interface in ("public", "internal", "admin"):
        catalog.create_endpoint(
            f"{name}-{interface}",
            {
                "id": f"{name}-{interface}",
                "service_id": name,
                "interface": interface,
                "region_id": site.name,
                "url": site.url(name),
                "enabled": True,
            },
        )


def _start(site: Site) -> Any:
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(site.etc / "keystone/keystone.conf")
    return wsgi.initialize_public_application()


PROJECT = Project(databases=("keystone",), sync=_sync, seed=_seed, start=_start)
