"""
The resource monitor: what a running program's declarations do to the cloud.

The SDK declares a resource by calling RegisterResource once everything that the resource needs is
there; so the program's own data flow is the schedule, and this module only decides on each
resource's step.  Deciding happens on the program's thread and takes no time; operations run in a
pool, and their answers are futures.
"""

import functools
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from google.protobuf import empty_pb2  # type: ignore[import-untyped]  # it has no types
from pulumi.runtime.proto import provider_pb2, resource_pb2

from catalogue.errors import BadInputError
from lab.engine import naming, values
from lab.engine.cloud import ApiError
from lab.engine.comparing import DEFAULTS, as_live, changes, checked, cleaned, hidden
from lab.engine.deletion import Deletion, delete, refuse
from lab.engine.failures import SkippedError, label, of_resource, protected, unknown_type
from lab.engine.kinds import INVOKES, KINDS
from lab.engine.kinds.base import Kind
from lab.engine.project import Project
from lab.engine.resource import PROVIDERS, STACK, Resource, now
from lab.engine.result import Op
from lab.engine.state import CREATING, UPDATING
from lab.engine.values import UNKNOWN_TEXT, Difference, Values, reveal
from lab.engine.work import Work

FEATURES = [
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
]
STACK_REFERENCE = "pulumi:pulumi:StackReference"

Answer = Any  # an answer of the protocol, or a Future of it


class Deployment:
    """
    Answers one run of a program (lab.engine.sdk.Monitor).

    `outputs_of` returns the outputs of a stack by its name.  After the run, finish() deletes what
    the program no longer declares.
    """

    def __init__(
        self,
        work: Work,
        project: Project,
        stack: str,
        config: Values,
        outputs_of: Callable[[str], Values],
    ) -> None:
        self._work, self._project, self._stack = work, project, stack
        self._config, self._outputs_of = config, outputs_of
        self._pool = ThreadPoolExecutor(work.parallel)
        self._olds: dict[str, Resource] = {}
        self._dependents: dict[str, list[Resource]] = defaultdict(list)
        for one in work.state.old.values():
            if not one.delete:
                self._olds[one.urn] = one
                for urn in one.needs:
                    self._dependents[urn].append(one)
        self._former: dict[str, list[str]] = {}
        self._now: dict[str, str] = {}  # former URN -> present one
        self._replaced: set[str] = set()
        self._waiting: list[Resource] = []  # for deletions; the state has what was eased of them
        self.seen: dict[str, Resource | None] = {}  # as this run leaves it (None: in progress)
        self.outputs: Values = {}
        self.invoke_failed = False

    def close(self) -> None:
        """Wait for operations in flight."""
        self._pool.shutdown(wait=True)

    # -- the resource monitor's calls

    def GetDeploymentInfo(self, request: Any) -> Answer:  # noqa: N802 - the protocol's name
        """Say which features there are."""
        del request
        return resource_pb2.DeploymentInfo(supportedFeatures=FEATURES)

    def SignalAndWaitForShutdown(self, request: Any) -> Answer:  # noqa: N802
        """Let the program end."""
        del request
        return empty_pb2.Empty()

    def RegisterResource(self, request: Any) -> Answer:  # noqa: N802
        """Make the declared resource be."""
        urn = self._urn(request.parent, request.type, request.name)
        try:
            self._enter(urn)
            step = self._register(urn, request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
            return self._refuse("create", urn, error)
        return step if isinstance(step, Future) else _answer(step)

    def _enter(self, urn: str) -> None:
        if urn in self.seen:
            raise BadInputError(
                f"the program declares {label(urn)} twice",
                remedy="give the resources different names",
                place=urn,
            )
        self.seen[urn] = None

    def RegisterResourceOutputs(self, request: Any) -> Answer:  # noqa: N802
        """Note a component's or the stack's outputs."""
        outputs = values.from_wire(request.outputs)
        resource = self.seen.get(request.urn)
        if resource is None:
            return empty_pb2.Empty()
        if self._work.failed and values.has_unknown(outputs):
            known = {name: one for name, one in outputs.items() if not values.has_unknown(one)}
            outputs = resource.outputs | known
        if resource.type == STACK:
            self.outputs = outputs
        self.seen[request.urn] = self._work.state.swap(resource, resource.but(outputs=outputs))
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Answer:  # noqa: N802
        """Look up an object that this stack does not manage."""
        urn = self._urn(request.parent, request.type, request.name)
        inputs = values.from_wire(request.properties)
        goal = Resource(
            urn,
            request.type,
            custom=True,
            id=request.id,
            inputs=inputs,
            parent=request.parent,
            provider=request.provider or "",
            dependencies=list(request.dependencies),
            external=True,
            created=now(),
            modified=now(),
        )
        self.seen[urn] = None
        if request.id == UNKNOWN_TEXT:
            return _read_answer(self._settle(goal.but(id="", outputs={}), self._olds.get(urn)))
        if not goal.provider and request.type != STACK_REFERENCE:
            goal = goal.but(provider=self._default_provider(request.type, request.version))

        def work() -> Any:
            try:
                outputs = self._looked_up(goal)
            except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
                self._work.fail("read", urn, error)
                return resource_pb2.ReadResourceResponse(urn=urn, result=resource_pb2.Result.FAIL)
            return _read_answer(self._settle(goal.but(outputs=outputs), self._olds.get(urn)))

        return self._pool.submit(work)

    def _looked_up(self, goal: Resource) -> Values:
        if goal.type == STACK_REFERENCE:
            name = goal.inputs["name"]
            outputs = self._outputs_of(name)
            secret = [key for key, value in outputs.items() if values.has_secret(value)]
            return {"name": name, "outputs": outputs, "secretOutputNames": secret}
        if goal.type not in KINDS:
            raise unknown_type(goal.type, goal.urn)
        found = KINDS[goal.type].read(self._work.cloud(goal), goal.id, reveal(goal.inputs))
        if found is None:
            raise BadInputError(f"the cloud has no {label(goal.urn)} with id {goal.id}")
        return found

    def Invoke(self, request: Any) -> Answer:  # noqa: N802
        """Call a data source."""
        args = values.from_wire(request.args)

        def work() -> Any:
            found = INVOKES[request.tok](cloud, reveal(args))
            return resource_pb2.ResourceInvokeResponse(**{"return": values.to_wire(found)})

        if request.tok not in INVOKES:
            return self._invoke_refused(request.tok, unknown_type(request.tok, request.tok))
        try:
            provider = request.provider or self._default_provider(request.tok, request.version)
            cloud = self._work.clouds.get(provider.rpartition("::")[0])
            if cloud is None or values.has_unknown(args):
                return resource_pb2.ResourceInvokeResponse(unknown=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
            return self._invoke_refused(request.tok, error)

        def guarded() -> Any:
            try:
                return work()
            except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
                return self._invoke_refused(request.tok, error)

        return self._pool.submit(guarded)

    def _invoke_refused(self, token: str, error: Exception) -> Any:
        group, shown = of_resource("read", f"::{token}::", error)
        if isinstance(error, LookupError):
            group, shown = token, BadInputError(f"{token} failed", why=str(error.args[0]))
        self._work.recorder.error(shown, group)
        self.invoke_failed = True
        failure = provider_pb2.CheckFailure(reason=str(error), property="")
        return resource_pb2.ResourceInvokeResponse(failures=[failure])

    # -- names

    def _urn(self, parent: str, token: str, name: str) -> str:
        return naming.make_urn(self._stack, self._project.name, parent, token, name)

    def _old(self, urn: str, request: Any) -> Resource | None:
        """Return the resource's earlier state, under its present name or a former one."""
        former = naming.former_urns(
            request,
            urn,
            stack=self._stack,
            project=self._project.name,
            parent=request.parent,
            former_parents=self._former,
        )
        if former:
            self._former[urn] = former
        for name in (urn, *former):
            if name in self._olds:
                if name != urn:
                    self._now[name] = urn
                    self._work.state.rename(name, urn)
                return self._olds.pop(name) if name != urn else self._olds[name]
        return None

    # -- providers

    def _default_provider(self, token: str, version: str) -> str:
        package = token.partition(":")[0]
        name = "default" + ("_" + re.sub(r"[.+-]", "_", version) if version else "")
        urn = self._urn("", f"{PROVIDERS}{package}", name)
        provider = self.seen.get(urn)
        if provider is None:
            prefix = f"{package}:"
            inputs = {
                key.removeprefix(prefix): value
                for key, value in self._config.items()
                if key.startswith(prefix)
            }
            inputs |= {"version": version} if version else {}
            goal = Resource(urn, f"{PROVIDERS}{package}", custom=True, inputs=inputs)
            provider = self._provider(goal, self._olds.get(urn))
        return f"{urn}::{provider.id or UNKNOWN_TEXT}"

    def _provider(self, goal: Resource, old: Resource | None) -> Resource:
        """Make a provider: it is only in the state, not in the cloud."""
        if goal.type != f"{PROVIDERS}openstack":
            raise unknown_type(goal.type, goal.urn)
        if old or not self._work.preview:
            goal = goal.but(id=old.id if old else str(uuid.uuid4()))
        outputs = {name: value for name, value in goal.inputs.items() if name != "__internal"}
        goal = goal.but(outputs=outputs)
        differ = values.differences(old.inputs, goal.inputs) if old else []
        op: Op = "create" if not old else "update" if differ else "same"
        self._plan(op, goal, differ)
        self._work.clouds.offer(goal)
        return self._settle(goal, old)

    # -- one declared resource

    def _register(self, urn: str, request: Any) -> Resource | Future[Any]:
        work = self._work
        needs = {*request.dependencies, request.parent, request.provider.rpartition("::")[0]}
        if not needs.isdisjoint(work.failed) or (
            work.hopeless and request.custom and not work.preview
        ):
            raise SkippedError(urn)
        old = self._old(urn, request)
        goal = self._goal(urn, request, old)
        if not request.custom:
            goal = goal.but(outputs=old.outputs) if old else goal
            self._plan("same" if old else "create", goal)
            return self._settle(goal, old)
        if request.type.startswith(PROVIDERS):
            inputs = {"__internal": {}, **goal.inputs}
            inputs |= {"version": request.version} if request.version else {}
            return self._provider(goal.but(inputs=inputs), old)
        if request.type not in KINDS:
            raise unknown_type(request.type, urn)
        kind = KINDS[request.type]
        if wrong := kind.check(goal.inputs):
            raise BadInputError(
                f"{label(urn)} asks for what the embedded engine cannot do",
                why="; ".join(wrong),
                remedy="take it out of the program, or use the official CLI",
                place=urn,
            )
        name = work.approved.name(urn) if work.approved else ""
        goal = goal.but(inputs=checked(kind, goal, old, name))
        return self._step(kind, goal, old if old and not old.external else None, request)

    def _goal(self, urn: str, request: Any, old: Resource | None) -> Resource:
        provider = request.provider
        if request.custom and not provider and not request.type.startswith("pulumi:"):
            provider = self._default_provider(request.type, request.version)
        stamp = now()
        return Resource(
            urn,
            request.type,
            custom=request.custom,
            inputs=values.from_wire(request.object),
            parent=request.parent,
            provider=provider,
            dependencies=sorted(request.dependencies),
            propertyDependencies={
                name: sorted(one.urns) for name, one in sorted(request.propertyDependencies.items())
            },
            protect=request.protect,
            retainOnDelete=request.retainOnDelete,
            deletedWith=request.deletedWith,
            additionalSecretOutputs=list(request.additionalSecretOutputs),
            ignoreChanges=list(request.ignoreChanges),
            created=old.created if old else stamp,
            modified=old.modified if old else stamp,
            rest=old.rest if old else {},
        )

    def _step(
        self, kind: Kind, goal: Resource, old: Resource | None, request: Any
    ) -> Resource | Future[Any]:
        """Decide what happens to a resource of the cloud."""
        if not old:
            return self._create(kind, goal, None, adopt=request.importId)
        if old.pendingReplacement:
            op: Op = "replace" if old.urn in self._replaced else "create"
            return self._create(kind, goal, old, op=op)
        differ = changes(kind, old.inputs, goal.inputs)
        why = {one.name for one in differ} & kind.replace
        why |= {one.name for one in differ if _matches(one.path, request.replaceOnChanges)}
        if why or old.initErrors or self._has_moved(old, goal):
            if old.initErrors:
                first = True
            elif request.deleteBeforeReplaceDefined:
                first = request.deleteBeforeReplace
            else:  # a name that the program gave could not be there twice
                first = kind.autonamed and "name" not in goal.inputs.get(DEFAULTS, ())
            return self._replace(kind, goal, old, differ, first=first)
        if differ:
            return self._update(kind, goal, old, differ)
        self._plan("same", goal)
        return self._settle(goal.but(id=old.id, outputs=old.outputs), old)

    def _plan(self, op: Op, goal: Resource, differ: Sequence[Difference] = ()) -> None:
        """Note what happens to a resource.  Raise OutsideError if an approved plan has it not."""
        self._work.allow(op, goal.urn, goal)
        self._work.recorder.plan(op, goal.urn, differ)

    def _has_moved(self, old: Resource, goal: Resource) -> bool:
        """Whether the resource is to be in the hands of another provider."""
        before = self._now.get(old.provider_urn, old.provider_urn)
        default = all(
            naming.name_of(urn).startswith("default") for urn in (before, goal.provider_urn)
        )
        return before != goal.provider_urn and not default

    def _settle(self, resource: Resource, old: Resource | None) -> Resource:
        """Make `resource` the state's, in place of `old`."""
        placed = self._work.state.confirm(resource, old)
        self.seen[resource.urn] = placed
        return placed

    def _later(
        self,
        op: Op,
        urn: str,
        work: Callable[[], Resource],
    ) -> Future[Any]:
        """Do an operation in the pool; the future has the protocol's answer."""
        return self._pool.submit(self._tried, op, urn, work)

    def _tried(self, op: Op, urn: str, work: Callable[[], Resource]) -> Any:
        """Do an operation now and return the protocol's answer."""
        try:
            if self._work.hopeless and not self._work.preview:
                raise SkippedError(urn)  # noqa: TRY301 - one place deals with all errors
            began = self._work.recorder.started(op, urn)
            resource = work()
            self._work.recorder.done(op, urn, began)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
            return self._refuse(op, urn, error)
        return _answer(resource)

    def _refuse(self, op: str, urn: str, error: Exception) -> Any:
        """Note a failure and return the answer with which the SDK makes all outputs unknown."""
        if isinstance(error, SkippedError):
            self._work.recorder.undone(urn)
            self._work.skip(urn)
        else:
            self._work.fail(op, urn, error)
        return resource_pb2.RegisterResourceResponse(urn=urn, result=resource_pb2.Result.FAIL)

    # -- the steps

    def _create(
        self, kind: Kind, goal: Resource, old: Resource | None, op: Op = "create", adopt: str = ""
    ) -> Resource | Future[Any]:
        if op == "create" or not old:
            self._plan(op, goal, _new(kind, goal))
        else:
            self._plan(op, goal)
        if self._work.preview:
            return self._settle(goal.but(outputs=cleaned(kind, goal.inputs)), old)
        if adopt:
            return self._later(op, goal.urn, lambda: self._imported(kind, goal.but(id=adopt), old))
        return self._later(op, goal.urn, lambda: self._made(kind, goal, old))

    def _made(
        self, kind: Kind, goal: Resource, old: Resource | None, *, keep: bool = False
    ) -> Resource:
        """Create a resource in place of `old`, which stays to be deleted at the end if `keep`."""
        state, cloud, inputs = self._work.state, self._work.cloud(goal), reveal(goal.inputs)
        cloud.require_access()  # without it nothing has begun that the next run must look for
        operation = state.begin(CREATING, goal)
        try:
            ident = kind.create(cloud, inputs)
        except Exception as error:
            state.end(operation)
            if not _made_nothing(kind, error):
                state.interrupted.append(operation)  # the next run looks for it
            state.save()
            raise
        goal = goal.but(id=ident)
        if kind.settled:  # it takes a while: let a killed run's successor know the id
            operation.resource = goal
            state.save()
        try:
            kind.settle(cloud, ident)
            outputs = kind.read(cloud, ident, inputs)
            if outputs is None:
                raise LookupError("it is gone as soon as it was made")  # noqa: TRY301
        except Exception as error:
            state.end(operation)  # it exists, but is not right
            self._put(goal.but(outputs=dict(goal.inputs), initErrors=[str(error)]), old, keep=keep)
            state.save()
            raise
        state.end(operation)
        goal = goal.but(outputs=hidden(goal, outputs), modified=now())
        made = self._put(goal, old, keep=keep)
        state.save()
        return made

    def _put(self, goal: Resource, old: Resource | None, *, keep: bool) -> Resource:
        with self._work.state.lock:
            if keep and old:
                self._work.state.swap(old, old.but(delete=True))
                old = None
            return self._settle(goal, old)

    def _imported(self, kind: Kind, goal: Resource, old: Resource | None) -> Resource:
        """Take an object that exists under management, if it is what the program says."""
        inputs = reveal(goal.inputs)
        outputs = kind.read(self._work.cloud(goal), goal.id, inputs)
        if outputs is None:
            raise BadInputError(f"the cloud has no {label(goal.urn)} with id {goal.id} to import")
        differ = changes(kind, as_live(kind, inputs, outputs), inputs)
        if differ:
            paths = ", ".join(one.path for one in differ)
            raise BadInputError(
                f"{label(goal.urn)} cannot be imported",
                why=f"the object {goal.id} differs from the program in {paths}",
                remedy="make the program say what the object is, then change it",
                place=goal.urn,
            )
        made = self._settle(goal.but(outputs=hidden(goal, outputs), modified=now()), old)
        self._work.state.save()
        return made

    def _update(
        self, kind: Kind, goal: Resource, old: Resource, differ: Sequence[Difference]
    ) -> Resource | Future[Any]:
        self._plan("update", goal, differ)
        goal = goal.but(id=old.id)
        if self._work.preview:
            return self._settle(goal.but(outputs=old.outputs | cleaned(kind, goal.inputs)), old)
        eased = goal.but(inputs=kind.eased(goal.inputs, old.inputs))
        if eased.inputs != goal.inputs:
            self._waiting.append(goal)
        return self._later("update", goal.urn, lambda: self._changed(kind, eased, old))

    def _changed(self, kind: Kind, goal: Resource, old: Resource) -> Resource:
        state, cloud, inputs = self._work.state, self._work.cloud(goal), reveal(goal.inputs)
        operation = state.begin(UPDATING, goal)
        try:
            names = {one.name for one in changes(kind, old.inputs, goal.inputs)}
            kind.update(cloud, old.id, inputs, reveal(old.inputs), names)
            outputs = kind.read(cloud, old.id, inputs) or {}
        except Exception:
            state.end(operation)
            state.save()
            raise
        state.end(operation)
        made = self._settle(goal.but(outputs=hidden(goal, outputs), modified=now()), old)
        state.save()
        return made

    def _replace(
        self,
        kind: Kind,
        goal: Resource,
        old: Resource,
        differ: Sequence[Difference],
        *,
        first: bool,
    ) -> Resource | Future[Any]:
        if old.protect:
            raise protected([goal.urn], "replaced")
        self._plan("replace", goal, differ)
        if not first:
            if self._work.preview:
                self._work.state.swap(old, old.but(delete=True))
                return self._settle(goal.but(outputs=cleaned(kind, goal.inputs)), None)
            return self._later("replace", goal.urn, lambda: self._made(kind, goal, old, keep=True))
        victims = [*self._must_follow(old), old]
        refuse(self._work, victims, "replace")
        if self._work.preview:
            self._delete_for_replacement(victims)
            return self._settle(goal.but(outputs=cleaned(kind, goal.inputs)), old)

        def work() -> Resource:
            self._delete_for_replacement(victims)
            return self._made(kind, goal, old)

        return self._later("replace", goal.urn, work)

    def _delete_for_replacement(self, victims: Sequence[Resource]) -> None:
        deletion = Deletion(self._work, victims, to_replace=True)
        deletion.run()
        for one in deletion.gone:
            self._replaced.add(one.urn)
            if one.urn in self._olds:
                self._olds[one.urn] = one
        if len(deletion.gone) < len(victims):
            raise SkippedError(victims[-1].urn)

    def _must_follow(self, root: Resource) -> list[Resource]:
        """
        Return the old resources that cannot outlive `root`, each before those that it needs.

        A property that replaces them comes from it, or from another of them.
        """
        found: dict[int, Resource] = {}
        urns, waiting = {root.urn}, [root.urn]
        while waiting:
            for one in self._dependents[waiting.pop()]:
                one = self._work.state.old.get(one.key, one)  # noqa: PLW2901 - as it is now
                kind = KINDS.get(one.type)
                if kind is None or one.key in found or one.pendingReplacement or one.delete:
                    continue
                if any(
                    not urns.isdisjoint(one.propertyDependencies.get(name) or ())
                    for name in kind.replace
                ):
                    found[one.key] = one
                    urns.add(one.urn)
                    waiting.append(one.urn)
        return [found[key] for key in sorted(found, reverse=True)]

    # -- what the program no longer declares

    def finish(self) -> None:
        """Delete what the state has left of the past, then change what had to wait for that."""
        self._work.state.apply_renames()
        with self._work.state.lock:
            victims = list(self._work.state.old.values())
        delete(self._work, victims)
        for goal in self._waiting:
            kind, eased = KINDS[goal.type], self.seen[goal.urn]
            assert eased is not None  # noqa: S101 - the program has ended, and nothing has failed
            self._tried("update", goal.urn, functools.partial(self._changed, kind, goal, eased))


def _matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether a property path is one of the patterns, or within one."""
    return any(
        pattern in ("*", path) or path.startswith((f"{pattern}.", f"{pattern}["))
        for pattern in patterns
    )


def _made_nothing(kind: Kind, error: Exception) -> bool:
    """Whether a failed creation surely left no object behind."""
    if not isinstance(error, ApiError) or error.status is None:
        return False
    refused = 400 <= error.status < 500  # noqa: PLR2004 - HTTP's client errors
    finishes = type(kind).finish is not Kind.finish
    return refused and (not finishes or error.url.rstrip("/").endswith(kind.path))


def _new(kind: Kind, goal: Resource) -> list[Difference]:
    return values.differences({}, cleaned(kind, goal.inputs))


def _shown(resource: Resource) -> Any:
    shown = {name: one for name, one in resource.outputs.items() if not name.startswith("__")}
    return values.to_wire(shown)


def _answer(resource: Resource) -> Any:
    return resource_pb2.RegisterResourceResponse(
        urn=resource.urn, id=resource.id, object=_shown(resource)
    )


def _read_answer(resource: Resource) -> Any:
    return resource_pb2.ReadResourceResponse(
        urn=resource.urn, id=resource.id, properties=_shown(resource)
    )
