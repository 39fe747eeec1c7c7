"""Which cloud a site's credentials lead to: clouds.yaml or OS_*, and nothing else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack.config
from openstack.exceptions import ConfigException

from catalogue.errors import BadInputError


@dataclass(frozen=True)
class Access:
    """Where a site's cloud is and where the credentials for it were found."""

    auth_url: str
    source: str
    lab: bool
    """Whether it is the lab's cloud."""


def find(cloud: str, lab: Mapping[str, Any]) -> Access:
    """
    Find the credentials for `cloud`, an entry of clouds.yaml; `lab` is the lab's status.

    An ordinary clouds.yaml (OS_CLIENT_CONFIG_FILE or the usual places) comes first, then OS_*, then
    the running lab's own clouds.yaml, which this process and its children then use.  Raise
    BadInputError if none of them knows the cloud.
    """
    auth_url, source = _ordinary(cloud)
    if not auth_url and lab["up"] and cloud in {one["cloud"] for one in lab["sites"].values()}:
        os.environ["OS_CLIENT_CONFIG_FILE"] = source = lab["clouds_file"]
        auth_url, _ = _ordinary(cloud)
    if not auth_url:
        raise BadInputError(
            f'there are no credentials for the cloud "{cloud}"',
            why="no clouds.yaml has an entry for it, OS_AUTH_URL is not set, and no lab is running",
            remedy="set OS_CLIENT_CONFIG_FILE to a clouds.yaml that has it, or `citydc lab up`",
        )
    labs = {one["auth_url"].rstrip("/") for one in lab["sites"].values()} if lab["up"] else set()
    return Access(auth_url, source, auth_url.rstrip("/") in labs)


def _ordinary(cloud: str) -> tuple[str, str]:
    """Return the cloud's auth_url and where it was found, or two empty texts."""
    named = os.environ.get("OS_CLIENT_CONFIG_FILE")
    if named and not Path(named).is_file():
        raise BadInputError(
            f"{named} does not exist", remedy="correct OS_CLIENT_CONFIG_FILE, or unset it"
        )
    try:
        config = openstack.config.OpenStackConfig()
        if cloud in config.get_cloud_names():
            found = config.get_one(cloud=cloud, validate=False).config["auth"].get("auth_url")
            return found or "", str(config.config_filename)
    except ConfigException as error:
        raise BadInputError(
            "clouds.yaml cannot be used", why=str(error), place=named or ""
        ) from error
    return os.environ.get("OS_AUTH_URL", ""), "OS_AUTH_URL"
