"""Which releases of the OpenStack projects are installed."""

import importlib.metadata

from catalogue.errors import BadInputError
from lab.openstack.sites import PROJECTS

DISTRIBUTIONS = {"placement": "openstack-placement"}


def installed() -> dict[str, str]:
    """Give the release of each project.  Raise BadInputError if one is not installed."""
    return {name: of(name) for name in PROJECTS}


def of(project: str) -> str:
    """Give the installed release of a project.  Raise BadInputError if there is none."""
    try:
        return importlib.metadata.version(DISTRIBUTIONS.get(project, project))
    except importlib.metadata.PackageNotFoundError as error:
        raise BadInputError(
            f"{project} is not installed",
            why="`make production` installs citydc without the lab's services",
            remedy="run `make setup`",
        ) from error
