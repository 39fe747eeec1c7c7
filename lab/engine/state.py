"""A stack's state while a run changes it, always whole and valid on disk."""

import dataclasses
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from catalogue.errors import BadInputError, CityDCError
from lab import files
from lab.engine import backend
from lab.engine.crypter import Crypter
from lab.engine.plan import digest
from lab.engine.resource import STACK, Resource, from_json, now

CLI_VERSION = "v3.255.0"  # of the official CLI, whose manifest this writes
CREATING, UPDATING, DELETING = "creating", "updating", "deleting"


class Operation:
    """Something being tried: what, on which resource.  Its identity is its token."""

    __slots__ = ("resource", "what")

    def __init__(self, what: str, resource: Resource) -> None:
        self.what, self.resource = what, resource


class State:
    """
    The resources of a stack and the operations in progress.

    `old` is what was there at the start, in its order; `new` is what this run has confirmed; the
    file always holds new + what is left of old, so that whatever a resource needs stands before
    it.  Safe for many threads.  Without a `path` nothing is ever written (a preview).
    """

    def __init__(self, name: str, crypter: Crypter, path: Path | None = None) -> None:
        self.name, self.crypter, self.path = name, crypter, path
        self.lock = threading.RLock()
        self.old: dict[int, Resource] = {}
        self.new: dict[int, Resource] = {}
        self.interrupted: list[Operation] = []  # what an earlier run did not finish
        self.failure: CityDCError | None = None  # why it can no longer be written
        self.plan: dict[str, str] = {}  # which plan is carried out, and when it was done
        self._running: dict[Operation, None] = {}
        self._renamed: dict[str, str] = {}
        self._last_key = 0
        self._rest: dict[str, Any] = {}
        self._writer = _Writer(self._write)

    # -- reading

    def load(self, deployment: Mapping[str, Any]) -> None:
        """
        Take the resources and operations of a deployment (version 3).

        Raise BadInputError for what is damaged; then nothing has been taken.
        """
        try:
            resources = [
                from_json(data, self.crypter) for data in deployment.get("resources") or ()
            ]
            interrupted = [
                Operation(str(one["type"]), from_json(one["resource"], self.crypter))
                for one in deployment.get("pending_operations") or ()
            ]
            _check_needs(resources)
        except BadInputError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BadInputError(
                "the state is damaged", why=f"a resource in it is not whole ({error!r})"
            ) from error
        self.old = {}
        for one in resources:
            self._put(self.old, one)
        self.interrupted = interrupted
        ours = ("manifest", "secrets_providers", "resources", "pending_operations")
        self._rest = {key: value for key, value in deployment.items() if key not in ours}

    @property
    def resources(self) -> list[Resource]:
        """All resources, each after those that it needs."""
        with self.lock:
            return [*self.new.values(), *self.old.values()]

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        with self.lock:
            return next((one.outputs for one in self.resources if one.type == STACK), {})

    # -- changing

    def begin(self, what: str, resource: Resource) -> Operation:
        """Note durably that an operation is about to be tried.  Raise OutsideError."""
        operation = Operation(what, resource)
        with self.lock:
            self._running[operation] = None
        try:
            self.save()
        except CityDCError:
            with self.lock:
                self._running.pop(operation)
            raise
        return operation

    def end(self, operation: Operation) -> None:
        """Note that an operation is over.  The caller saves."""
        with self.lock:
            self._running.pop(operation, None)

    def forget(self, operation: Operation) -> None:
        """Drop an interrupted operation: it has been seen to.  The caller saves."""
        with self.lock:
            self.interrupted = [one for one in self.interrupted if one is not operation]

    def confirm(self, resource: Resource, old: Resource | None = None) -> Resource:
        """Add what this run has made or found right, in place of `old`.  The caller saves."""
        with self.lock:
            if old and old.key in self.new:
                return self.swap(old, resource)
            if old:
                self.drop(old)
            return self._put(self.new, resource)

    def append(self, resource: Resource) -> Resource:
        """Add to what was there at the start.  The caller saves."""
        with self.lock:
            return self._put(self.old, resource)

    def swap(self, resource: Resource, successor: Resource) -> Resource:
        """Put `successor` in the place of `resource`.  The caller saves."""
        with self.lock:
            group = self.old if resource.key in self.old else self.new
            group[resource.key] = placed = dataclasses.replace(successor, key=resource.key)
            return placed

    def drop(self, resource: Resource) -> None:
        """Remove a resource.  The caller saves."""
        with self.lock:
            self.old.pop(resource.key, None)
            self.new.pop(resource.key, None)

    def rename(self, old: str, new: str) -> None:
        """Let what still refers to the URN `old` refer to `new`."""
        with self.lock:
            self._renamed[old] = new

    def _put(self, group: dict[int, Resource], resource: Resource) -> Resource:
        self._last_key += 1
        group[self._last_key] = placed = dataclasses.replace(resource, key=self._last_key)
        return placed

    # -- writing

    def save(self) -> None:
        """
        Return once all changes made so far are on disk; concurrent callers share a write.

        Raise OutsideError when it cannot be written.
        """
        if self.path:
            self._writer.flush()

    def _write(self) -> None:
        assert self.path is not None  # noqa: S101 - save() is the only caller
        with self.lock:
            plan = f' "plan": {json.dumps(self.plan)},' if self.plan else ""
            text = (
                f'{{"version": {backend.VERSION}, "checkpoint": {{"stack": {json.dumps(self.name)},'
                f'{plan} "latest":\n{self.deployment()}}}}}\n'
            )
        try:
            if not self._writer.written:
                backend.keep_backup(self.path)
            files.write(self.path, text)
        except OSError as error:
            self.failure = backend.cannot_write(self.path, error)
            raise self.failure from error

    def digest(self) -> str:
        """Return a digest of all that is in it."""
        with self.lock:
            under_way = [[one.what, one.resource.text(self.crypter)] for one in self.interrupted]
            return digest([one.text(self.crypter) for one in self.resources] + under_way)

    def deployment(self) -> str:
        """Return the deployment's JSON text."""
        with self.lock:
            self.apply_renames()
            head = {
                **self._rest,
                "manifest": {
                    "time": now(),
                    "version": CLI_VERSION,
                    "magic": hashlib.sha256(CLI_VERSION.encode()).hexdigest(),
                },
                "secrets_providers": {"type": "passphrase", "state": {"salt": self.crypter.salt}},
            }
            resources = [one.text(self.crypter) for one in self.resources]
            pending = [
                f'{{"type": "{one.what}", "resource": {one.resource.text(self.crypter)}}}'
                for one in (*self.interrupted, *self._running)
            ]
        text = f'{json.dumps(head)[:-1]},\n"resources": [\n' + ",\n".join(resources) + "]"
        if pending:
            text += ',\n"pending_operations": [\n' + ",\n".join(pending) + "]"
        return text + "}"

    def apply_renames(self) -> None:
        """Bring the resources that were there at the start to the new URNs."""
        renamed, self._renamed = self._renamed, {}
        if renamed:
            for key, one in self.old.items():
                if not renamed.keys().isdisjoint(one.needs):
                    self.old[key] = one.renamed(renamed)


def _check_needs(resources: Sequence[Resource]) -> None:
    """Raise ValueError for what needs a resource that is not there, or has no provider."""
    there = {one.urn for one in resources}
    for one in resources:
        if missing := sorted(one.needs - there):
            raise ValueError(f"{one.urn} needs {missing[0]}, which is not there")
        if one.is_real and not one.provider_urn.startswith("urn:"):
            raise ValueError(f"{one.urn} has no provider")


class _Writer:
    """Lets many threads wait for one write that covers the changes of all of them."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._condition = threading.Condition()
        self._wanted = self._done = 0
        self._busy = False
        self.written = False

    def flush(self) -> None:
        """Return once a write that began after this call has ended.  Raise what it raised."""
        with self._condition:
            self._wanted += 1
            mine = self._wanted
            while self._busy and self._done < mine:
                self._condition.wait()
            if self._done >= mine:
                return
            self._busy = True
            covered = self._wanted
        try:
            self._write()
            self.written = True
        except BaseException:
            covered = 0
            raise
        finally:
            with self._condition:
                self._busy = False
                self._done = max(self._done, covered)
                self._condition.notify_all()
