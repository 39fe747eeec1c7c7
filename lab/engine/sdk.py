"""
Running a Pulumi program in this process: all that this project takes from inside Pulumi's SDK.

What is private in the SDK, and used here:

- `pulumi.runtime.settings`: `Settings(monitor=OBJECT, engine=OBJECT)`, `configure`, `SETTINGS`
- `pulumi.runtime.config.set_all_config`, `pulumi.runtime.stack.run_in_stack`
- `asyncio` calls of the SDK: monitor calls go through `loop.run_in_executor(None, wrapper)`, where
  `wrapper` comes from `pulumi.runtime._context.wrap_with_context`
- replaced while a program runs, because their cost grows faster than the program does:
  `pulumi.runtime.stack.wait_for_rpcs`, `pulumi.runtime.rpc.transfer_properties`,
  `pulumi.runtime.resource._get_stack_trace` (the positions of declarations, which are not used)
"""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import gc
import json
import logging
import os
import runpy
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pulumi import Output
from pulumi.output import _OutputData
from pulumi.runtime import _context, config, resource, rpc, rpc_manager, settings, stack
from pulumi.runtime.proto import source_pb2

ORGANIZATION = "organization"  # the only one that a file backend has
_GARBAGE_THRESHOLD = 200_000  # allocations between collections: a program's objects mostly stay


class Monitor(Protocol):
    """
    What answers a program's declarations.

    Each call returns its answer, or a concurrent Future of it when it takes work; it is called on
    the thread that runs the program.
    """

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say which features there are."""

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        """Declare a resource."""

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        """Give a component's or the stack's outputs."""

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        """Look up a resource that is managed elsewhere."""

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        """Call a provider's function."""

    def SignalAndWaitForShutdown(self, request: Any) -> Any:  # noqa: N802
        """Hear that the program has ended."""


@dataclass(frozen=True)
class Program:
    """A program and what it is told: `main` is a folder with a __main__.py, or a Python file."""

    main: Path
    root: Path
    project: str
    stack: str
    config: Mapping[str, str]
    secret_keys: tuple[str, ...]
    preview: bool
    parallel: int


class _Engine:
    """The SDK's view of an engine: the program's log."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log

    def Log(self, request: Any) -> None:  # noqa: N802 - the protocol's name
        if request.severity:  # 0 is debug
            self._log(request.message.rstrip())

    def RequirePulumiVersion(self, request: Any) -> None:  # noqa: N802
        """Take any version: the SDK is pinned."""


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that asks the monitor on its own thread: most answers take no time."""

    def run_in_executor(  # type: ignore[override]  # the SDK's calls are told by their function
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        if getattr(func, "__module__", "") != _context.__name__:
            return super().run_in_executor(executor, func, *args)
        answer = self.create_future()
        try:
            found = func(*args)
        except Exception as error:  # noqa: BLE001 - the caller's, and given to it
            answer.set_exception(error)
            return answer
        if isinstance(found, concurrent.futures.Future):
            return asyncio.wrap_future(found, loop=self)
        if isinstance(found, tuple) and isinstance(found[0], concurrent.futures.Future):
            return self.create_task(_first_of(found))
        answer.set_result(found)
        return answer


async def _first_of(pair: tuple[Any, ...]) -> tuple[Any, ...]:
    return (await asyncio.wrap_future(pair[0]), *pair[1:])


def run(program: Program, monitor: Monitor, log: Callable[[str], None]) -> None:
    """Run a program to its end against a monitor.  What it raises comes out as it is."""
    contextvars.copy_context().run(_run, program, monitor, log)


def _run(program: Program, monitor: Monitor, log: Callable[[str], None]) -> None:
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # errors come out once, from here
    with _replacing_slow_parts(), _own_modules(program.main), _own_place(program.main):
        loop = _Loop()
        asyncio.set_event_loop(loop)
        settings.configure(
            settings.Settings(
                project=program.project,
                stack=program.stack,
                monitor=monitor,
                engine=_Engine(log),
                parallel=program.parallel,
                dry_run=program.preview,
                organization=ORGANIZATION,
                root_directory=str(program.root),
            )
        )
        settings.ROOT.set(None)
        config.set_all_config(dict(program.config), list(program.secret_keys))
        try:
            loop.run_until_complete(stack.run_in_stack(functools.partial(_main, program.main)))
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            asyncio.set_event_loop(None)


def _main(main: Path) -> None:
    runpy.run_path(str(main), run_name="__main__")


@contextlib.contextmanager
def _own_place(main: Path) -> Iterator[None]:
    """Have the program's folder as the working folder, as the official CLI has it."""
    folder = main if main.is_dir() else main.parent
    where, path = Path.cwd(), list(sys.path)
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(where)
        sys.path[:] = path


@contextlib.contextmanager
def _own_modules(main: Path) -> Iterator[None]:
    """Let the program import its own modules anew, so that it can run again."""
    folder = main if main.is_dir() else main.parent
    kept = {name: sys.modules.pop(name) for name in _modules_in(folder)}
    try:
        yield
    finally:
        for name in _modules_in(folder):
            del sys.modules[name]
        sys.modules.update(kept)


def _modules_in(folder: Path) -> list[str]:
    inside, installed = f"{folder}{os.sep}", f"{os.sep}site-packages{os.sep}"
    return [
        name
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None) or "").startswith(inside)
        and installed not in file
        and name != "__main__"
    ]


@contextlib.contextmanager
def _replacing_slow_parts() -> Iterator[None]:
    replaced: list[tuple[Any, str, Any]] = [
        (stack, "wait_for_rpcs", wait_for_rpcs),
        (rpc, "transfer_properties", transfer_properties),
        (resource, "_get_stack_trace", source_pb2.StackTrace),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    thresholds = gc.get_threshold()
    for module, name, ours in replaced:
        setattr(module, name, ours)
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD, *thresholds[1:])
    try:
        yield
    finally:
        for module, name, theirs in before:
            setattr(module, name, theirs)
        gc.set_threshold(*thresholds)
        gc.unfreeze()


async def wait_for_rpcs(await_all_outstanding_tasks: bool = True) -> None:  # noqa: FBT001, FBT002
    """Wait until the program has nothing more to do: each task once, not all of them each time."""
    manager = settings._get_rpc_manager()  # noqa: SLF001 - what this function stands for
    while True:
        while manager.rpcs:
            await asyncio.sleep(0)  # lets what was just declared start
            calls, manager.rpcs = manager.rpcs, []
            for call in calls:
                await _call(call, manager)
        if manager.unhandled_exception is not None:
            raise manager.unhandled_exception.with_traceback(manager.exception_traceback)
        outputs = settings.SETTINGS.outputs
        while await_all_outstanding_tasks and outputs:
            with settings.SETTINGS.lock:
                waiting = list(outputs)
                outputs.clear()
            for output in waiting:
                await output
        if not manager.rpcs:
            return


async def _call(call: Awaitable[Any], manager: rpc_manager.RPCManager) -> None:
    try:
        await call
    except Exception as error:
        if manager.unhandled_exception is not None:
            cause = manager.unhandled_exception.with_traceback(manager.exception_traceback)
            raise error from cause
        raise


def transfer_properties(res: Any, props: Mapping[str, Any], custom: bool) -> dict[str, Any]:  # noqa: FBT001
    """Make a resource's properties outputs that are told later: one future for each, not five."""
    loop = asyncio.get_event_loop()
    resolvers: dict[str, Any] = {}
    for name in props:
        if name == "urn" or (name == "id" and custom):
            continue
        data: asyncio.Future[Any] = loop.create_future()
        resolvers[name] = functools.partial(_tell, res, data)
        res.__dict__[name] = Output._from_data(data)  # noqa: SLF001
    return resolvers


def _tell(  # noqa: PLR0913, PLR0917 - the SDK calls it
    res: Any,
    data: "asyncio.Future[Any]",
    value: Any,
    is_known: bool,  # noqa: FBT001
    is_secret: bool,  # noqa: FBT001
    deps: "set[Any] | None",
    failed: Exception | None,
) -> None:
    if failed is not None:
        data.set_exception(failed)
        return
    data.set_result(
        _OutputData(
            resources={res, *(deps or ())}, value=value, is_known=is_known, is_secret=is_secret
        )
    )


def config_text(value: Any) -> str:
    """Return a configuration value as the SDK takes it."""
    if isinstance(value, str):
        return value
    return json.dumps(value)
