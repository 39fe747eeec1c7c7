"""
What hosts and drills wrote down.

Of each database there are `backups.json`, what `pgbackrest info --output=json` or `mariadb-store
list` printed where its store is, and `restore.json`, the last line that the restore's check said.
Database servers tell theirs (`postgresql`, `mariadb`); others lie in a folder, `SERVICE-DATABASE/`.
The journal of drills holds a JSON file for each drill.
"""

from dataclasses import dataclass
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
    """A backup in the store."""

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


@dataclass(frozen=True, slots=True)
class Records:
    """What is written down of a database at one place; None for what is not there."""

    place: str
    backups: str | bytes | None = None
    restore: str | bytes | None = None


def kept(folder: Path, cluster: str) -> Records:
    """Return a cluster's records in a folder.  Raise OutsideError if they can't be read."""
    place = folder / cluster
    return Records(str(place), _content(place / "backups.json"), _content(place / "restore.json"))


def newest_backup(found: Records, cluster: str) -> Backup | None:
    """
    Return the newest backup of a cluster whose pages are sound, or None where there is none.

    Raise OutsideError if the record is there and can't be understood.
    """
    if found.backups is None:
        return None
    file = f"{found.place}/backups.json"
    sound = [
        one
        for stanza in _parsed(found.backups, TypeAdapter(list[Stanza]), file)
        if stanza.name == cluster
        for one in stanza.backup
        if not one.error
    ]
    return max(sound, key=lambda one: one.timestamp.stop, default=None)


def last_restore(found: Records, cluster: str) -> Restore | None:
    """
    Return the last restore of a cluster that was verified, or None where there was none.

    Raise OutsideError if the record is there and is not of this cluster.
    """
    if found.restore is None:
        return None
    file = f"{found.place}/restore.json"
    restore = _parsed(found.restore, TypeAdapter(Restore), file)
    if restore.cluster != cluster:
        raise _faulty(file, f'it is of "{restore.cluster}"')
    return restore


def last_drills(journal: Path) -> tuple[dict[str, Drill], list[OutsideError]]:
    """Return each service's last drill, and what of the journal could not be understood."""
    found: dict[str, Drill] = {}
    faults = []
    for file in sorted(journal.glob("*.json")):
        try:
            content = _content(file)
            if content is None:
                continue
            drill = _parsed(content, TypeAdapter(Drill), str(file))
        except OutsideError as error:
            faults.append(error)
            continue
        for service in drill.services:
            before = found.get(service)
            if before is None or before.ended < drill.ended:
                found[service] = drill
    return found, faults


def _content(file: Path) -> bytes | None:
    """Return what the file holds, or None if it is missing."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _faulty(str(file), error.strerror or str(error)) from None
    if len(content) > LARGEST:
        raise _faulty(str(file), f"it has more than {LARGEST} bytes")
    return content


def _parsed(content: str | bytes, kind: TypeAdapter[T], place: str) -> T:
    try:
        return kind.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _faulty(place, f"{where}: {first['msg']}" if where else first["msg"]) from None


def _faulty(place: str, why: str) -> OutsideError:
    return OutsideError(
        "a record cannot be understood",
        why=why,
        remedy="see what wrote it, and whether it was written whole",
        place=place,
    )
