"""Saved plans: a deployment that is held to one does that and nothing else."""

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_stack import GROUP, NET, RULE, SUB, VOLUME, Stack, ops
from memory_cloud import MemoryCloud, MemoryConnection

from catalogue.errors import CityDCError
from lab.engine import Plan, Result
from lab.engine.plan import fits
from lab.engine.values import SECRET, SIGNATURE, UNKNOWN_TEXT

OPTIONS = (NET, SUB.replace("opts=here", 'dns_nameservers=["fd00::53"], opts=here'), GROUP, RULE)


def _plan(stack: Stack, *parts: str) -> Plan:
    result, plan = stack.write(*parts).engine().plan()
    assert not result.errors, result.errors
    assert plan is not None
    return plan


def _refused(stack: Stack, plan: Plan) -> CityDCError:
    """Deploy by a plan that is refused; return the error, after which nothing is changed."""
    before = stack.state_file.read_bytes() if stack.state_file.exists() else b""
    stack.cloud.log.clear()
    (error,) = stack.engine().deploy(plan).errors
    assert error.exit_code == 2
    assert error.remedy
    assert stack.cloud.changes == []
    assert (stack.state_file.read_bytes() if before else b"") == before
    return error


def _carried_out(stack: Stack, plan: Plan) -> Result:
    result = stack.engine().deploy(plan)
    assert not result.errors, result.errors
    return result


def test_a_plan_is_carried_out_as_it_was_shown(stack: Stack) -> None:
    """Create, update, replace and delete: what the plan has is what is done."""
    assert ops(_carried_out(stack, _plan(stack, NET, SUB, VOLUME))) == [
        "create net",
        "create sub",
        "create vol",
    ]
    edited = (NET.replace("1400", "1500"), SUB.replace("fd00::", "fd01::"))
    plan = _plan(stack, *edited)
    stack.cloud.log.clear()
    assert ops(_carried_out(stack, plan)) == ["delete vol", "replace sub", "update net"]
    assert stack.cloud.only("networks")["mtu"] == 1500
    assert not stack.deploy(*edited).changed


def test_making_a_plan_changes_nothing(stack: Stack) -> None:
    """Neither cloud nor state; not even where something is to be repaired."""
    stack.deploy(*OPTIONS)
    stack.cloud.only("subnets")["dns_nameservers"] = []
    before = stack.state_file.read_bytes()
    stack.cloud.log.clear()
    assert [one.op for one in _plan(stack, *OPTIONS).steps.values()] == ["update"]
    assert stack.cloud.changes == []
    assert stack.state_file.read_bytes() == before


def _add_rule(cloud: MemoryCloud) -> None:
    rule = {
        "security_group_id": cloud.only("security-groups")["id"],
        "direction": "ingress",
        "ethertype": "IPv4",
        "created_at": "2026-01-02T00:00:00+00:00",
    }
    cloud.answer("POST", "/security-group-rules", {}, {"security_group_rule": rule})


def _change_name_servers(cloud: MemoryCloud) -> None:
    cloud.only("subnets")["dns_nameservers"] = ["fd00::bad"]


def _delete_rule(cloud: MemoryCloud) -> None:
    cloud.objects["security-group-rules"].clear()


BY_HAND = pytest.mark.parametrize("by_hand", [_add_rule, _change_name_servers, _delete_rule])


@BY_HAND
def test_a_plan_repairs_what_was_changed_by_hand_before_it(
    stack: Stack, by_hand: Callable[[MemoryCloud], None]
) -> None:
    """What the cloud has is a part of what was approved."""
    stack.deploy(*OPTIONS)
    by_hand(stack.cloud)
    plan = _plan(stack, *OPTIONS)
    assert len(plan.steps) == 1
    assert _carried_out(stack, plan).changed
    assert not stack.engine().drift().changed


@BY_HAND
def test_what_is_changed_by_hand_after_the_plan_refuses_it(
    stack: Stack, by_hand: Callable[[MemoryCloud], None]
) -> None:
    """The error says that it is the cloud, and which resource."""
    stack.deploy(*OPTIONS)
    plan = _plan(stack, *OPTIONS)
    by_hand(stack.cloud)
    error = _refused(stack, plan)
    assert "cloud was changed by hand" in error.why
    assert any(name in error.why for name in ("Subnet sub", "SecGroup group", "SecGroupRule rule"))


def test_another_change_by_hand_of_the_same_property_refuses_the_plan(stack: Stack) -> None:
    """The step would be the same, but not from what was shown."""
    stack.deploy(*OPTIONS)
    _change_name_servers(stack.cloud)
    plan = _plan(stack, *OPTIONS)
    stack.cloud.only("subnets")["dns_nameservers"] = ["fd00::worse"]
    assert "fd00::worse" in _refused(stack, plan).why


def test_a_state_that_has_moved_on_refuses_the_plan(stack: Stack) -> None:
    """Another deployment came in between; also one whose changes are the plan's own."""
    stack.deploy(NET)
    edited = NET.replace("1400", "1500")
    plan = _plan(stack, edited, SUB)
    stack.deploy(NET.replace("1400", "1450"))
    error = _refused(stack.write(edited, SUB), plan)
    assert "another run has changed the stack" in error.why
    assert "mtu: 1450 => 1500" in error.why
    plan = _plan(stack, edited, SUB)
    stack.deploy(edited, SUB)
    assert "another run has changed the stack" in _refused(stack, plan).why


@pytest.mark.parametrize(
    ("edited", "told"),
    [
        ((NET.replace("1400", "1500"), SUB), "Network net"),
        ((NET,), "Subnet sub"),
        ((NET, SUB, VOLUME), "Volume vol"),
        ((NET.replace("opts=here", "opts=Opts(provider=site, protect=True)"), SUB), "protect"),
        ((NET, SUB, 'pulumi.export("net", net.id)\n'), "Stack"),
    ],
)
def test_another_program_refuses_the_plan(stack: Stack, edited: tuple[str, ...], told: str) -> None:
    """A property, a resource more or less, an option, an output."""
    stack.deploy(NET)
    plan = _plan(stack, NET, SUB)
    error = _refused(stack.write(*edited), plan)
    assert "the program" in error.why
    assert told in error.why


def test_another_secret_refuses_the_plan_and_neither_is_told(stack: Stack) -> None:
    """The plan has a keyed digest of it, which it takes the passphrase to compare."""
    named = NET.replace('name="net"', 'name=pulumi.Output.secret("xyzzy")')
    plan = _plan(stack, named)
    assert "xyzzy" not in str(plan)
    assert "hush" not in str(plan)
    error = _refused(stack.write(named.replace("xyzzy", "plugh")), plan)
    assert "Network net" in error.why
    assert "plugh" not in str(error)
    assert ops(_carried_out(stack.write(named), plan)) == ["create net"]
    assert stack.cloud.only("networks")["name"] == "xyzzy"


def test_a_plan_of_another_passphrase_is_refused(stack: Stack) -> None:
    """Its digests could not be compared."""
    plan = _plan(stack, NET)
    with pytest.raises(CityDCError, match="passphrase"):
        stack.engine(passphrase="other").deploy(plan)


def test_a_name_that_the_plan_has_chosen_is_kept(stack: Stack) -> None:
    """What the program does not name gets the name that was shown."""
    plan = _plan(stack, VOLUME.replace('name="vol", ', ""))
    _carried_out(stack, plan)
    name = stack.cloud.only("volumes")["name"]
    assert name.startswith("vol-")
    assert any(name in line for step in plan.steps.values() for line in step.lines)


def test_a_plan_is_carried_out_once(stack: Stack) -> None:
    """The second time is refused, with the time of the first; a plan of no change too."""
    plan = _plan(stack, NET)
    _carried_out(stack, plan)
    assert "finished it at 20" in _refused(stack, plan).why
    plan = _plan(stack, NET)
    assert plan.steps == {}
    assert not _carried_out(stack, plan).changed
    assert "finished it at 20" in _refused(stack, plan).why


def test_a_plan_that_failed_half_way_is_gone_on_with(stack: Stack) -> None:
    """What is left of it, and only that, is done by the next deployment with it."""
    stack.deploy(NET)
    edited = (NET.replace("1400", "1500"), SUB, VOLUME)
    plan = _plan(stack, *edited)
    stack.cloud.refuse["POST /subnets"] = (409, "Quota exceeded for resources: ['subnet'].")
    assert len(stack.engine(parallel=1).deploy(plan).errors) == 1
    stack.cloud.refuse.clear()
    stack.write(edited[0].replace("1500", "1600"), *edited[1:])
    assert (
        "not as planned" in _refused(stack, plan).why or "now update" in _refused(stack, plan).why
    )
    assert "create sub" in ops(_carried_out(stack.write(*edited), plan))
    assert not stack.deploy(*edited).changed


def test_a_plan_begun_is_not_gone_on_with_after_another_run(stack: Stack) -> None:
    """A deployment without it has taken over; the plan no longer holds."""
    plan = _plan(stack, NET, SUB)
    stack.cloud.refuse["POST /subnets"] = (400, "no")
    assert stack.engine().deploy(plan).errors
    stack.cloud.refuse.clear()
    stack.deploy(NET)
    assert "another run has changed the stack" in _refused(stack.write(NET, SUB), plan).why


def test_ctrl_c_in_a_planned_deployment_loses_nothing(stack: Stack) -> None:
    """What is in flight finishes, and the plan is gone on with."""

    def stop(when: str, method: str, path: str) -> None:
        if (when, method, path) == ("before", "POST", "/networks"):
            os.kill(os.getpid(), signal.SIGINT)

    plan = _plan(stack, NET, SUB)
    stack.hook = stop
    assert stack.engine(parallel=1).deploy(plan).errors
    assert len(stack.cloud.all("networks")) == 1
    assert stack.cloud.all("subnets") == []
    stack.hook = None
    assert ops(_carried_out(stack, plan)) == ["create sub"]


@pytest.mark.parametrize("first", [5, 10])
def test_a_planned_deployment_killed_at_any_moment_is_gone_on_with(
    tmp_path: Path, first: int
) -> None:
    """The same plan finishes it: of each object there is one, as planned."""
    before = (NET, SUB, GROUP, RULE)
    after = (
        NET.replace("mtu=1400", 'availability_zone_hints=["az1"], tags=["a"]'),
        SUB,
        GROUP.replace('"group", name="group"', '"group", name="group", description="x"'),
        VOLUME,
    )
    for moment in itertools.count(first, 10):
        (tmp_path / str(moment)).mkdir()
        stack = Stack(tmp_path / str(moment))
        stack.deploy(*before)
        plan = _plan(stack, *after)
        with stack.cloud.served() as url:
            killed = _killed(stack, url, moment, plan)
        if not killed:
            break
        assert stack.engine().deploy(plan).errors == []
        assert stack.cloud.only("networks")["tags"] == ["a"]
        assert stack.cloud.only("security-groups")["description"] == "x"
        there = {name: len(found) for name, found in stack.cloud.objects.items() if found}
        assert there == {"networks": 1, "subnets": 1, "security-groups": 1, "volumes": 1}
        assert not stack.deploy(*after).changed
    assert moment > 30


def _killed(stack: Stack, url: str, moment: int, plan: Plan) -> bool:
    """Deploy in a process of its own that is killed at a moment; whether it was."""
    child = os.fork()
    if child == 0:
        left = itertools.count(moment, -1)

        def count(*_: Any) -> None:
            if next(left) <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            engine = stack.engine(parallel=1)
            engine.make_cloud = lambda settings: MemoryConnection(settings, url=url, hook=count)
            engine.deploy(plan)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_run_that_turns_out_other_than_planned_stops(stack: Stack) -> None:
    """A program that declares by what only the deployment can tell cannot slip past the plan."""
    late = """
    net.id.apply(lambda _: osp.networking.Network("late", name="late", opts=here))
    """
    plan = _plan(stack, NET, late)
    (error,) = stack.engine().deploy(plan).errors
    assert "Network late was left alone" in error.what
    assert [one["name"] for one in stack.cloud.all("networks")] == ["net"]


def test_a_plan_that_fails_is_none(stack: Stack) -> None:
    """Where a program or the cloud fails, the error is told and there is nothing to approve."""
    result, plan = stack.write("x = 1 / 0\n").engine().plan()
    assert (len(result.errors), plan) == (1, None)
    stack.deploy(NET)
    stack.cloud.refuse["GET /networks"] = (500, "no")
    stack.cloud.refuse["GET /networks/*"] = (500, "no")
    result, plan = stack.write(NET).engine().plan()
    assert (len(result.errors), plan) == (1, None)


@pytest.mark.parametrize(
    ("planned", "found", "fit"),
    [
        (1, 1, True),
        (1, 2, False),
        (UNKNOWN_TEXT, {"a": 1}, True),
        ({"a": UNKNOWN_TEXT}, {"a": 1}, True),
        ({"a": UNKNOWN_TEXT}, {}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([UNKNOWN_TEXT, 2], [1, 2], True),
        ([1], [1, 2], False),
        (
            {SIGNATURE: SECRET, "ciphertext": UNKNOWN_TEXT},
            {SIGNATURE: SECRET, "ciphertext": "x"},
            True,
        ),
        ({SIGNATURE: SECRET, "ciphertext": "y"}, {SIGNATURE: SECRET, "ciphertext": "x"}, False),
        (1, None, False),
    ],
)
def test_only_what_was_unknown_may_become_something(planned: Any, found: Any, *, fit: bool) -> None:
    """A known value must be the same."""
    assert fits(planned, found) is fit
