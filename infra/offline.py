"""The program run without a cloud: every resource is noted and given an id that tells it."""

import asyncio
import contextvars
import logging
from typing import Any

from pulumi.runtime import mocks, rpc
from pulumi.runtime import settings as runtime
from pulumi.runtime.stack import run_in_stack

from infra import program
from infra.credentials import Credentials
from infra.graph import Graph, Resource
from infra.settings import Settings

NOBODY = {"auth_url": "http://cloud.invalid/v3", "username": "operator", "password": "-"}
PUBLIC_IPV4 = "198.51.100.9"


def run(settings: Settings) -> Graph:
    """
    Return all that the program declares for the site.

    An id is "TYPE/NAME", so that references can be read.  Raise what the program raises.
    """
    recorder = _Recorder(_Cloud())
    told = _Told()
    contextvars.copy_context().run(_run, settings, recorder, told)
    return Graph(recorder.found, recorder.outputs, told.warnings)


def _run(settings: Settings, recorder: "_Recorder", told: "_Told") -> None:
    operator = Credentials(settings.site.region, NOBODY, cacert_file=None, insecure=None)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    logger = logging.getLogger(__name__)
    logger.addHandler(told)
    logger.propagate = False
    try:
        runtime.configure(
            runtime.Settings(
                project="citydc",
                stack=settings.site.id,
                monitor=recorder,
                engine=mocks.MockEngine(logger),
                dry_run=False,
            )
        )
        loop.run_until_complete(run_in_stack(lambda: _declare(settings, operator)))
    finally:
        logger.removeHandler(told)
        asyncio.set_event_loop(None)
        loop.close()


async def _declare(settings: Settings, operator: Credentials) -> None:
    """Declare everything and wait for it at once: the SDK itself looks at all of it every time."""
    program.declare(settings, operator)
    while pending := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(pending)


class _Cloud(mocks.Mocks):
    """A cloud that grants everything."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        kind = args.typ.rpartition(":")[2]
        found = dict(args.inputs)
        if kind == "LoadBalancer":
            found["vipPortId"] = f"VipPort/{args.name}"
        if kind == "FloatingIp":
            found["address"] = PUBLIC_IPV4
        return f"{kind}/{args.name}", found

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        name = args.args.get("name", "")
        return {**args.args, "id": f"{name}-id", "userId": "operator-id"}, []


class _Recorder(mocks.MockMonitor):
    """Pulumi's own test monitor, which also notes what is declared and exported."""

    def __init__(self, cloud: mocks.Mocks) -> None:
        super().__init__(cloud)
        self.found: list[Resource] = []
        self.outputs: dict[str, Any] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the interface's name
        answer: Any = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # the SDK's
        inputs = rpc.deserialize_properties(request.object)
        self.found.append(
            Resource(
                urn=answer.urn,
                type=request.type,
                name=request.name,
                inputs=_plain(inputs),
                parent=request.parent,
                provider=request.provider.rpartition("::")[0],
                dependencies=tuple(request.dependencies),
                protect=request.protect,
                id=answer.id,
            )
        )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the interface's name
        if request.urn.split("::")[2] == "pulumi:pulumi:Stack":
            self.outputs = _plain(rpc.deserialize_properties(request.outputs))
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]  # the SDK's


def _plain(value: Any) -> Any:
    """Return the value with secrets uncovered and whole numbers as such, as JSON has them."""
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
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
