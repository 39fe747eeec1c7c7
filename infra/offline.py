"""The program run without a cloud: every resource is noted and given an id that tells it."""

import asyncio
import contextlib
import contextvars
import gc
import logging
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]  # it has no types
    empty_pb2,
    json_format,
    struct_pb2,
)
from pulumi.runtime import mocks, resource
from pulumi.runtime import settings as runtime
from pulumi.runtime.proto import resource_pb2, source_pb2
from pulumi.runtime.stack import run_in_stack

from infra import program
from infra.credentials import Credentials
from infra.graph import Graph, Resource
from infra.settings import Settings

NOBODY = {"auth_url": "https://cloud.invalid/v3", "username": "operator", "password": "-"}
PUBLIC_IPV4 = "198.51.100.9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Marks a secret on the wire."""


def run(settings: Settings) -> Graph:
    """
    Return all that the program declares for the site.

    An id is "TYPE/NAME", so that references can be read.  Raise what the program raises.
    """
    operator = Credentials(settings.site.region, NOBODY, cacert_file=None, insecure=None)
    return record(lambda: program.declare(settings, operator), stack=settings.site.id)


def record(declare: Callable[[], None], stack: str = "main") -> Graph:
    """Return all that `declare` declares.  Raise what it raises."""
    recorder, told = _Recorder(stack), _Told()
    contextvars.copy_context().run(_run, declare, recorder, told)
    return Graph(recorder.found, recorder.outputs, told.warnings)


def _run(declare: Callable[[], None], recorder: "_Recorder", told: "_Told") -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    logger = logging.getLogger(__name__)
    logger.addHandler(told)
    logger.propagate = False
    try:
        runtime.configure(
            runtime.Settings(
                project="citydc",
                stack=recorder.stack,
                monitor=recorder,
                engine=mocks.MockEngine(logger),
                dry_run=False,
            )
        )
        with _quickly():
            loop.run_until_complete(run_in_stack(lambda: _all_of(declare)))
    finally:
        logger.removeHandler(told)
        asyncio.set_event_loop(None)
        loop.close()


@contextlib.contextmanager
def _quickly() -> Iterator[None]:
    """Spare what costs half of the time: where in the code things stand, and garbage."""
    positions, thresholds = resource._get_stack_trace, gc.get_threshold()  # noqa: SLF001 - no public switch
    resource._get_stack_trace = source_pb2.StackTrace  # noqa: SLF001 - no public switch
    gc.set_threshold(200_000, *thresholds[1:])
    try:
        yield
    finally:
        resource._get_stack_trace = positions  # noqa: SLF001 - no public switch
        gc.set_threshold(*thresholds)


async def _all_of(declare: Callable[[], None]) -> None:
    """Declare everything and wait for it at once: the SDK itself looks at all of it every time."""
    declare()
    while pending := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(pending)


class _Recorder:
    """
    Pulumi's resource monitor, as far as a program without a cloud needs it.

    It notes what is declared and exported, and grants everything.
    """

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.found: list[Resource] = []
        self.outputs: dict[str, Any] = {}

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: ARG002, N802 - the interface's
        return resource_pb2.DeploymentInfo(
            supportedFeatures=[
                resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
                resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
            ]
        )

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the interface's
        above = f"{request.parent.split('::')[2]}$" if request.parent else ""
        above = above.removeprefix("pulumi:pulumi:Stack$")
        urn = f"urn:pulumi:{self.stack}::citydc::{above}{request.type}::{request.name}"
        kind = request.type.rpartition(":")[2]
        id_ = f"{kind}/{request.name}" if request.custom else ""
        outputs = struct_pb2.Struct()
        outputs.CopyFrom(request.object)
        if kind == "LoadBalancer":
            outputs["vipPortId"] = f"VipPort/{request.name}"
        if kind == "FloatingIp":
            outputs["address"] = PUBLIC_IPV4
        given = json_format.MessageToDict(request.object)
        self.found.append(
            Resource(
                urn=urn,
                type=request.type,
                name=request.name,
                inputs=_plain(given),
                parent=request.parent,
                provider=request.provider.rpartition("::")[0],
                dependencies=tuple(request.dependencies),
                protect=request.protect,
                id=id_,
                property_dependencies={
                    name: tuple(found.urns)
                    for name, found in sorted(request.propertyDependencies.items())
                },
                secrets=frozenset(name for name, value in given.items() if _is_secret(value)),
            )
        )
        return resource_pb2.RegisterResourceResponse(urn=urn, id=id_, object=outputs)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the interface's
        if request.urn.split("::")[2] == "pulumi:pulumi:Stack":
            self.outputs = _plain(json_format.MessageToDict(request.outputs))
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:  # noqa: N802 - the interface's
        found = struct_pb2.Struct()
        found.CopyFrom(request.args)
        found["id"] = f"{request.args['name']}-id"
        found["userId"] = "operator-id"
        return resource_pb2.ResourceInvokeResponse(**{"return": found})

    def SignalAndWaitForShutdown(self, request: Any) -> Any:  # noqa: ARG002, N802 - the interface's
        return empty_pb2.Empty()


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and SIGNATURE in value


def _plain(value: Any) -> Any:
    """Return the value with secrets uncovered and whole numbers as such, as JSON has them."""
    if isinstance(value, dict):
        if SIGNATURE in value:
            return _plain(value["value"])
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Told(logging.Handler):
    """What the program warns of."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            self.warnings.append(record.getMessage())
