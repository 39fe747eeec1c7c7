"""What was changed by hand: found by drift, repaired by the next deployment."""

from collections.abc import Callable

import pytest
from engine_stack import GROUP, NET, PORT, RULE, SUB, VOLUME, Stack, ops
from memory_cloud import MemoryCloud

CITY = (NET, SUB, GROUP, RULE, PORT, VOLUME)
AGENCY = """
project = osp.identity.Project("agency", name="agency", opts=here)
its = Opts(provider=osp.Provider(
    "agency", auth_url="http://x", password="p", tenant_id=project.id, region="r"))
volume = osp.blockstorage.Volume("volume", name="volume", size=1, opts=its)
"""


def _add_rule(cloud: MemoryCloud) -> None:
    rule = {
        "security_group_id": cloud.only("security-groups")["id"],
        "direction": "ingress",
        "ethertype": "IPv4",
        "created_at": "2026-01-02T00:00:00+00:00",
    }
    cloud.answer("POST", "/security-group-rules", {}, {"security_group_rule": rule})


def _leave_group(cloud: MemoryCloud) -> None:
    cloud.only("ports")["security_groups"] = []


def _change_name_servers(cloud: MemoryCloud) -> None:
    cloud.only("subnets")["dns_nameservers"] = ["fd00::bad"]


def _remove_tag(cloud: MemoryCloud) -> None:
    cloud.only("ports")["tags"] = ["a"]


def _rename(cloud: MemoryCloud) -> None:
    cloud.only("volumes")["name"] = "other"


def _delete_rule(cloud: MemoryCloud) -> None:
    cloud.objects["security-group-rules"].clear()


def _delete_volume(cloud: MemoryCloud) -> None:
    cloud.objects["volumes"].clear()


@pytest.mark.parametrize(
    ("by_hand", "found", "lines", "repair"),
    [
        (_add_rule, "update group", ["rule ingress IPv4"], "update group"),
        (_leave_group, "update port", ["securityGroupIds"], "update port"),
        (_change_name_servers, "update sub", ["dnsNameservers"], "update sub"),
        (_remove_tag, "update port", ["tags"], "update port"),
        (_rename, "update vol", ["name"], "update vol"),
        (_delete_rule, "delete rule", [], "create rule"),
        (_delete_volume, "delete vol", [], "create vol"),
    ],
)
def test_drift_is_found_and_the_next_deployment_repairs_it(
    stack: Stack,
    by_hand: Callable[[MemoryCloud], None],
    found: str,
    lines: list[str],
    repair: str,
) -> None:
    """Drift names the resource and the property, and changes neither cloud nor state."""
    sub = SUB.replace("opts=here", 'dns_nameservers=["fd00::53"], opts=here')
    city = (NET, sub, GROUP, RULE, PORT, VOLUME)
    stack.deploy(*city)
    by_hand(stack.cloud)
    stack.cloud.log.clear()
    before = stack.state_file.read_bytes()
    drift = stack.engine().drift()
    assert drift.errors == []
    assert ops(drift) == [found]
    assert all(word in str(drift.resources[0].diff) for word in lines)
    assert stack.cloud.changes == []
    assert stack.state_file.read_bytes() == before
    assert ops(stack.deploy(*city)) == [repair]
    assert not stack.engine().drift().changed
    assert not stack.deploy(*city).changed


def test_no_drift_where_nothing_was_changed(stack: Stack) -> None:
    """What was just deployed does not differ."""
    stack.deploy(*CITY)
    drift = stack.engine().drift()
    assert not drift.changed
    assert drift.changes["same"] == len(CITY)


def test_a_refresh_takes_a_listing_of_each_type_instead_of_a_call_for_each_object(
    stack: Stack,
) -> None:
    """A deployment of what is there already lists volumes once."""
    volumes = "".join(VOLUME.replace('"vol"', f'"vol{index}"') for index in range(20))
    stack.deploy(volumes)
    stack.cloud.log.clear()
    assert not stack.deploy(volumes).changed
    assert len(stack.cloud.log) == 1


def test_what_needs_a_vanished_object_is_made_anew_with_it(stack: Stack) -> None:
    """A network that was deleted by hand comes back, and what depends on its id too."""
    stack.deploy(NET, SUB)
    stack.cloud.objects["subnets"].clear()
    stack.cloud.objects["networks"].clear()
    assert ops(stack.deploy(NET, SUB)) == ["create net", "create sub"]
    assert stack.cloud.only("subnets")["network_id"] == stack.cloud.only("networks")["id"]


def test_a_cloud_that_was_reset_gets_all_anew(stack: Stack) -> None:
    """What was in a project that is gone is gone too, though nobody can ask for it."""
    stack.deploy(AGENCY, VOLUME)
    for objects in stack.cloud.objects.values():
        objects.clear()
    drift = stack.engine().drift()
    assert drift.errors == []
    assert ops(drift) == ["delete agency", "delete vol", "delete volume"]
    result = stack.deploy(AGENCY, VOLUME)
    assert ops(result) == ["create agency", "create vol", "create volume"]
    assert len(stack.cloud.all("volumes")) == 2
    assert not stack.deploy(AGENCY, VOLUME).changed


def test_what_an_interrupted_run_made_in_a_project_that_is_gone_is_not_looked_for(
    stack: Stack,
) -> None:
    """A run that broke off in an agency's project is no obstacle after the project is gone."""
    stack.cloud.refuse["POST /volumes"] = (500, "broken")
    assert stack.write(AGENCY).engine().deploy().errors
    assert "pending_operations" in stack.state_file.read_text()
    stack.cloud.refuse.clear()
    stack.cloud.objects["projects"].clear()
    assert ops(stack.deploy(AGENCY)) == ["create agency", "create volume"]


def test_what_drift_cannot_look_at_is_told(stack: Stack) -> None:
    """A resource of a type that only the official CLI knows is not passed over in silence."""
    stack.deploy(NET)
    text = stack.state_file.read_text()
    share = "openstack:sharedfilesystem/share:Share"
    stack.state_file.write_text(text.replace("openstack:networking/network:Network", share))
    result = stack.engine().drift()
    assert (result.errors, result.changed) == ([], False)
    assert stack.heard.logs == [f"{share} net is not looked at: the engine knows no such type"]
