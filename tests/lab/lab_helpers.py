"""What tests on the lab share: a lab, waiting, and an agency's project on a site."""

import contextlib
import dataclasses
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import openstack
import openstack.config
from openstack.connection import Connection

from catalogue.errors import OutsideError
from lab.control import Lab
from lab.monitoring import running
from lab.openstack import ports, sites

FIRST_PORT, LAST_PORT, STEP = 28000, 32600, 200  # below those that the kernel gives
LIMIT_S = 180
PASSWORD = secrets.token_urlsafe()


class LabOfTests(Lab):
    """A lab with connections to its clouds."""

    def cloud(self, name: str, **auth: Any) -> Connection:
        """Give a connection to a site: as the administrator, unless `auth` says otherwise."""
        config = openstack.config.OpenStackConfig(
            config_files=[str(self.clouds_file)], load_envvars=False
        )
        region = config.get_one(cloud=name)
        return openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            region_name=region.region_name,
            auth={**region.auth, **auth},
        )

    def unmonitor(self) -> None:
        """End what measures it, and take away what was measured."""
        folder = self.home / "monitoring"
        running.start(self.home, folder, (), {})
        shutil.rmtree(folder)


def new_lab(home: Path, *, hosts: bool = False) -> LabOfTests:
    """
    Give a lab that is not up yet, on ports that nothing has and no other new lab will have.

    With `hosts` its servers are real hosts.
    """
    for port in range(FIRST_PORT, LAST_PORT, STEP):
        with contextlib.suppress(OutsideError, BlockingIOError):
            ports.check_free(sites.load(home, port))
            _reserve(port)
            return LabOfTests(home, port, hosts=hosts)
    raise AssertionError("no free ports for a lab")


def _reserve(port: int) -> None:
    """Keep other tests' labs off a row of ports, until this process ends; or BlockingIOError."""
    path = Path(tempfile.gettempdir(), f"citydc-tests-{port}.lock")
    file = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise


def wait_for(check: Callable[[], Any], patience_s: float = LIMIT_S) -> Any:
    """Call `check` until what it gives is true, and give that."""
    deadline = time.monotonic() + patience_s
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
def tenant(lab: LabOfTests, site: str) -> Iterator[Tenant]:
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


def answers(name: str, kind: str, port: int) -> set[str]:
    """
    Ask the name server at `port` of loopback for a name's addresses.

    None, too, when it does not answer: it may be busy, and who waits for an address asks again.
    """
    query = dns.message.make_query(name, kind)
    try:
        answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=5).answer
    except dns.exception.Timeout:
        return set()
    return {item.to_text() for several in answer for item in several if item.rdtype.name == kind}
