"""`citydc policy --live` on a town deployed for real: sound, changed by hand, out of reach."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mistakes
import pytest
import town as towns
import yaml
from city import City
from lab_helpers import PASSWORD, LabOfTests, settled, tenant
from mistakes import MISTAKES

from citydc.project import CHECKOUT

BAD_STACK = CHECKOUT / "tests/unit/policies/bad_stack.yaml"
NOT_LIVE = {
    "lifecycle-protect": "protection is Pulumi's alone; no cloud knows it",
    "lifecycle-force-destroy": "how a deploy deletes is in the program, not in the cloud",
    "encryption-provider-tls": "how the cloud is reached is in the program",
    "encryption-image-http": "glance forgets where an image came from",
    "encryption-local-disk": "nova does not change a flavor's disks; another flavor is no agency's",
    "recovery-database-apart": "a group's policy cannot change, and the lab lets no profile but its"
    " own have strict groups",
    "recovery-zones": "nova takes no server for a zone that it does not have",
}
"""Mistakes of the bad stack that a cloud refuses or cannot hold."""


@pytest.fixture(scope="module")
def town(own_lab: LabOfTests, tmp_path_factory: pytest.TempPathFactory) -> City:
    """Give the town, its main site deployed."""
    own_lab.up()
    made = towns.make(tmp_path_factory.mktemp("town") / "project", own_lab.clouds_file)
    assert made.result("deploy", "main", "--yes")["changes"]["create"] > 200
    return made


def test_a_sound_town_opens_the_gate(town: City) -> None:
    """Nothing of what the cloud made by itself is found, and preview and state agree."""
    told = town.result("policy", "main", "--live")
    assert told["on"] == "live"
    assert (told["passed"], told["violations"], told["elsewhere"]) == (True, [], [])


def test_others_projects_are_left_alone(town: City, own_lab: LabOfTests) -> None:
    """What another project has and opens is not the city's."""
    with tenant(own_lab, "main") as other:
        network = other.cloud.network.create_network(name="theirs")
        cidr = "10.1.0.0/24"  # the city's own range
        other.cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr=cidr)
        group = other.cloud.network.create_security_group(name="theirs")
        other.cloud.network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", ether_type="IPv4"
        )
        volume = other.cloud.block_storage.create_volume(size=1, volume_type="standard")
        try:
            settled(other.cloud.block_storage.get_volume, volume, "available")
            assert town.result("policy", "main", "--live")["violations"] == []
        finally:
            other.cloud.block_storage.delete_volume(volume)
            other.cloud.block_storage.wait_for_delete(volume)
            other.cloud.network.delete_security_group(group)
            other.cloud.network.delete_network(network)


def test_every_mistake_made_by_hand_is_found(town: City, own_lab: LabOfTests) -> None:
    """By its rule and at its object, known to the state or not; preview and state have none."""
    with own_lab.cloud("main") as cloud:
        for do in dict.fromkeys(one.do for one in MISTAKES):
            do(cloud)
    told = town.result("policy", "main", "--live", code=1)
    assert told["errors"] == []
    assert {tuple(one["also_on"]) for one in told["violations"]} == {()}
    found = {(one["rule"], _at(one["urn"])) for one in told["violations"]}
    missed = [
        one
        for one in MISTAKES
        if not any(rule == one.rule and at.startswith(one.at) for rule, at in found)
    ]
    assert missed == []
    by_hand = {at.partition("/")[0] for rule, at in found if rule == "ownership-stack"}
    assert by_hand >= {
        "SecGroupRule", "Port", "Network", "Subnet", "RouterInterface", "FloatingIp", "Instance",
        "Volume", "Image", "Container", "SecretV1", "RoleAssignment", "Listener", "RecordSet",
    }  # fmt: skip
    for source in ((), ("--state",)):
        assert town.result("policy", "main", *source)["violations"] == []


def _at(urn: str) -> str:
    _, _, types, name = urn.split("::", 3)
    return f"{types.rpartition(':')[2]}/{name}"


def test_the_bad_stacks_mistakes_are_made_live_or_a_cloud_cannot_hold_them() -> None:
    """Each rule that the bad stack breaks is broken by hand here, or it is said why not."""
    made = {one.rule for one in MISTAKES}
    wanted = {one["rule"] for one in yaml.safe_load(BAD_STACK.read_text(encoding="utf-8"))}
    assert wanted - made == NOT_LIVE.keys()
    assert len(made) >= 30


def _wrong_password(clouds: dict[str, Any], lab: LabOfTests) -> None:
    del lab
    clouds["main"]["auth"]["password"] = "not this one"


def _a_member(clouds: dict[str, Any], lab: LabOfTests) -> None:
    with lab.cloud("main") as admin:
        mistakes.give_role(admin, "looks-on", "member")
    clouds["main"]["auth"] |= {"username": "looks-on", "password": PASSWORD}


@pytest.mark.parametrize("change", [_wrong_password, _a_member])
def test_credentials_that_do_not_see_everything_close_the_gate(
    town: City,
    own_lab: LabOfTests,
    tmp_path: Path,
    change: Callable[[dict[str, Any], LabOfTests], None],
) -> None:
    """Refused, or lists of one project alone: an error, and no decision."""
    clouds = yaml.safe_load(own_lab.clouds_file.read_text(encoding="utf-8"))
    change(clouds["clouds"], own_lab)
    file = tmp_path / "clouds.yaml"
    file.write_text(yaml.safe_dump(clouds), encoding="utf-8")
    done = town.run("policy", "main", "--live", "--json", OS_CLIENT_CONFIG_FILE=str(file))
    assert done.returncode == 2, done.stderr
    assert "credentials" in done.stderr
    assert done.stdout == ""


def test_a_service_that_is_down_closes_the_gate(town: City, own_lab: LabOfTests) -> None:
    """Half an answer is none: an error that names the service, and no decision."""
    pid = own_lab.status()["sites"]["main"]["services"]["designate"]["pid"]
    assert pid
    os.kill(pid, signal.SIGKILL)
    done = town.run("policy", "main", "--live", "--json")
    assert done.returncode == 3, done.stderr
    assert "the live cloud of main cannot be read whole" in done.stderr
    assert "dns" in done.stderr
    assert done.stdout == ""


def test_a_cloud_that_is_down_closes_the_gate(town: City, own_lab: LabOfTests) -> None:
    """An error, and no decision."""
    own_lab.down()
    done = town.run("policy", "main", "--live", "--json")
    assert done.returncode == 3, done.stderr
    assert "cannot be read whole" in done.stderr
    assert done.stdout == ""
