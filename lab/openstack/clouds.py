"""How clients reach the sites: clouds.yaml, and connections as the administrator."""

from pathlib import Path
from typing import Any

import openstack
import openstack.connection
import yaml

from lab import files
from lab.openstack.sites import Site


def write(path: Path, sites: list[Site]) -> None:
    """Write a clouds.yaml (0600) with the administrator's access to each site."""
    files.write(
        path,
        yaml.safe_dump({"clouds": {site.name: _entry(site) for site in sites}}, sort_keys=False),
    )


def connect(site: Site) -> openstack.connection.Connection:
    """Give a connection to the site as the administrator."""
    return openstack.connect(load_yaml_config=False, load_envvars=False, **_entry(site))


def _entry(site: Site) -> dict[str, Any]:
    return {
        "region_name": site.name,
        "auth": {
            "auth_url": site.url("keystone"),
            "username": "admin",
            "password": site.credentials.admin,
            "project_name": "admin",
            "user_domain_id": "default",
            "project_domain_id": "default",
        },
    }
