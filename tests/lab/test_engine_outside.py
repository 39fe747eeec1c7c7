"""A real cloud that refuses: one clear error, nothing lost."""

from pathlib import Path

import pytest
from engine_programs import engine
from lab_helpers import PASSWORD, LabOfTests, tenant

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_openstack")

NETWORKS = """
    for index in range(12):
        osp.networking.Network(f"net{index}", name=f"outside{index}", opts=here)
"""


def test_wrong_credentials_are_one_error(lab: LabOfTests, tmp_path: Path) -> None:
    """The user's mistake, with keystone's words."""
    (error,) = engine(tmp_path, lab, NETWORKS, password="wrong").deploy().errors
    assert error.exit_code == 2
    assert "401" in error.why
    assert "password" in error.remedy


def test_new_credentials_after_wrong_ones_go_on(lab: LabOfTests, tmp_path: Path) -> None:
    """The state of the failed run is no obstacle, and destroy leaves nothing."""
    assert engine(tmp_path, lab, NETWORKS, password="wrong").deploy().errors
    assert engine(tmp_path, lab, NETWORKS).deploy().errors == []
    assert engine(tmp_path, lab, NETWORKS).destroy().errors == []


def test_an_unreachable_endpoint_is_one_error(lab: LabOfTests, tmp_path: Path) -> None:
    """The address that nobody answers at is named."""
    (error,) = engine(tmp_path, lab, NETWORKS, url="http://127.0.0.1:9/v3").deploy().errors
    assert error.exit_code == 3
    assert "127.0.0.1" in error.why


def test_a_quota_that_is_exceeded_is_one_error(lab: LabOfTests, tmp_path: Path) -> None:
    """What fitted stays in the state; with room again the rest follows."""
    with lab.cloud("main") as cloud:
        project = str(cloud.current_project_id)
        there = len(list(cloud.network.networks(project_id=project)))
        cloud.network.update_quota(project, networks=there + 3)
        try:
            (error,) = engine(tmp_path, lab, NETWORKS).deploy().errors
        finally:
            cloud.network.delete_quota(project)
        assert error.exit_code == 3
        assert "uota" in error.why
        assert "req-" in error.why
        assert engine(tmp_path, lab, NETWORKS).deploy().errors == []
        assert engine(tmp_path, lab, NETWORKS).destroy().errors == []
        assert len(list(cloud.network.networks(project_id=project))) == there


def test_an_agency_shrinks_with_its_quotas(lab: LabOfTests, tmp_path: Path) -> None:
    """Nova and neutron refuse a limit below what is in use; so it falls after the deletions."""
    shrinking = """
    member = osp.Provider(
        "member", auth_url=config.require("url"), user_name=config.require("agency"),
        password=config.require_secret("password-of-agency"), tenant_name=config.require("agency"),
        user_domain_name="Default", project_domain_name="Default", region=config.require("region"))
    count, project = config.require_int("count"), config.require("project")
    compute = osp.compute.QuotaSetV2("compute", project_id=project, server_groups=count, opts=here)
    network = osp.networking.QuotaV2("network", project_id=project, network=count, opts=here)
    for index in range(count):
        its = pulumi.ResourceOptions(provider=member, depends_on=[compute, network])
        osp.compute.ServerGroup(f"group{index}", name=f"g{index}", policies="affinity", opts=its)
        osp.networking.Network(f"net{index}", name=f"n{index}", opts=its)
    """
    with tenant(lab, "main") as agency:
        project = agency.cloud.current_project_id
        given = {"agency": agency.name, "password-of-agency": PASSWORD, "project": project}
        for count in ("3", "1"):
            result = engine(tmp_path, lab, shrinking, count=count, **given).deploy()
            assert result.errors == []
            quota = agency.admin.network.get_quota(project)
            limits = agency.admin.compute.get_quota_set(project)
            assert [quota.networks, limits.server_groups] == [int(count)] * 2
        assert result.changes["delete"] == 4
        assert engine(tmp_path, lab, shrinking, count="1", **given).destroy().errors == []


def test_no_valid_host_is_one_error(lab: LabOfTests, tmp_path: Path) -> None:
    """A server that fits nowhere is said in nova's words; the next run does not keep it."""
    server = """
    flavor = osp.compute.Flavor(
        "giant", name="outside-giant", ram=2**24, vcpus=128, disk=0, is_public=False, opts=here)
    net = osp.networking.Network("net", name="outside", opts=here)
    sub = osp.networking.Subnet(
        "sub", network_id=net.id, ip_version=6, cidr="fd00:59::/64", opts=here)
    disk = osp.blockstorage.Volume("disk", size=1, opts=here)
    image = osp.images.Image(
        "image", name="outside", container_format="bare", disk_format="raw", web_download=True,
        image_source_url=config.require("image"), opts=here)
    osp.compute.Instance(
        "server", name="outside", flavor_id=flavor.id, networks=[{"uuid": net.id}],
        image_id=image.id, opts=pulumi.ResourceOptions(provider=site, depends_on=[sub]))
    """
    (error,) = engine(tmp_path, lab, server).deploy().errors
    assert error.exit_code == 3
    assert "o valid host" in error.why
    assert engine(tmp_path, lab, "").deploy().errors == []
    with lab.cloud("main") as cloud:
        assert [one.name for one in cloud.compute.servers() if one.name == "outside"] == []
