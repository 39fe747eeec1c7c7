"""The contract with Pulumi's SDK: what is private in it is still what the engine takes it for."""

import hashlib
import inspect
import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from engine_stack import NET, Stack
from pulumi.output import _OutputData
from pulumi.runtime import _context, config, resource, rpc, rpc_manager, settings, stack
from pulumi.runtime.proto import resource_pb2

from lab.engine import sdk

DIGESTS: list[tuple[Callable[..., Any], str]] = [
    (stack.wait_for_rpcs, "c0f9027f85ad0925"),
    (stack.run_pulumi_func, "17b787ffe00d4e2c"),
    (stack.run_in_stack, "bd7905f6c0be2a27"),
    (rpc.transfer_properties, "0e7c02ffa04ff20b"),
    (rpc_manager.RPCManager.do_rpc, "d4342080ab44653a"),
    (resource.register_resource, "633fd2207a3851a3"),
    (resource._get_stack_trace, "3943b22730169251"),
    (sys.modules["pulumi.runtime.invoke"]._invoke, "37eac9c63b98bb8e"),
    (_context.wrap_with_context, "20769e8a4bf13126"),
    (pulumi.Output._from_data, "cd70e3b38ee181f6"),
    (_OutputData, "71b7d20a16cca366"),
    (settings.configure, "9296e5380b962c03"),
    (config.set_all_config, "8f1767bf1d394e61"),
]


@pytest.mark.parametrize(("part", "digest"), DIGESTS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_private_part_of_the_sdk_has_not_changed(part: Callable[..., Any], digest: str) -> None:
    """When it has, read it again, mend lab/engine/sdk.py, then note its new digest here."""
    linecache.clearcache()
    source = inspect.getsource(part)
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == digest


def test_requests_have_the_fields_that_the_engine_reads() -> None:
    """A renamed field would else be read as empty."""
    fields = {one.name for one in resource_pb2.RegisterResourceRequest.DESCRIPTOR.fields}
    assert fields >= {
        "type",
        "name",
        "parent",
        "custom",
        "object",
        "protect",
        "dependencies",
        "provider",
        "propertyDependencies",
        "version",
        "deleteBeforeReplace",
        "deleteBeforeReplaceDefined",
        "ignoreChanges",
        "additionalSecretOutputs",
        "aliasURNs",
        "aliases",
        "importId",
        "replaceOnChanges",
        "retainOnDelete",
        "deletedWith",
    }


def test_the_sdk_is_as_it_was_after_a_run(stack: Stack) -> None:
    """What is replaced while a program runs is put back."""
    before = (rpc.transfer_properties, resource._get_stack_trace)
    stack.preview(NET)
    assert (rpc.transfer_properties, resource._get_stack_trace) == before
    assert before[0] is not sdk.transfer_properties


def test_a_program_imports_its_own_modules_anew_each_time(stack: Stack) -> None:
    """Resources that a module declares are declared in each run."""
    (stack.folder / "declares.py").write_text(
        "import pulumi_openstack as osp\n"
        'def net(opts): return osp.networking.Network("net", name="net", opts=opts)\n'
        'vol = osp.blockstorage.Volume("vol", name="vol", size=1)\n'
    )
    program = "import declares\ndeclares.net(here)\n"
    assert stack.deploy(program).changes["create"] == 5
    assert stack.deploy(program).changes["same"] == 5


def test_a_program_runs_in_its_own_folder(stack: Stack) -> None:
    """Relative paths mean the program's folder, as with the official CLI."""
    (stack.folder / "word.txt").write_text("xyzzy")
    here = Path.cwd()
    result = stack.deploy(
        'import pathlib\npulumi.export("word", pathlib.Path("word.txt").read_text())\n'
    )
    assert result.outputs == {"word": "xyzzy"}
    assert Path.cwd() == here
