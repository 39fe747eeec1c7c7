"""
What hosts and drills wrote down, as files.

A folder for each database, `SERVICE-DATABASE/`, holds `backups.json`, what `pgbackrest info
--output=json` prints where its store is, and `restore.json`, the last line that
`postgresql-restore-check` printed.  The journal of drills holds a JSON file for each drill.
"""

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from catalogue.errors import OutsideError

LARGEST = 16 * 1024 * 1024

T = TypeVar("T")


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Times(_Part):
    """When a backup began and ended, s since 1970 UTC."""

    start: int
    stop: int


class Backup(_Part):
    """A backup in pgBackRest's store."""

    label: str
    error: bool | None = None
    """Whether pages with wrong checksums were found; None where nobody looked."""
    timestamp: Times


class Stanza(_Part):
    """A cluster's backups."""

    name: str
    backup: list[Backup]


class Restore(_Part):
    """A restore that was read whole (docs/services-on-hosts.md)."""

    cluster: str
    backup: str
    restored: AwareDatetime


class Drill(_Part):
    """A drill of the journal."""

    services: Annotated[list[str], Field(min_length=1)]
    ended: AwareDatetime
    passed: bool


def newest_backup(folder: Path, cluster: str) -> Backup | None:
    """
    Return the newest backup of a cluster whose pages are sound, or None where there is none.

    Raise OutsideError if the record is there and can't be understood.
    """
    stanzas = _read(folder / cluster / "backups.json", TypeAdapter(list[Stanza]))
    sound = [
        one
        for stanza in stanzas or []
        if stanza.name == cluster
        for one in stanza.backup
        if not one.error
    ]
    return max(sound, key=lambda one: one.timestamp.stop, default=None)


def last_restore(folder: Path, cluster: str) -> Restore | None:
    """
    Return the last restore of a cluster that was verified, or None where there was none.

    Raise OutsideError if the record is there and is not of this cluster.
    """
    file = folder / cluster / "restore.json"
    found = _read(file, TypeAdapter(Restore))
    if found and found.cluster != cluster:
        raise _faulty(file, f'it is of "{found.cluster}"')
    return found


def last_drills(journal: Path) -> tuple[dict[str, Drill], list[OutsideError]]:
    """Return each service's last drill, and what of the journal could not be understood."""
    found: dict[str, Drill] = {}
    faults = []
    for file in sorted(journal.glob("*.json")):
        try:
            drill = _read(file, TypeAdapter(Drill))
        except OutsideError as error:
            faults.append(error)
            continue
        for service in drill.services if drill else ():
            before = found.get(service)
            if drill and (before is None or before.ended < drill.ended):
                found[service] = drill
    return found, faults


def _read(file: Path, kind: TypeAdapter[T]) -> T | None:
    """Return what the file holds, or None if it is missing."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _faulty(file, error.strerror or str(error)) from None
    if len(content) > LARGEST:
        raise _faulty(file, f"it has more than {LARGEST} bytes")
    try:
        return kind.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _faulty(file, f"{where}: {first['msg']}" if where else first["msg"]) from None


def _faulty(file: Path, why: str) -> OutsideError:
    return OutsideError(
        "a record cannot be understood",
        why=why,
        remedy="see what wrote it, and whether it was written whole",
        place=str(file),
    )
