"""
The operator's credentials, from clouds.yaml or OS_*, and the providers that use them.

The operator is a user with a password who is admin in one project.  The program gives the same user
its roles in each agency's project and works there as that project's member.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_openstack as openstack
from openstack.config import OpenStackConfig
from openstack.exceptions import ConfigException

from catalogue.errors import BadInputError
from catalogue.model import Site

AUTH = (
    "auth_url",
    "username",
    "user_id",
    "password",
    "user_domain_id",
    "user_domain_name",
    "project_id",
    "project_name",
    "project_domain_id",
    "project_domain_name",
)


@dataclass(frozen=True)
class Credentials:
    """Who works on a site's cloud, and where that is."""

    region: str
    auth: Mapping[str, str] = field(repr=False)
    """What clouds.yaml calls auth: the user, the password, the operator's own project."""
    cacert_file: str | None
    insecure: bool | None

    def provider(
        self,
        name: str,
        *,
        project: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> openstack.Provider:
        """Return a provider that works in the project with that id, else the operator's own."""
        own = self.auth if project is None else {}
        return openstack.Provider(
            name,
            openstack.ProviderArgs(
                auth_url=self.auth["auth_url"],
                region=self.region,
                password=pulumi.Output.secret(self.auth["password"]),
                user_id=self.auth.get("user_id"),
                user_name=self.auth.get("username"),
                user_domain_id=self.auth.get("user_domain_id"),
                user_domain_name=self.auth.get("user_domain_name"),
                tenant_id=own.get("project_id") if project is None else project,
                tenant_name=own.get("project_name"),
                project_domain_id=own.get("project_domain_id"),
                project_domain_name=own.get("project_domain_name"),
                cacert_file=self.cacert_file,
                insecure=self.insecure,
            ),
            opts,
        )


def find(site: Site) -> Credentials:
    """
    Find the operator's credentials for the site's cloud.

    An entry of clouds.yaml comes first, then OS_*.  Raise BadInputError if neither suffices.
    """
    if os.environ.get("OS_CLOUD"):
        raise BadInputError(
            "OS_CLOUD is set",
            why="the OpenStack provider would follow it instead of the project it is given",
            remedy=f'unset it; the site\'s file names the entry of clouds.yaml ("{site.cloud}")',
        )
    entry = _entry(site)
    # What comes from OS_* stands beside "auth", not in it.
    auth = {name: str(entry[name]) for name in AUTH if entry.get(name)}
    auth |= {name: str(value) for name, value in entry["auth"].items() if value}
    if "applicationcredential" in str(entry.get("auth_type")).replace("_", ""):
        raise BadInputError(
            f'the credentials for the cloud "{site.cloud}" are an application credential',
            why="one works in its own project only, and each agency has a project",
            remedy="give a user who has the admin role, with a password",
        )
    missing = [
        " or ".join(names)
        for names in (
            ("auth_url",),
            ("username", "user_id"),
            ("password",),
            ("project_name", "project_id"),
        )
        if not auth.keys() & set(names)
    ]
    if missing:
        raise BadInputError(
            f'the credentials for the cloud "{site.cloud}" are incomplete',
            why=f"they are without {', '.join(missing)}",
            remedy="complete the cloud's entry in clouds.yaml, or OS_*",
        )
    return Credentials(
        region=site.region,
        auth=auth,
        cacert_file=entry.get("cacert"),
        insecure=True if entry.get("verify") is False else None,
    )


def _entry(site: Site) -> dict[str, Any]:
    try:
        config = OpenStackConfig()
        named = site.cloud in config.get_cloud_names()
        if not named and not os.environ.get("OS_AUTH_URL"):
            raise BadInputError(
                f'there are no credentials for the cloud "{site.cloud}"',
                why="no clouds.yaml has an entry for it, and OS_AUTH_URL is not set",
                remedy="set OS_CLIENT_CONFIG_FILE to a clouds.yaml that has it",
            )
        found = config.get_one(cloud=site.cloud if named else "envvars", validate=False)
    except (ConfigException, AttributeError, TypeError) as error:
        # The reader takes the file to have the right shape.
        raise BadInputError(
            "clouds.yaml cannot be used",
            why=str(error),
            remedy='give each cloud a mapping with "auth" under "clouds"',
        ) from error
    return {"auth": {}, **found.config}
