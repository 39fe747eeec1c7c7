"""Which cloud a site's credentials lead to: clouds.yaml or OS_*, and nothing else."""

import os
from dataclasses import dataclass
from pathlib import Path

import openstack.config
import yaml
from openstack.config.loader import CONFIG_FILES
from openstack.exceptions import ConfigException

from catalogue.errors import BadInputError
from citydc.project import read_yaml


@dataclass(frozen=True)
class Access:
    """Where a site's cloud is and where the credentials for it were found."""

    auth_url: str
    source: str
    lab: bool
    """Whether it is the lab's cloud."""


def find(cloud: str, lab_file: Path) -> Access:
    """
    Find the credentials for `cloud`, an entry of clouds.yaml; `lab_file` is the lab's clouds.yaml.

    An ordinary clouds.yaml (OS_CLIENT_CONFIG_FILE or the usual places) comes first, then OS_*, then
    the lab's, which this process and its children then use.  Raise BadInputError if none of them
    knows the cloud.
    """
    labs = _auth_urls(lab_file)
    auth_url, source = _ordinary(cloud)
    if not auth_url and cloud in labs:
        os.environ["OS_CLIENT_CONFIG_FILE"] = source = str(lab_file)
        auth_url = labs[cloud]
    if not auth_url:
        raise BadInputError(
            f'there are no credentials for the cloud "{cloud}"',
            why="no clouds.yaml has an entry for it, OS_AUTH_URL is not set, and there is no lab",
            remedy="set OS_CLIENT_CONFIG_FILE to a clouds.yaml that has it, or `citydc lab up`",
        )
    return Access(
        auth_url, source, auth_url.rstrip("/") in {url.rstrip("/") for url in labs.values()}
    )


def _auth_urls(file: Path) -> dict[str, str]:
    """Return the clouds of a clouds.yaml, with where their identity service is."""
    if not file.is_file():
        return {}
    try:
        clouds = yaml.safe_load(file.read_text(encoding="utf-8"))["clouds"]
        return {name: cloud["auth"]["auth_url"] for name, cloud in clouds.items()}
    except (OSError, ValueError, LookupError, AttributeError, TypeError, yaml.YAMLError) as error:
        raise BadInputError(
            "the lab's clouds.yaml cannot be used",
            why=" ".join(f"{type(error).__name__}: {error}".split()),
            remedy="have it written anew: citydc lab up",
            place=str(file),
        ) from error


def _ordinary(cloud: str) -> tuple[str, str]:
    """Return the cloud's auth_url and where it was found, or two empty texts."""
    named = os.environ.get("OS_CLIENT_CONFIG_FILE")
    if named and not Path(named).is_file():
        raise BadInputError(
            f"{named} does not exist", remedy="correct OS_CLIENT_CONFIG_FILE, or unset it"
        )
    for file in filter(os.path.isfile, [named] if named else CONFIG_FILES):
        read_yaml(Path(file))  # openstacksdk passes over one that is broken
    try:
        config = openstack.config.OpenStackConfig()
        if cloud in config.get_cloud_names():
            found = config.get_one(cloud=cloud, validate=False).config["auth"].get("auth_url")
            return found or "", str(config.config_filename)
    except (ConfigException, OSError, ValueError, AttributeError, TypeError) as error:
        raise BadInputError(
            "clouds.yaml cannot be used",
            why=" ".join(f"{type(error).__name__}: {error}".split()),
            remedy="correct it, or name another with OS_CLIENT_CONFIG_FILE",
            place=named or "",
        ) from error
    return os.environ.get("OS_AUTH_URL", ""), "OS_AUTH_URL"
