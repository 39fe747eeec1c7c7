"""What the capacity exporter reads of a real cloud, and that it only reads."""

from typing import Any

import pytest
from lab_helpers import LIMIT_S, PASSWORD, LabOfTests, delete_volume, settled, tenant

from exporters.capacity import reading
from exporters.capacity.amounts import GIB, MIB
from exporters.capacity.reading import Found

TAKEN = {
    ("vcpus", "site", ""): 2,
    ("memory", "site", ""): 512 * MIB,
    ("vcpus", "agency", "trade"): 2,
    ("memory", "agency", "trade"): 512 * MIB,
    ("instances", "agency", "trade"): 1,
    ("volumes", "agency", "trade"): GIB,
    ("ports", "agency", "trade"): 1,
    ("addresses", "network", "trade"): 1,
}


def used(found: Found) -> dict[tuple[str, str, str], float]:
    """Return how much is taken, by resource, scope and name."""
    return {
        (one.resource, one.scope, one.name): one.used
        for one in found.amounts
        if one.used is not None
    }


def test_what_is_taken_is_found_to_the_unit(
    lab: LabOfTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server, its volume and its port show in every source; reading sends no request but GET."""
    with tenant(lab, "main") as agency, lab.cloud("main") as auditor:
        cloud: Any = agency.cloud
        project = cloud.current_project_id
        network = cloud.network.create_network(name="trade")
        cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.58.7.0/24")
        flavor = agency.admin.compute.create_flavor(name=agency.name, vcpus=2, ram=512, disk=0)
        agency.admin.compute.update_quota_set(project, cores=5)
        methods = _methods(auditor, monkeypatch)
        before = reading.read(auditor, "main", {"trade": project})

        volume = cloud.block_storage.create_volume(size=1, volume_type="standard")
        settled(cloud.block_storage.get_volume, volume, "available")
        cloud.block_storage.set_volume_bootable_status(volume, True)
        port = cloud.network.create_port(network_id=network.id)
        server = cloud.compute.create_server(
            name="one",
            flavor_id=flavor.id,
            networks=[{"port": port.id}],
            block_device_mapping=[
                {
                    "boot_index": 0,
                    "uuid": volume.id,
                    "source_type": "volume",
                    "destination_type": "volume",
                }
            ],
        )
        settled(cloud.compute.get_server, server, "active")
        after = reading.read(auditor, "main", {"trade": project})
        readers = _reader(agency, lab, project)

        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server, wait=LIMIT_S, interval=0.2)
        cloud.network.delete_port(port)
        cloud.network.delete_network(network)
        delete_volume(cloud, volume)
        agency.admin.compute.delete_flavor(flavor)

    assert before.up == {"placement": True, "quotas": True, "pools": True, "addresses": True}
    first, then = used(before), used(after)
    assert {key: then[key] - first[key] for key in TAKEN} == TAKEN
    limits = {(one.resource, one.scope, one.name): one.limit for one in after.amounts}
    assert limits["vcpus", "agency", "trade"] == 5
    assert limits["addresses", "network", "trade"] == 253
    pools = [one for one in after.amounts if one.scope == "pool"]
    assert pools
    assert all(one.limit is None and one.used is not None for one in pools), "the lab's are sparse"
    assert after.nodes
    assert sum(one.used.vcpus for one in after.nodes) == then["vcpus", "site", ""]
    assert methods == {"GET"}
    assert readers.up["quotas"]
    assert not readers.up["placement"]
    assert readers.nodes is None
    assert used(readers)["vcpus", "agency", "trade"] == 2


def _methods(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the methods of all requests that the connection will send to its services."""
    found: set[str] = set()
    session = cloud.session
    request = session.request

    def noting(url: str, method: str, **more: Any) -> Any:
        if not url.endswith("/auth/tokens"):
            found.add(method)
        return request(url, method, **more)

    monkeypatch.setattr(session, "request", noting)
    return found


def _reader(agency: Any, lab: LabOfTests, project: str) -> Found:
    """Return what somebody finds who has the role reader in the project, and no other."""
    admin = agency.admin
    user = admin.identity.create_user(name=f"{agency.name}-r", password=PASSWORD)
    admin.identity.assign_project_role_to_user(project, user, admin.identity.find_role("reader"))
    try:
        own = {"username": user.name, "password": PASSWORD, "project_name": agency.name}
        with lab.cloud("main", **own) as cloud:
            return reading.read(cloud, "main", {"trade": project})
    finally:
        admin.identity.delete_user(user)
