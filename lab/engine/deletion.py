"""Deleting resources, each after those that need it, several at a time."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Literal

from catalogue.errors import CityDCError
from lab.engine.failures import protected, unknown_type
from lab.engine.kinds import KINDS
from lab.engine.resource import Resource
from lab.engine.state import DELETING
from lab.engine.values import reveal
from lab.engine.work import Work


def refuse(work: Work, victims: Sequence[Resource], op: Literal["delete", "replace"]) -> None:
    """
    Raise, before any is deleted, if a victim may not be.

    BadInputError if it is protected or of an unknown type, OutsideError if no approved plan has it.
    """
    if guarded := [one.urn for one in victims if one.protect and not one.delete]:
        raise protected(guarded, f"{op}d")
    for one in victims:
        if _is_news(one):
            work.allow(op, one.urn)
        if one.is_real and not one.retainOnDelete and one.type not in KINDS:
            raise unknown_type(one.type, one.urn)


class Deletion:
    """
    The deletion of some of a state's resources.

    With `to_replace` they stay in the state as pendingReplacement: others may still refer to them.
    After run(), `gone` has those that are out of the cloud, as the state has them now; what could
    not be deleted, and what that needs, is left.
    """

    def __init__(self, work: Work, victims: Sequence[Resource], *, to_replace: bool) -> None:
        self._work = work
        self._to_replace = to_replace
        self._left = {one.key: one for one in victims}
        self._going = {one.urn for one in victims if not one.retainOnDelete}
        self._needed_by: dict[str, set[int]] = defaultdict(set)  # URN -> victims that need it
        for one in victims:
            for urn in one.needs:
                self._needed_by[urn].add(one.key)
        self._keys: dict[str, list[int]] = defaultdict(list)
        for one in victims:
            self._keys[one.urn].append(one.key)
        self.gone: list[Resource] = []

    def run(self) -> None:
        """Delete them.  What fails is noted in the work."""
        if self._work.preview:
            for one in reversed(list(self._left.values())):
                self._plan(one)
                self._leave(one)
            return
        ready = [one for one in self._left.values() if self._is_free(one)]
        running: dict[Future[bool], Resource] = {}
        with ThreadPoolExecutor(self._work.parallel) as pool:
            while ready or running:
                for one in ready:
                    del self._left[one.key]
                    if not self._work.stop.is_set():
                        running[pool.submit(self._delete, one)] = one
                    else:
                        self._work.skip(one.urn)
                ready = []
                finished = wait(running, return_when=FIRST_COMPLETED).done if running else set()
                for future in finished:
                    one = running.pop(future)
                    if future.result():
                        ready += self._freed_by(one)
                if not (ready or running or self._work.failed) and self._left:
                    ready = [list(self._left.values())[-1]]  # old and new needs form a ring
        for one in self._left.values():  # needed by what could not be deleted
            self._work.skip(one.urn)

    def _is_free(self, one: Resource) -> bool:
        return not self._needed_by[one.urn] - {one.key}

    def _freed_by(self, gone: Resource) -> list[Resource]:
        freed = []
        for urn in gone.needs:
            self._needed_by[urn].discard(gone.key)
            if not self._needed_by[urn]:
                freed += [self._left[key] for key in self._keys[urn] if key in self._left]
        return [one for one in dict.fromkeys(freed) if self._is_free(one)]

    def _is_work(self, one: Resource) -> bool:
        return one.is_real and not one.retainOnDelete and one.deletedWith not in self._going

    def _plan(self, one: Resource) -> None:
        if _is_news(one):
            self._work.recorder.plan("replace" if self._to_replace else "delete", one.urn)

    def _delete(self, one: Resource) -> bool:
        """Delete one resource; return whether it is gone."""
        self._plan(one)
        try:
            if self._is_work(one):
                began = self._work.recorder.started("delete", one.urn)
                operation = self._work.state.begin(DELETING, one)
                try:
                    kind = KINDS[one.type]
                    kind.delete(self._work.cloud(one), one.id, reveal(one.outputs))
                finally:
                    self._work.state.end(operation)
                self._leave(one)
                self._work.state.save()
                self._work.recorder.done("delete", one.urn, began)
            else:
                self._leave(one)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
            self._work.fail("delete", one.urn, error)
            return False
        return True

    def _leave(self, one: Resource) -> None:
        """Take a resource that is gone out of the state."""
        if self._to_replace:
            one = self._work.state.swap(one, one.but(pendingReplacement=True))
        else:
            self._work.state.drop(one)
        self.gone.append(one)


def _is_news(one: Resource) -> bool:
    """Whether nobody has been told yet that it goes."""
    return not one.pendingReplacement and not one.delete


def delete(work: Work, victims: Sequence[Resource]) -> None:
    """Delete resources for good.  Raise BadInputError, before any is, if one may not be."""
    refuse(work, victims, "delete")
    Deletion(work, victims, to_replace=False).run()
    try:
        work.state.save()
    except CityDCError as error:
        work.recorder.error(error)
