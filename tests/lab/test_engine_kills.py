"""Killed at any operation on a real cloud, the next run converges: no orphan, no duplicate."""

import itertools
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import city as cities
import pytest
from city import City
from engine_kills import census, killed
from engine_programs import engine
from lab_helpers import LabOfTests

from lab.engine import Engine, Result

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_openstack")

SEED = 58
KILLS = 20
SMALL = """
    net = osp.networking.Network("net", name="kills", tags=["a", "b"], opts=here)
    sub = osp.networking.Subnet(
        "sub", name="kills", network_id=net.id, ip_version=6, cidr="fd00:58::/64", opts=here)
    group = osp.networking.SecGroup("group", name="kills", delete_default_rules=True, opts=here)
    rule = osp.networking.SecGroupRule(
        "rule", direction="ingress", ethertype="IPv6", protocol="tcp", port_range_min=22,
        port_range_max=22, remote_ip_prefix="fd00::/16", security_group_id=group.id, opts=here)
    port = osp.networking.Port(
        "port", name="kills", network_id=net.id, security_group_ids=[group.id], tags=["a"],
        fixed_ips=[{"subnet_id": sub.id}], opts=here)
    router = osp.networking.Router("router", name="kills", opts=here)
    leg = osp.networking.RouterInterface(
        "leg", router_id=router.id, subnet_id=sub.id, opts=here)
    image = osp.images.Image(
        "image", name="kills", container_format="bare", disk_format="raw", web_download=True,
        image_source_url=config.require("image"), opts=here)
    disk = osp.blockstorage.Volume("disk", name="kills", size=1, image_id=image.id, opts=here)
    data = osp.blockstorage.Volume("data", name="kills-data", size=1, opts=here)
    flavor = osp.compute.Flavor(
        "flavor", name="kills", ram=64, vcpus=1, disk=0, is_public=False, opts=here)
    server = osp.compute.Instance(
        "server", name="kills", flavor_id=flavor.id, networks=[{"port": port.id}],
        block_devices=[{"uuid": disk.id, "source_type": "volume", "destination_type": "volume",
                        "boot_index": 0}], opts=here)
    attach = osp.compute.VolumeAttach(
        "attach", instance_id=server.id, volume_id=data.id, opts=here)
    pulumi.export("server", server.id)
"""


OURS = {
    "address scopes": "networking/addressScope",
    "subnet pools": "networking/subnetPool",
    "networks": "networking/network",
    "subnets": "networking/subnet",
    "routers": "networking/router",
    "security groups": "networking/secGroup",
    "rules": "networking/secGroupRule",
    "floating IPs": "networking/floatingIp",
    "servers": "compute/instance",
    "server groups": "compute/serverGroup",
    "key pairs": "compute/keypair",
    "flavors": "compute/flavor",
    "volumes": "blockstorage/volume",
    "images": "images/image",
    "load balancers": "loadbalancer/loadBalancer",
    "listeners": "loadbalancer/listener",
    "pools": "loadbalancer/pool",
    "members": "loadbalancer/member",
    "monitors": "loadbalancer/monitor",
    "zones": "dns/zone",
    "records": "dns/recordSet",
    "projects": "identity/project",
    "groups": "identity/groupV3",
    "roles given": "identity/roleAssignment",
}
"""The type of each kind that has nothing in the cloud but what a stack has in its state."""


def _right(result: Result) -> None:
    assert not result.errors, "\n".join(map(str, result.errors))


def test_a_small_stack_killed_at_every_operation_converges(lab: LabOfTests, tmp_path: Path) -> None:
    """Whatever moment a run dies at, the next is right, and destroy leaves nothing."""

    def small(parallel: int = 16) -> Engine:
        return engine(tmp_path, lab, SMALL, parallel=parallel)

    def counts() -> dict[str, int]:
        return {kind: len(ids) for kind, ids in census(cloud, lab.home / "main").items()}

    with lab.cloud("main") as cloud:
        before = census(cloud, lab.home / "main")
        _right(small().deploy())
        made = counts()
        _right(small().destroy())
        died = {Engine.deploy: 0, Engine.destroy: 0}
        for moment in itertools.count(1):
            assert census(cloud, lab.home / "main") == before
            deploy_died = killed(small(parallel=1), Engine.deploy, moment)
            if deploy_died:
                _right(small().deploy())
                assert counts() == made
                assert not small().drift().changed
            destroy_died = killed(small(parallel=1), Engine.destroy, moment)
            if destroy_died:
                _right(small().destroy())
            died[Engine.deploy] += deploy_died
            died[Engine.destroy] += destroy_died
            if not deploy_died and not destroy_died:
                break
        assert census(cloud, lab.home / "main") == before
    assert died[Engine.deploy] > 30
    assert died[Engine.destroy] > 20


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("site", ["main"])
def test_the_whole_city_killed_at_random_operations_converges(
    lab: LabOfTests, tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty kills of deployments and destructions leave what one deployment would."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds_file))
    chance = random.Random(SEED)  # noqa: S311 - the same moments each time
    city = cities.make(tmp_path / "project", lab.clouds_file)

    def kill(verb: Any, moments: int, *, anew: Any) -> None:
        """Kill a run, one of several if the first ones come to their end before their moment."""
        while not killed(city.engine(site), verb, chance.randrange(1, moments)):
            _right(anew(city.engine(site)))

    with lab.cloud(site) as cloud:
        before = census(cloud, lab.home / site)
        for _ in range(KILLS // 2):
            kill(Engine.deploy, 150, anew=Engine.destroy)
        _right(city.engine(site).deploy())
        there = census(cloud, lab.home / site)
        _agrees(city, site, {kind: ids - before[kind] for kind, ids in there.items()})
        assert not city.engine(site).deploy().changed
        for _ in range(KILLS // 2):
            kill(Engine.destroy, 100, anew=Engine.deploy)
        _right(city.engine(site).destroy())
        assert census(cloud, lab.home / site) == before


def _agrees(city: City, site: str, made: dict[str, set[str]]) -> None:
    """Assert that the cloud has what the state has: nothing else, nothing twice."""
    ours: dict[str, set[str]] = defaultdict(set)
    for one in city.resources(site):
        ours[one["type"].rpartition(":")[0].removeprefix("openstack:")].add(one.get("id", ""))
    assert {kind: made[kind] for kind in OURS} == {kind: ours[OURS[kind]] for kind in OURS}
    containers = {one.partition("/")[2] for one in made["containers"] if "\0" not in one}
    assert containers == ours["objectstorage/container"]
