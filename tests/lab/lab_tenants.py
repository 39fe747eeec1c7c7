"""What tests of the lab's services share: waiting, and an agency's project on a site."""

import contextlib
import dataclasses
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

from openstack.connection import Connection

from lab.control import Lab

LIMIT_S = 60
PASSWORD = secrets.token_urlsafe()


def wait_for(check: Callable[[], Any]) -> Any:
    """Call `check` until what it gives is true, and give that."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.1)


def settled(get: Callable[[str], Any], thing: Any, wanted: str) -> Any:
    """Give the thing once its status is the one wanted; fail when it becomes an error."""

    def look() -> Any:
        found = get(thing.id)
        status = found.status.lower()
        assert wanted == "error" or "error" not in status, found
        return found if status == wanted else None

    return wait_for(look)


@dataclasses.dataclass
class Tenant:
    """
    An agency's project on a site, and a user who is no more than a member of it.

    The SDK's types leave open which version of an API answers; so its connections have none here.
    """

    site: str
    name: str
    cloud: Any
    admin: Any
    mirror: str


@contextlib.contextmanager
def tenant(lab: Any, site: str) -> Iterator[Tenant]:
    """Make a project and its member on the site; remove both in the end."""
    admin: Any = lab.cloud(site)
    name = f"agency-{secrets.token_hex(3)}"
    project = admin.identity.create_project(name=name, domain_id="default")
    user = admin.identity.create_user(name=name, password=PASSWORD, domain_id="default")
    admin.identity.assign_project_role_to_user(project, user, admin.identity.find_role("member"))
    cloud = lab.cloud(site, username=name, password=PASSWORD, project_name=name)
    try:
        yield Tenant(site, name, cloud, admin, mirror_of(lab, site))
    finally:
        admin.identity.delete_user(user)
        admin.identity.delete_project(project)
        cloud.close()
        admin.close()


def mirror_of(lab: Lab, site: str) -> str:
    """Give the address of the image that the site's mirror offers."""
    port = lab.port + {"main": 90, "backup": 190}[site]
    return f"http://127.0.0.1:{port}/debian-12.raw"


def volume_file(lab: Lab, site: str, volume: Any) -> Any:
    """Give the path of the file that a volume is."""
    return lab.home / site / "state/cinder/volumes" / volume.id


def delete_volume(cloud: Connection, volume: Any) -> None:
    """Delete a volume and wait until it is gone."""
    cloud.block_storage.delete_volume(volume)
    cloud.block_storage.wait_for_delete(volume, wait=LIMIT_S, interval=0.2)
