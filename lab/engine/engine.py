"""The embedded engine as a command line uses it: one stack of one Pulumi program."""

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from catalogue.errors import BadInputError, CityDCError, OutsideError
from lab.engine import live, project, sdk
from lab.engine.backend import VERSION, Backend, damaged
from lab.engine.cloud import Cloud
from lab.engine.comparing import cleaned
from lab.engine.crypter import Crypter
from lab.engine.deletion import delete
from lab.engine.deployment import Deployment
from lab.engine.failures import StoppedError, of_program
from lab.engine.plan import Approved, Keyed, Plan, Step, digest, goal_of, used
from lab.engine.resource import now
from lab.engine.result import Listener, Quiet, Recorder, Result, lines
from lab.engine.state import State
from lab.engine.values import Secret, Values, to_json
from lab.engine.work import Clouds, Work

PARALLEL = 16


class Engine:
    """
    A stack of the Pulumi program in `folder`, with its state in a file backend.

    `config` overrides the stack's configuration ("key" or "project:key"); `listener` hears of
    progress.  Errors that come before anything starts (no such project, a passphrase missing or
    wrong, a state that is locked or damaged) are raised as BadInputError or OutsideError; all
    later ones are in the Result.
    """

    def __init__(  # noqa: PLR0913 - what a stack is made of
        self,
        folder: Path,
        stack: str,
        backend_url: str,
        passphrase: str,
        *,
        config: Mapping[str, Any] | None = None,
        listener: Listener | None = None,
        parallel: int = PARALLEL,
    ) -> None:
        self.stack = stack
        self._project = project.load(folder, stack)
        self._backend = Backend(backend_url)
        self._passphrase = passphrase
        self._overrides = dict(config or {})
        self._listener = listener or Quiet()
        self._parallel = parallel
        self._crypters: dict[str | None, Crypter] = {}
        self.make_cloud: Callable[[Mapping[str, Any]], Cloud] = Cloud  # tests put in their own

    # -- the verbs

    def preview(self) -> Result:
        """Compare the program with the state.  Nothing is written, no managed object is read."""
        recorder = Recorder(self._listener)
        state = self._state(write=False)
        _tell_interrupted(state, recorder)
        work = self._work(state, recorder, preview=True)
        with _stoppable(work):
            outputs = self._run_program(work)
        return recorder.result(outputs, state.resources)

    def plan(self) -> tuple[Result, Plan | None]:
        """
        Compare the program with state and cloud, and change neither.

        Return what deploy() would do, and that as the plan that deploy() can be held to (None
        where the result has errors).
        """
        recorder = Recorder(self._listener)
        clouds = self._rehearse(recorder)
        if recorder.errors:
            return recorder.result({}, ()), None
        result, plan = self._foresee(recorder, clouds)
        return result, None if result.errors else plan

    def deploy(self, plan: Plan | None = None) -> Result:
        """
        Make the cloud what the program says.

        In order: the program in a preview (so that its errors change nothing), what an
        interrupted run left, refresh, strays, the program's operations, deletions.  With a plan
        it does what the plan has and nothing else; if that is not what there is to do, an error
        says so and nothing is changed.  A plan that was begun and not finished is gone on with.
        """
        recorder = Recorder(self._listener)
        with self._locked():
            state = self._state(write=True)
            clouds = self._rehearse(recorder)
            approved = Approved(plan, self._crypter(plan.salt)) if plan else None
            if approved and not recorder.errors:
                self._check(approved, recorder, clouds)
            if recorder.errors:
                return recorder.result(state.outputs, state.resources)
            state.plan = {"id": plan.id} if plan else {}
            work = self._work(state, recorder, clouds=clouds, approved=approved)
            with _stoppable(work), self._noted(work):
                self._apply(work)
                if plan and not work.hopeless and not recorder.errors:
                    state.plan["done"] = now()
            return recorder.result(state.outputs, state.resources)

    def _check(self, approved: Approved, recorder: Recorder, clouds: Clouds) -> None:
        """Note an error unless the plan is what there is to do now."""
        plan = approved.plan
        last = self._backend.plan(self._project.name, self.stack)
        begun = last.get("id") == plan.id
        if begun and "done" in last:
            recorder.error(used(last["done"]))
            return
        quiet = Recorder(_Errors(recorder))
        result, there_is = self._foresee(quiet, clouds, approved)
        if not result.errors and (error := plan.refusal(there_is, resumed=begun)):
            recorder.error(error)

    def _foresee(
        self, recorder: Recorder, clouds: Clouds, approved: Approved | None = None
    ) -> tuple[Result, Plan]:
        """Return what a deployment would do, and the same as a plan."""
        state = self._state(write=False)
        before = state.digest()
        _tell_interrupted(state, recorder)
        work = self._work(state, recorder, preview=True, clouds=clouds, approved=approved)
        with _stoppable(work):
            found = self._apply(work)
        result = recorder.result(state.outputs, state.resources)
        crypter = self._crypter(approved.plan.salt) if approved else state.crypter
        keyed = Keyed(crypter)
        live_inputs = [
            [
                one.resource.urn,
                to_json(cleaned(one.kind, one.inputs), keyed) if one.outputs is not None else None,
                sorted(stray.id for stray in one.strays),
            ]
            for one in found
        ]
        plan = Plan(
            before,
            digest(live_inputs),
            {one.urn: Step(one.op, lines(one)) for one in result.resources},
            {one.urn: goal_of(one, keyed) for one in state.resources if not one.delete},
            crypter.salt,
        )
        return result, plan

    def _apply(self, work: Work) -> list[live.Found]:
        """Do all of a deployment, or foresee it; return what the cloud had before."""
        live.recover(work, finish=not work.preview)
        found = live.look(work) if not work.hopeless else []
        if not work.hopeless:
            live.refresh(work, found)
            live.remove_strays(work, found)
        if not work.hopeless:
            self._run_program(work)
        return found

    def drift(self) -> Result:
        """
        Compare the cloud with the state; change neither.

        In the result, update stands for what differs and delete for what is gone.
        """
        recorder = Recorder(self._listener)
        state = self._state(write=False)
        work = self._work(state, recorder, preview=True)
        with _stoppable(work):
            for found in live.look(work):
                differs = found.differs if found.outputs is not None else []
                gone = found.outputs is None
                recorder.plan(
                    "delete" if gone else "update" if differs else "same",
                    found.resource.urn,
                    differs,
                )
        _note_stop(work)
        return recorder.result(state.outputs, state.resources)

    def destroy(self) -> Result:
        """Delete all that the state has, what needs others first.  Protected: nothing is."""
        recorder = Recorder(self._listener)
        with self._locked():
            state = self._state(write=True)
            work = self._work(state, recorder)
            with _stoppable(work), self._noted(work):
                live.recover(work, finish=False)
                if not work.hopeless:
                    try:
                        delete(work, list(state.old.values()))
                    except CityDCError as error:
                        recorder.error(error)
            return recorder.result(state.outputs, state.resources)

    # -- the state

    def export_state(self) -> dict[str, Any]:
        """Return the state as `pulumi stack import` takes it; secrets stay encrypted."""
        deployment = json.loads(self._state(write=False).deployment())
        return {"version": VERSION, "deployment": deployment}

    def import_state(self, data: Mapping[str, Any]) -> None:
        """
        Replace the state by an exported one, this engine's or the official CLI's.

        Raise BadInputError, with nothing changed, if it is damaged or another passphrase's.
        """
        deployment = data.get("deployment")
        if data.get("version") != VERSION or not isinstance(deployment, dict):
            raise BadInputError(f"this is no export of a deployment of version {VERSION}")
        with self._locked():
            state = self._new_state(deployment, write=True)
            for one in state.resources:
                _check_urn(one.urn, self._project.name, self.stack)
            state.save()

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, secrets as Secret."""
        return self._state(write=False).outputs

    # -- the parts

    def _crypter(self, salt: str | None) -> Crypter:
        if salt not in self._crypters:
            crypter = Crypter(self._passphrase, salt)
            self._crypters[salt] = self._crypters[crypter.salt] = crypter
        return self._crypters[salt]

    def _state(self, *, write: bool) -> State:
        deployment = self._backend.read(self._project.name, self.stack)
        return self._new_state(deployment or {}, write=write)

    def _new_state(
        self, deployment: Mapping[str, Any], *, write: bool, stack: str = "", name: str = ""
    ) -> State:
        stack, name = stack or self.stack, name or self._project.name
        path = self._backend.stack_file(name, stack)
        secrets = _mapping(deployment.get("secrets_providers"))
        if secrets.get("type") not in (None, "", "passphrase"):
            raise BadInputError(
                f"the state's secrets are kept by {secrets['type']}",
                why="the embedded engine knows passphrases only",
                remedy="use the official CLI, or change the stack's secrets provider",
                place=str(path),
            )
        salt = _mapping(secrets.get("state")).get("salt") or self._project.salt
        if not isinstance(salt, str | None):
            raise damaged(path, "its encryption salt is no text")
        state = State(
            f"{sdk.ORGANIZATION}/{name}/{stack}", self._crypter(salt), path if write else None
        )
        try:
            state.load(deployment)
        except CityDCError as error:
            raise damaged(path, ": ".join(filter(None, (error.what, error.why)))) from error
        return state

    def _outputs_of(self, reference: str) -> Values:
        """Return the outputs of a stack of the same backend ("stack", or "org/project/stack")."""
        *_, name, stack = [self._project.name, *reference.split("/")]
        name = name if name != sdk.ORGANIZATION else self._project.name
        deployment = self._backend.read(name, stack)
        if deployment is None:
            raise BadInputError(
                f"there is no stack {reference}",
                why=f"{self._backend.stack_file(name, stack)} does not exist",
                remedy="deploy it first",
            )
        return self._new_state(deployment, write=False, stack=stack, name=name).outputs

    def _config(self) -> Values:
        crypter = None
        if self._project.has_secrets and self._project.salt:
            crypter = self._crypter(self._project.salt)
        return self._project.config(crypter, self._overrides)

    def _work(
        self,
        state: State,
        recorder: Recorder,
        *,
        preview: bool = False,
        clouds: Clouds | None = None,
        approved: Approved | None = None,
    ) -> Work:
        return Work(
            state,
            recorder,
            clouds or Clouds(self.make_cloud),
            parallel=self._parallel,
            preview=preview,
            approved=approved,
        )

    def _rehearse(self, recorder: Recorder) -> Clouds:
        """Preview, for its errors; return the clouds that the program's providers stand for."""
        work = self._work(self._state(write=False), Recorder(_Errors(recorder)), preview=True)
        with _stoppable(work):
            self._run_program(work)
        return work.clouds

    def _run_program(self, work: Work) -> Values:
        """Run the program and delete what it no longer declares; return the stack's outputs."""
        config = self._config()
        deployment = Deployment(work, self._project, self.stack, config, self._outputs_of)
        program = sdk.Program(
            main=self._project.main,
            root=self._project.folder,
            project=self._project.name,
            stack=self.stack,
            config={key: sdk.config_text(_plain(value)) for key, value in config.items()},
            secret_keys=tuple(key for key, value in config.items() if isinstance(value, Secret)),
            preview=work.preview,
            parallel=self._parallel,
        )
        try:
            sdk.run(program, deployment, work.recorder.log)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's program may raise any
            if not deployment.invoke_failed and not _is_success(error):
                work.recorder.error(of_program(error, self._project.folder))
        finally:
            deployment.close()
        if not work.hopeless and not work.recorder.errors:
            try:
                deployment.finish()
            except CityDCError as error:
                work.recorder.error(error)
        _note_stop(work)
        return deployment.outputs

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._backend.prepare(self._project.name)
        with self._backend.lock(self._project.name, self.stack, self._listener.log):
            yield

    @contextlib.contextmanager
    def _noted(self, work: Work) -> Iterator[None]:
        """Write the state at the end, however it comes; its errors join the others."""
        try:
            yield
        finally:
            _note_stop(work)
            try:
                work.state.save()
            except OutsideError as error:
                work.recorder.error(error)


class _Errors(Quiet):
    """Passes a rehearsal's errors on, and nothing else."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def error(self, error: CityDCError) -> None:
        """Note it as the run's own."""
        self._recorder.error(error)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Secret) else value


def _is_success(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _check_urn(urn: str, name: str, stack: str) -> None:
    parts = urn.split("::")
    if parts[0] != f"urn:pulumi:{stack}" or parts[1] != name:
        raise BadInputError(
            "the state is another stack's",
            why=f"it has {urn}",
            remedy=f"import a state of the stack {stack} of the project {name}",
        )


def _tell_interrupted(state: State, recorder: Recorder) -> None:
    for one in state.interrupted:
        recorder.log(f"an earlier run was interrupted while {one.what} {one.resource.urn}")


def _note_stop(work: Work) -> None:
    if work.stop.is_set():
        work.recorder.error(
            StoppedError(
                "the run was stopped before its end",
                remedy="run again: it goes on from where it stopped",
            ),
            "stopped",
        )


@contextlib.contextmanager
def _stoppable(work: Work) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) finish what is in flight, the second end at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hear(number: int, frame: Any) -> None:
        del frame
        if work.stop.is_set():
            os._exit(128 + number)
        work.stop.set()
        os.write(2, b"\nstopping: what is in flight finishes (again: stop at once)\n")

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
