"""What the clouds have now: refresh, drift, strays, what an interrupted run made."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from catalogue.errors import OutsideError
from lab.engine.cloud import ApiError, Body, Reason, StateError
from lab.engine.comparing import as_live, changes, hidden
from lab.engine.failures import label
from lab.engine.kinds import KINDS
from lab.engine.kinds.base import Kind, Stray
from lab.engine.resource import Resource, now
from lab.engine.state import CREATING, Operation
from lab.engine.values import Difference, Values, reveal
from lab.engine.work import Work

PROJECT = "openstack:identity/project:Project"


@dataclass(frozen=True)
class Found:
    """What the cloud has of a resource: its outputs (None: it is gone) and its strays."""

    resource: Resource
    outputs: Values | None
    strays: Sequence[Stray] = ()

    @property
    def kind(self) -> Kind:
        """The resource's kind."""
        return KINDS[self.resource.type]

    @property
    def inputs(self) -> Values:
        """The resource's inputs as the cloud has them."""
        return as_live(self.kind, self.resource.inputs, self.outputs or {})

    @property
    def differs(self) -> list[Difference]:
        """How the cloud differs from the state."""
        found = changes(self.kind, self.resource.inputs, self.inputs)
        return [
            *found,
            *(Difference(f"[{one.id}]", None, one.description) for one in self.strays),
        ]


def look(work: Work) -> list[Found]:
    """
    Read all managed objects of the state, kind by kind from listings where there are any.

    What cannot be read is noted in the work as failed; what is of an unknown type is told of.
    """
    known, without = _known(work), _gone_projects(work)
    lost: list[Resource] = []
    groups: dict[tuple[str, str], list[Resource]] = defaultdict(list)
    for one in work.state.resources:
        if one.is_real and one.type not in KINDS:
            work.recorder.log(f"{label(one.urn)} is not looked at: the engine knows no such type")
        elif one.is_real:
            (lost if _is_in(work, one, without) else groups[one.provider, one.type]).append(one)

    def listing(group: list[Resource]) -> dict[str, Body]:
        try:
            return KINDS[group[0].type].listing(work.cloud(group[0])) or {}
        except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
            work.fail("read", group[0].urn, error)
            return {}

    def read(one: Resource, body: Body | None) -> Found | None:
        if work.hopeless:
            return None
        kind, cloud = KINDS[one.type], work.cloud(one)
        try:
            outputs = kind.read(cloud, one.id, reveal(one.inputs), body=body)
            strays = kind.strays(cloud, one.id, known) if outputs is not None else []
        except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
            work.fail("read", one.urn, error)
            return None
        return Found(one, outputs, strays)

    with ThreadPoolExecutor(work.parallel) as pool:
        listed = pool.map(listing, groups.values())
        reads = [
            pool.submit(read, one, bodies.get(one.id))
            for group, bodies in zip(groups.values(), listed, strict=True)
            for one in group
        ]
        there = [found for future in reads if (found := future.result()) is not None]
        return [*(Found(one, None) for one in lost), *there]


def _gone_projects(work: Work) -> set[str]:
    """
    Return the ids of the stack's projects that are gone from the cloud.

    Nobody can ask for what was in them: no token is to be had for such a project.
    """
    gone = set()
    for one in work.state.resources:
        if one.type == PROJECT and one.is_real:
            try:
                if KINDS[PROJECT].read(work.cloud(one), one.id, reveal(one.inputs)) is None:
                    gone.add(one.id)
            except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
                work.fail("read", one.urn, error)
                break
    return gone


def _is_in(work: Work, one: Resource, projects: set[str]) -> bool:
    """Whether a resource is in one of the projects, or says what may be done in it."""
    return (
        work.clouds.project(one.provider_urn) in projects or one.inputs.get("projectId") in projects
    )


def refresh(work: Work, everything: Iterable[Found]) -> None:
    """Bring the state to what was found; what is gone stays until it is made anew or dropped."""
    for found in everything:
        one = found.resource
        if found.outputs is None:
            work.recorder.log(f"{label(one.urn)} is gone from the cloud")
            work.state.swap(one, one.but(pendingReplacement=True))
            continue
        inputs, outputs = found.inputs, one.outputs | hidden(one, found.outputs)
        if inputs != one.inputs or outputs != one.outputs:
            work.state.swap(one, one.but(inputs=inputs, outputs=outputs))


def _known(work: Work) -> set[str]:
    """Return the ids of all managed objects."""
    return {one.id for one in work.state.resources if one.is_real and one.type in KINDS}


def _remove(work: Work, found: Found, stray: Stray) -> None:
    """
    Delete a stray, by the credentials of its resource or by those of another provider.

    What an administrator made belongs to his project, where an agency's member cannot delete it.
    """
    own, resource = work.cloud(found.resource), found.resource
    for cloud in (own, *work.clouds.others(own)):
        found.kind.remove_stray(cloud, stray.id)
        left = found.kind.strays(own, resource.id, _known(work))
        if stray.id not in {one.id for one in left}:
            return
    raise OutsideError(
        f"{label(resource.urn)}: {stray.description} could not be deleted",
        why="none of the stack's providers has the right to",
        remedy=f"delete it by hand: {stray.id}",
        place=resource.urn,
    )


def remove_strays(work: Work, everything: Iterable[Found]) -> None:
    """Delete what was made by hand inside of managed objects."""
    for found in everything:
        for stray in found.strays:
            urn = found.resource.urn
            work.recorder.plan(
                "update", urn, [Difference(f"[{stray.id}]", stray.description, None)]
            )
            if work.preview:
                continue
            began = work.recorder.started("update", urn)
            try:
                work.allow_stray(urn, stray.id)
                _remove(work, found, stray)
            except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
                work.fail("update", urn, error)
                return
            work.recorder.done("update", urn, began)


def recover(work: Work, *, finish: bool) -> None:
    """
    Take into the state what an interrupted run made without getting to note its id.

    With `finish` it is brought to what that run wanted of it; else it only is to be deleted.
    """
    interrupted = list(work.state.interrupted)
    without = _gone_projects(work) if interrupted else set()
    for operation in interrupted:
        one = operation.resource
        known = one.custom and one.type in KINDS and not _is_in(work, one, without)
        if operation.what == CREATING and known:
            try:
                _take_over(work, operation, finish=finish)
            except Exception as error:  # noqa: BLE001 - whatever it is, the user hears of it
                work.fail("create", one.urn, error)
                return
        work.state.forget(operation)


def _take_over(work: Work, operation: Operation, *, finish: bool) -> None:
    one = operation.resource
    kind, cloud, inputs = KINDS[one.type], work.cloud(one), reveal(one.inputs)
    ident = _survivor(work, one)
    if ident is None:
        return
    work.recorder.log(f"taking over {label(one.urn)} ({ident}), which an interrupted run made")
    errors: list[str] = []
    if finish:
        try:
            kind.resume(cloud, ident, inputs)
        except (ApiError, StateError) as error:
            if error.reason in (Reason.CREDENTIALS, Reason.UNREACHABLE):
                raise
            errors = [str(error)]
    outputs = kind.read(cloud, ident, inputs)
    if outputs is None:
        return
    for other in work.state.resources:
        if other.urn == one.urn and other.pendingReplacement:
            work.state.drop(other)
        elif other.urn == one.urn:  # what was to be replaced
            work.state.swap(other, other.but(delete=True))
    work.state.append(
        one.but(id=ident, outputs=hidden(one, outputs), initErrors=errors, modified=now())
    )
    work.state.forget(operation)
    work.state.save()


def _survivor(work: Work, one: Resource) -> str | None:
    """Return the id of what was made of a resource whose creation was interrupted."""
    kind, cloud, inputs = KINDS[one.type], work.cloud(one), reveal(one.inputs)
    known = {other.id for other in work.state.resources if other.type == one.type}
    if one.id:
        found = [one.id] if kind.read(cloud, one.id, inputs) else []
    else:
        found = kind.find(cloud, inputs)
    ids = [ident for ident in found if ident not in known]
    if len(ids) > 1:
        raise OutsideError(
            f"an interrupted run may have made any of {len(ids)} objects: {', '.join(ids)}",
            why=f"each is what {label(one.urn)} was to be, and none is in the state",
            remedy="delete those that nothing uses, then run again",
            place=one.urn,
        )
    return ids[0] if ids else None
