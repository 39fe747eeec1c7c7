"""Which releases of the OpenStack projects are installed."""

import importlib.metadata

from lab.openstack.sites import PROJECTS

DISTRIBUTIONS = {"placement": "openstack-placement"}


def installed() -> dict[str, str]:
    """Give the release of each project."""
    return {name: of(name) for name in PROJECTS}


def of(project: str) -> str:
    """Give the installed release of a project."""
    return importlib.metadata.version(DISTRIBUTIONS.get(project, project))
