"""
Killed at any moment, the next run converges: no orphan, no duplicate.

Every tenth moment here; tests/lab kills at every operation of a real cloud.
"""

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path

import forks
import pytest
from engine_stack import GROUP, NET, PORT, RULE, SUB, VOLUME, Stack
from memory_cloud import MemoryConnection

from lab import files
from lab.engine import Engine, Result

TAGGED = NET.replace("mtu=1400", 'mtu=1400, tags=["a"]')
CITY = (TAGGED, SUB, GROUP, RULE, PORT, VOLUME)
STEP = 10
OBJECTS = {
    "networks": 1,
    "subnets": 1,
    "ports": 1,
    "security-groups": 1,
    "security-group-rules": 1,
    "volumes": 1,
}


def _counted(stack: Stack) -> dict[str, int]:
    return {name: len(found) for name, found in stack.cloud.objects.items() if found}


class Killer:
    """Kills its process at the n-th moment: before and after each request and each write."""

    def __init__(self, moment: int) -> None:
        self._left = moment

    def __call__(self, *_: object) -> None:
        """Count a moment."""
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _killed(stack: Stack, url: str, moment: int, verb: Callable[[Engine], Result]) -> bool:
    """Run a verb in a process of its own; whether it was killed before its end."""

    def run() -> Result:
        killer = Killer(moment)
        write = files.write

        def write_and_count(path: Path, text: str, *, beside: Path | None = None) -> None:
            killer()
            write(path, text, beside=beside)
            killer()

        files.write = write_and_count
        engine = stack.engine(parallel=1)
        engine.make_cloud = lambda settings: MemoryConnection(settings, url=url, hook=killer)
        return verb(engine)

    return forks.killed(run)


@pytest.mark.parametrize("first", [3, 8])
def test_a_deployment_killed_at_any_moment_is_finished_by_the_next(
    tmp_path: Path, first: int
) -> None:
    """Of each object there is one in the cloud, and it is the one in the state."""
    for moment in itertools.count(first, STEP):
        (tmp_path / str(moment)).mkdir()
        stack = Stack(tmp_path / str(moment)).write(*CITY)
        with stack.cloud.served() as url:
            killed = _killed(stack, url, moment, Engine.deploy)
        stack.deploy(*CITY)
        assert _counted(stack) == OBJECTS
        assert stack.cloud.only("networks")["tags"] == ["a"]
        assert stack.cloud.only("ports")["tags"] == ["a", "b"]
        assert not stack.engine().drift().changed
        assert not stack.deploy(*CITY).changed
        if not killed:
            break
    assert moment > 50


@pytest.mark.parametrize("first", [3, 8])
def test_a_destruction_killed_at_any_moment_is_finished_by_the_next(
    tmp_path: Path, first: int
) -> None:
    """Nothing is left, in the cloud or in the state."""
    for moment in itertools.count(first, STEP):
        (tmp_path / str(moment)).mkdir()
        stack = Stack(tmp_path / str(moment)).write(*CITY)
        stack.deploy(*CITY)
        with stack.cloud.served() as url:
            killed = _killed(stack, url, moment, Engine.destroy)
        assert stack.engine().destroy().errors == []
        assert not any(stack.cloud.objects.values())
        assert stack.engine().export_state()["deployment"]["resources"] == []
        if not killed:
            break
    assert moment > 20


@pytest.mark.parametrize("first", [3, 8])
def test_an_abandoned_deployment_leaves_nothing_behind(tmp_path: Path, first: int) -> None:
    """Killed while creating and then destroyed, even what was never noted is found."""
    for moment in itertools.count(first, STEP):
        (tmp_path / str(moment)).mkdir()
        stack = Stack(tmp_path / str(moment)).write(*CITY)
        with stack.cloud.served() as url:
            killed = _killed(stack, url, moment, Engine.deploy)
        assert stack.engine().destroy().errors == []
        assert not any(stack.cloud.objects.values())
        if not killed:
            break
    assert moment > 50


@pytest.mark.parametrize("first", [3, 8])
def test_a_replacement_killed_at_any_moment_is_finished_by_the_next(
    tmp_path: Path, first: int
) -> None:
    """The network and what cannot outlive it are there once, as the program now says."""
    moved = (TAGGED.replace("mtu=1400", 'availability_zone_hints=["az1"]'), *CITY[1:])
    for moment in itertools.count(first, STEP):
        (tmp_path / str(moment)).mkdir()
        stack = Stack(tmp_path / str(moment))
        stack.deploy(*CITY)
        stack.write(*moved)
        with stack.cloud.served() as url:
            killed = _killed(stack, url, moment, Engine.deploy)
        stack.deploy(*moved)
        assert _counted(stack) == OBJECTS
        assert stack.cloud.only("networks")["availability_zone_hints"] == ["az1"]
        assert not stack.deploy(*moved).changed
        if not killed:
            break
    assert moment > 30
