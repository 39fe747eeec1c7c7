"""From what went wrong to the one error that a user sees."""

import re
import traceback
from collections.abc import Hashable
from pathlib import Path

from pulumi import RunError

from catalogue.errors import BadInputError, CityDCError, OutsideError
from lab.engine.cloud import ApiError, Reason, StateError
from lab.engine.resource import PROVIDERS

_VERBS = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "read": "read",
}
_OF_THE_CLOUD = {Reason.QUOTA, Reason.NO_VALID_HOST}
_NO_RESOURCES = {
    Reason.CREDENTIALS: "the cloud refuses the credentials",
    Reason.UNREACHABLE: "the cloud does not answer",
}
_FAULTS = {
    Reason.FORBIDDEN: "the credentials'",
    Reason.BAD_REQUEST: "the program's",
    Reason.BROKEN: "the cloud's",
    Reason.QUOTA: "the project's quota",
    Reason.NO_VALID_HOST: "the cloud's capacity",
}


class SkippedError(Exception):
    """Something was not tried, because something else failed."""


class StoppedError(CityDCError):
    """The user stopped the run before its end."""

    exit_code = 130  # as a shell counts what Ctrl-C ended


def label(urn: str) -> str:
    """Return a resource's type and name, as a person would say them."""
    *_, types, name = urn.split("::")
    return f"{types.rsplit('$', 1)[-1]} {name}"


def of_resource(op: str, urn: str, error: Exception) -> tuple[Hashable, CityDCError]:
    """
    Return the error of a step on a resource, and the group of which one is enough.

    What is wrong with the cloud as a whole (credentials, reach, quota, capacity) is one group,
    whichever resources met it.
    """
    if isinstance(error, (ApiError, StateError)):
        return _of_cloud(op, urn, error)
    if isinstance(error, CityDCError):
        return str(error), error
    return (
        urn,
        OutsideError(
            f"{label(urn)} could not be {_VERBS.get(op, op)}",
            why=f"{type(error).__name__}: {error}",
            remedy="if the program is right, this is a fault of the embedded engine: report it",
            place=urn,
        ),
    )


def _of_cloud(op: str, urn: str, error: ApiError | StateError) -> tuple[Hashable, CityDCError]:
    reason = error.reason
    asked = f"{error.what}: {error.why}" if isinstance(error, ApiError) else error.why
    if reason in _NO_RESOURCES:
        kind = BadInputError if reason is Reason.CREDENTIALS else OutsideError
        place = urn if urn.startswith("urn:") else ""  # a data source has none
        what = _NO_RESOURCES[reason]
        return reason, kind(what, why=_short(asked), remedy=error.remedy, place=place)
    fault = f"; the fault is {_FAULTS[reason]}" if reason in _FAULTS else ""
    group: Hashable = reason if reason in _OF_THE_CLOUD else urn
    return group, OutsideError(
        f"{label(urn)} could not be {_VERBS.get(op, op)}",
        why=asked + fault,
        remedy=error.remedy,
        place=urn,
    )


def _short(why: str) -> str:
    """Return what was tried and how it failed, without the libraries' words in between."""
    found = re.search(r"(Unable to establish connection to \S+): .*\[Errno \d+\] ([^'\")]+)", why)
    return f"{found[1]}: {found[2]}" if found else why


def of_program(error: BaseException, folder: Path) -> CityDCError:
    """Return the error of a program that raised: where in the program, and what."""
    if isinstance(error, CityDCError):
        return error
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if folder in path.parents and "site-packages" not in path.parts:
            place = f"{path}:{frame.lineno}"
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}:{error.lineno}:{error.offset}"
    if isinstance(error, RunError):
        why = str(error)
    else:
        text = " ".join(str(error).split())
        why = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return BadInputError(
        "the Pulumi program failed",
        why=why,
        remedy="correct the program; nothing was changed",
        place=place or str(folder),
    )


def unknown_type(token: str, urn: str) -> CityDCError:
    """Return the error for a resource type that this engine does not know."""
    known = "a provider" if token.startswith(PROVIDERS) else "the type"
    return BadInputError(
        f"the embedded engine does not know {known} {token}",
        remedy="use the official CLI, or take the resource out of the program",
        place=urn,
    )


def protected(urns: list[str], what: str) -> CityDCError:
    """Return the error for protected resources that a run would delete or replace."""
    names = ", ".join(label(urn) for urn in urns)
    return BadInputError(
        f"protected resources would be {what}: {names}",
        why="the program has declared them with protect=True; nothing was deleted",
        remedy="set protect=False in the program and deploy, then try again",
        place=urns[0],
    )
