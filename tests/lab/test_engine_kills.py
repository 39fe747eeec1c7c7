"""Killed at any operation on a real cloud, the next run converges: no orphan, no duplicate."""

import itertools
import random
import textwrap
from pathlib import Path
from typing import Any

import city as cities
import pytest
import yaml
from engine_kills import census, killed

from lab.engine import Engine, Result

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_openstack")

SEED = 58
KILLS = 20
SMALL = """
    import pulumi
    import pulumi_openstack as osp

    config = pulumi.Config()
    site = osp.Provider(
        "site", auth_url=config.require("url"), user_name="admin",
        password=config.require_secret("password"), tenant_name="admin",
        user_domain_name="Default", project_domain_name="Default", region=config.require("region"))
    here = pulumi.ResourceOptions(provider=site)
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


def _engine(folder: Path, lab: Any, parallel: int = 16) -> Engine:
    """Give an engine for the small stack on the main site."""
    auth = yaml.safe_load(lab.clouds_file.read_text())["clouds"]["main"]
    (folder / "Pulumi.yaml").write_text("name: kills\nruntime: python\n")
    (folder / "__main__.py").write_text(textwrap.dedent(SMALL))
    config = {
        "url": auth["auth"]["auth_url"],
        "password": auth["auth"]["password"],
        "region": auth["region_name"],
        "image": f"http://127.0.0.1:{lab.port + 90}/debian-12.raw",
    }
    state = (folder / "state").as_uri()
    return Engine(folder, "dev", state, "of the tests", config=config, parallel=parallel)


def _right(result: Result) -> None:
    assert not result.errors, "\n".join(map(str, result.errors))


def test_a_small_stack_killed_at_every_operation_converges(lab: Any, tmp_path: Path) -> None:
    """Whatever moment a deployment dies at, the next is right, and destroy leaves nothing."""
    with lab.cloud("main") as cloud:
        before = census(cloud)
        _right(_engine(tmp_path, lab).deploy())
        made = {kind: len(ids) for kind, ids in census(cloud).items()}
        for moment in itertools.count(1):
            _right(_engine(tmp_path, lab).destroy())
            assert census(cloud) == before
            died = killed(_engine(tmp_path, lab, parallel=1), Engine.deploy, moment)
            _right(_engine(tmp_path, lab).deploy())
            assert {kind: len(ids) for kind, ids in census(cloud).items()} == made
            assert not _engine(tmp_path, lab).drift().changed
            if not died:
                break
        for moment in itertools.count(1):
            died = killed(_engine(tmp_path, lab, parallel=1), Engine.destroy, moment)
            _right(_engine(tmp_path, lab).destroy())
            assert census(cloud) == before
            if not died:
                break
            _right(_engine(tmp_path, lab).deploy())


@pytest.mark.soak
@pytest.mark.parametrize("site", ["main"])
def test_the_whole_city_killed_at_random_operations_converges(
    lab: Any, tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty kills of deployments and destructions leave what one deployment would."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds_file))
    chance = random.Random(SEED)  # noqa: S311 - the same moments each time
    made = cities.make(tmp_path / "project", lab.clouds_file)
    with lab.cloud(site) as cloud:
        before = census(cloud)
        kills = 0
        while kills < KILLS // 2:
            kills += killed(made.engine(site), Engine.deploy, chance.randrange(1, 150))
        _right(made.engine(site).deploy())
        resources = made.engine(site).export_state()["deployment"]["resources"]
        there = census(cloud)
        for kind, token in (("servers", "compute/instance"), ("volumes", "blockstorage/volume")):
            ours = {one["id"] for one in resources if f"openstack:{token}:" in one["type"]}
            assert there[kind] - before[kind] == ours
        rules = [one for one in resources if "networking/secGroupRule:" in one["type"]]
        assert len(there["rules"] - before["rules"]) == len(rules)
        assert not made.engine(site).deploy().changed
        while kills < KILLS:
            if not killed(made.engine(site), Engine.destroy, chance.randrange(1, 100)):
                break
            kills += 1
        _right(made.engine(site).destroy())
        assert census(cloud) == before
