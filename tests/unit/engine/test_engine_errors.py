"""What a user is told when something goes wrong: once, clearly, with nothing lost."""

import os
import signal
from collections.abc import Callable

import pytest
from engine_stack import HEAD, NET, SUB, VOLUME, Stack, ops

from catalogue.errors import BadInputError, CityDCError
from lab.engine import StoppedError
from lab.engine.cloud import Cloud

MANY = "".join(NET.replace('"net"', f'"net{index}"') for index in range(30))


def _failing(stack: Stack, *parts: str) -> list[CityDCError]:
    return list(stack.write(*parts).engine().deploy().errors)


@pytest.mark.parametrize(
    ("status", "message", "code", "says"),
    [
        (401, "The request you have made requires authentication.", 2, "refuses the credentials"),
        (409, "Quota exceeded for resources: ['network'].", 3, "quota"),
        (500, "No valid host was found.", 3, "capacity"),
    ],
    ids=["credentials", "quota", "no valid host"],
)
def test_what_is_wrong_with_the_cloud_is_one_error(
    stack: Stack, status: int, message: str, code: int, says: str
) -> None:
    """However many resources meet it at once, and with OpenStack's words and request id."""
    stack.cloud.refuse["POST /networks"] = (status, message)
    (error,) = _failing(stack, MANY)
    assert error.exit_code == code
    assert message in error.why
    assert "req-1" in error.why
    assert says in str(error)
    assert error.remedy
    assert error.place.startswith("urn:pulumi:dev::t::openstack:networking/network:Network::net")


def test_an_unreachable_endpoint_is_one_error(stack: Stack) -> None:
    """A connection that nobody answers is said once, and does not look like a program's fault."""
    stack.write(MANY, VOLUME).program.write_text(
        (HEAD + MANY + VOLUME).replace("http://x", "http://127.0.0.1:9/v3")
    )
    engine = stack.engine()
    engine.make_cloud = Cloud
    (error,) = engine.deploy().errors
    assert error.exit_code == 3
    assert "127.0.0.1:9" in error.why
    assert stack.engine().export_state()["deployment"]["resources"]


def test_an_error_names_the_resource_and_skips_what_needs_it(stack: Stack) -> None:
    """Dependents are counted as skipped; the next deployment goes on."""
    stack.cloud.refuse["POST /networks"] = (400, "Invalid input for mtu")
    result = stack.write(NET, SUB).engine().deploy()
    (error,) = result.errors
    assert "Network net could not be created" in error.what
    assert "the program's" in error.why
    assert result.skipped == 1
    assert result.changes["create"] == 2  # the stack and its provider
    stack.cloud.refuse.clear()
    assert ops(stack.deploy(NET, SUB)) == ["create net", "create sub"]


def test_a_failed_delete_keeps_the_resource_and_what_it_needs(stack: Stack) -> None:
    """They stay in the state, and the next run deletes them."""
    stack.deploy(NET, SUB)
    stack.cloud.refuse["DELETE /subnets/*"] = (500, "database is locked")
    result = stack.write("").engine().deploy()
    assert [one.what for one in result.errors] == [
        "openstack:networking/subnet:Subnet sub could not be deleted"
    ]
    assert result.skipped == 1
    stack.cloud.refuse.clear()
    assert ops(stack.deploy("")) == ["delete net", "delete sub"]


def test_a_creation_that_may_have_succeeded_is_looked_for(stack: Stack) -> None:
    """When the answer got lost, the next run takes over what was made."""

    def lose(when: str, method: str, path: str) -> None:
        if (when, method, path) == ("after", "POST", "/networks"):
            raise ConnectionResetError("reset by peer")

    stack.hook = lose
    assert len(_failing(stack, NET, SUB)) == 1
    stack.hook = None
    stack.deploy(NET, SUB)
    assert len(stack.cloud.all("networks")) == 1
    assert any("taking over" in one for one in stack.heard.logs)


def test_a_failed_second_step_of_a_creation_leaves_no_orphan(stack: Stack) -> None:
    """When the tags cannot be set, the network is known to the next run."""
    tagged = NET.replace("mtu=1400", 'mtu=1400, tags=["a"]')
    stack.cloud.refuse["PUT /networks/*"] = (409, "try again")
    assert len(_failing(stack, tagged)) == 1
    stack.cloud.refuse.clear()
    stack.deploy(tagged)
    assert stack.cloud.only("networks")["tags"] == ["a"]


def test_an_object_that_fails_to_settle_is_replaced(stack: Stack) -> None:
    """A volume in state error is deleted and made anew by the next deployment."""

    def spoil(when: str, method: str, path: str) -> None:
        if (when, method, path) == ("after", "POST", "/volumes"):
            stack.cloud.only("volumes")["status"] = "error"

    stack.hook = spoil
    (error,) = _failing(stack, VOLUME)
    assert "Volume vol" in error.what
    stack.hook = None
    assert ops(stack.deploy(VOLUME)) == ["replace vol"]
    assert stack.cloud.only("volumes")["status"] == "available"


@pytest.mark.parametrize(
    ("program", "line", "says"),
    [
        ("x = 1 / 0\n", "__main__.py:9", "ZeroDivisionError"),
        ("def broken(:\n", "__main__.py:9", "SyntaxError"),
        ("import nothing_of_the_kind\n", "__main__.py:9", "nothing_of_the_kind"),
        ("net.id.apply(lambda _: {}['x'])\n", "__main__.py:9", "KeyError"),
        ("raise SystemExit(4)\n", "__main__.py:9", "SystemExit"),
    ],
)
def test_a_program_that_raises_is_one_error_with_its_place(
    stack: Stack, program: str, line: str, says: str
) -> None:
    """File and line of the user's program, and nothing was changed."""
    stack.deploy(NET)
    stack.cloud.log.clear()
    (error,) = _failing(stack, NET.replace("1400", "1500"), program)
    assert isinstance(error, BadInputError)
    assert line in error.place
    assert says in str(error)
    assert stack.cloud.log == []


def test_unknown_types_are_all_named_before_anything_is_changed(stack: Stack) -> None:
    """A type that the engine does not know stops a deployment at once."""
    unknown = """
    for index in range(2):
        osp.sharedfilesystem.Share(f"share{index}", share_proto="NFS", size=1, opts=here)
    """
    errors = _failing(stack, NET, unknown)
    assert len(errors) == 2
    assert all("sharedfilesystem" in one.what and one.exit_code == 2 for one in errors)
    assert stack.cloud.log == []
    assert len(stack.write(NET, unknown).engine().preview().errors) == 2


def test_properties_that_the_engine_cannot_do_are_refused(stack: Stack) -> None:
    """They are named before anything is changed."""
    odd = VOLUME.replace("size=1", 'size=1, source_replica="x"')
    (error,) = _failing(stack, NET, odd)
    assert "sourceReplica" in error.why
    assert error.exit_code == 2
    assert stack.cloud.log == []


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Pulumi.yaml", "config: 5"),
        ("Pulumi.yaml", "config: {"),
        ("Pulumi.dev.yaml", "config: [a]"),
        ("Pulumi.dev.yaml", "encryptionsalt: {}"),
    ],
)
def test_project_files_of_another_shape_are_refused(stack: Stack, name: str, more: str) -> None:
    """One error, with the file."""
    file = stack.write(NET).folder / name
    file.write_text(f"name: t\nruntime: python\n{more}\n")
    with pytest.raises(BadInputError) as raised:
        stack.engine()
    assert raised.value.place == str(file)


def test_keys_that_are_numbers_are_taken_for_names(stack: Stack) -> None:
    """YAML reads 5 as a number; configuration has names only."""
    (stack.folder / "Pulumi.dev.yaml").write_text("config: {5: x}\n")
    assert stack.deploy('pulumi.export("five", pulumi.Config().get("5"))\n').outputs == {
        "five": "x"
    }


def test_a_program_that_is_not_there_is_an_error(stack: Stack) -> None:
    """Without a program there is nothing to run."""
    with pytest.raises(BadInputError, match="no program"):
        stack.engine()


def test_a_stack_that_is_referred_to_must_exist(stack: Stack) -> None:
    """A reference to a stack without a state names it."""
    errors = _failing(stack, 'pulumi.StackReference("organization/t/nowhere")\n')
    assert "nowhere" in str(errors[0])


def _stop_at(line: str) -> Callable[[str, str, str], None]:
    def hook(when: str, method: str, path: str) -> None:
        if (when, f"{method} {path}") == ("before", line):
            os.kill(os.getpid(), signal.SIGINT)

    return hook


def test_the_first_interrupt_finishes_what_is_in_flight(stack: Stack) -> None:
    """The operation is noted, no other starts, and the next run goes on from there."""
    stack.hook = _stop_at("POST /networks")
    result = stack.write(NET, SUB).engine(parallel=1).deploy()
    assert [one.exit_code for one in result.errors if isinstance(one, StoppedError)] == [130]
    assert len(stack.cloud.all("networks")) == 1
    assert stack.cloud.all("subnets") == []
    stack.hook = None
    assert ops(stack.deploy(NET, SUB)) == ["create sub"]


def test_an_interrupted_destroy_goes_on_later(stack: Stack) -> None:
    """What was deleted is noted; the rest is deleted by the next destroy."""
    stack.deploy(NET, SUB)
    stack.hook = _stop_at(f"DELETE /subnets/{stack.cloud.only('subnets')['id']}")
    result = stack.engine(parallel=1).destroy()
    assert [one.exit_code for one in result.errors if isinstance(one, StoppedError)] == [130]
    assert stack.cloud.all("subnets") == []
    assert len(stack.cloud.all("networks")) == 1
    stack.hook = None
    assert stack.engine().destroy().errors == []
    assert stack.cloud.all("networks") == []
