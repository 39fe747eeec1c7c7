"""What is deployed on the lab: the stacks' outputs, as the project's state has them."""

from typing import Any

from citydc.project import Project
from lab.engine import Engine
from lab.openstack.sites import NAMES


def engine(place: Project, site: str) -> Engine:
    """Return the engine of a site's stack.  Raise BadInputError without its passphrase."""
    return Engine(place.folder, site, place.backend_url, place.passphrase())


def outputs(place: Project) -> dict[str, dict[str, Any]]:
    """Return the outputs of the stacks that are deployed, by site.  Raise as `engine`."""
    found = {site: engine(place, site).outputs() for site in NAMES}
    return {site: one for site, one in found.items() if one}
