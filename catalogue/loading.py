"""The catalogue's files: found, read, checked one by one and together."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from catalogue.documents import Document, Steps, read
from catalogue.fields import checked
from catalogue.model import (
    Catalogue,
    City,
    Component,
    Database,
    Factors,
    Service,
    Site,
    Targets,
)
from catalogue.problems import Problem

SINGLE: dict[str, type[BaseModel]] = {"city": City, "targets": Targets, "factors": Factors}
FOLDERS: dict[str, type[BaseModel]] = {"sites": Site, "services": Service}
INVENTORY = ".inventory.yaml"
"""Ends the names of files, beside the services', that say which resources a service must give."""


@dataclass(slots=True)
class Draft:
    """
    What could be read of a catalogue, sound or not.

    A file is known by its key: "city", "sites/main", "services/lgsp".
    """

    folder: Path
    files: set[str]
    """Every file that is there, readable or not."""
    documents: dict[str, Document]
    """Those that are YAML with fields."""
    models: dict[str, BaseModel]
    """Those whose every field is sound."""

    def of_kind(self, kind: str) -> Iterator[tuple[str, Document]]:
        """Yield the key and the document of each readable file of a kind: "city", "services"."""
        for key, document in self.documents.items():
            if key.partition("/")[0] == kind:
                yield key, document

    @property
    def city(self) -> City | None:
        """The city, if its file is sound."""
        found = self.models.get("city")
        return found if isinstance(found, City) else None

    @property
    def sites(self) -> dict[str, Site]:
        """The sound sites by their files' names."""
        return {
            key.partition("/")[2]: one for key, one in self.models.items() if isinstance(one, Site)
        }

    @property
    def services(self) -> dict[str, Service]:
        """The sound services by their files' names."""
        return {
            key.partition("/")[2]: one
            for key, one in self.models.items()
            if isinstance(one, Service)
        }

    def problem(self, key: str, steps: Steps, what: str, remedy: str, *, why: str = "") -> Problem:
        """Return a problem at the value with that path in the file with that key."""
        return self.documents[key].problem(steps, what, remedy, why=why)

    def catalogue(self) -> Catalogue | None:
        """Return the sound files together, or None while the single ones are not all sound."""
        city, targets, factors = (self.models.get(name) for name in SINGLE)
        if isinstance(city, City) and isinstance(targets, Targets) and isinstance(factors, Factors):
            return Catalogue(
                city=city,
                sites=self.sites,
                services=self.services,
                targets=targets,
                factors=factors,
            )
        return None


def located_parts(service: Service) -> Iterator[tuple[Steps, Component | Database]]:
    """Yield a service's components and databases with their paths in its file."""
    for index, component in enumerate(service.components):
        yield ("components", index), component
    for index, database in enumerate(service.databases):
        yield ("databases", index), database


def drafted(folder: Path) -> tuple[Draft, list[Problem]]:
    """Read every file of the catalogue in `folder`; return it and what is wrong file by file."""
    draft = Draft(folder, set(), {}, {})
    expected, problems = _expected(folder, draft.files)
    for key, model in expected.items():
        document, found = read(folder / f"{key}.yaml")
        problems += found
        if document is None:
            continue
        draft.documents[key] = document
        sound, wrong = checked(document, model)
        problems += wrong
        if sound is not None:
            draft.models[key] = sound
    return draft, problems


def _expected(folder: Path, files: set[str]) -> tuple[dict[str, type[BaseModel]], list[Problem]]:
    """
    Return each file to read, by its key, and a problem for each that lacks or is misnamed.

    Add the keys of all of them to `files`, the misnamed ones too.
    """
    entries = _entries(folder)
    if entries is None:
        return {}, [_lacking(folder, "is no folder that can be read", "give city.yaml's folder")]
    expected: dict[str, type[BaseModel]] = {}
    problems = list(_misnamed(entries, SINGLE))
    for name, model in SINGLE.items():
        if folder / f"{name}.yaml" in entries:
            expected[name] = model
        else:
            problems.append(_lacking(folder / f"{name}.yaml", "is missing", "create it"))
    for name, model in FOLDERS.items():
        inner = _entries(folder / name)
        if inner is None:
            what = "is no folder that can be read"
            problems.append(_lacking(folder / name, what, "create this folder with its files"))
            continue
        problems += _misnamed(inner, [file.stem for file in inner])
        found = {f"{name}/{file.stem}": model for file in inner if file.suffix == ".yaml"}
        if not found:
            remedy = f"describe one of the {name} in a file here"
            problems.append(_lacking(folder / name, "has no .yaml files", remedy))
        expected |= found
        files |= {f"{name}/{file.stem}" for file in inner if file.suffix == ".yml"}
    files |= set(expected)
    return expected, problems


def _entries(folder: Path) -> list[Path] | None:
    """Return what is in the folder, without hidden files and inventories; None if unreadable."""
    try:
        return sorted(
            file
            for file in folder.iterdir()
            if not file.name.startswith(".") and not file.name.endswith(INVENTORY)
        )
    except OSError:
        return None


def _lacking(file: Path, what: str, remedy: str) -> Problem:
    return Problem(file, 1, 1, "", what, "", remedy)


def _misnamed(entries: list[Path], known: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each file that someone meant for the catalogue but nothing reads."""
    for file in entries:
        if file.suffix == ".yml":
            what = "is not read, for its name's ending"
            yield _lacking(file, what, f"rename it to {file.stem}.yaml")
        elif file.suffix == ".yaml" and file.stem not in known:
            remedy = "move it into sites/ or services/, or remove it"
            yield _lacking(file, "is not read here", remedy)
