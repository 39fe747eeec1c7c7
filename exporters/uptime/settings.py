"""What a site's observer is told: observer.yaml and maintenance.yaml."""

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from catalogue.documents import Document, Steps, read
from catalogue.errors import BadInputError
from catalogue.fields import checked
from catalogue.model import Id, Model, Port, Text
from catalogue.problems import Problem, suggestion

SLACK_S = 5
"""How late a probe may begin before the time since the last one is unknown."""

M = TypeVar("M", bound=Model)


def _by_https(url: str) -> str:
    """Return `url`.  Raise ValueError if it is not one of HTTPS."""
    if not url.startswith("https://"):
        raise ValueError("an address by HTTPS is wanted, such as https://monitoring.example:9712")
    return url.rstrip("/")


class SelfCheck(Model):
    """Something that answers whenever the observer's own path to some sites is whole."""

    id: Id
    kind: Literal["icmp", "tcp"]
    address: IPv4Address | IPv6Address
    """It proves the path of its own family alone."""
    port: Port | None = None
    reaches: Annotated[list[Id], Field(min_length=1)]
    """The sites whose path it proves: what lies on the way, or a place outside that is reached the
    same way."""

    @model_validator(mode="after")
    def _ports(self) -> Self:
        if (self.kind == "tcp") != (self.port is not None):
            raise ValueError("a check by tcp has a port, one by icmp has none")
        return self


class Peer(Model):
    """The observer at the other site."""

    site: Id
    url: Annotated[str, AfterValidator(_by_https)]
    """Of its exporter, such as "https://monitoring.backup.dc.example.vn:9712"."""
    user: Text | None = None
    password_file: Path | None = None
    """A file that nobody else reads."""


class Observer(Model):
    """observer.yaml."""

    site: Id
    """Where it stands."""
    interval_s: Annotated[int, Field(ge=5, le=300)] = 30
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 3
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10
    """Of a whole probe; less than the interval."""
    authority: Path | None = None
    """Certificates that the services' are checked against; else the system's."""
    self_checks: tuple[SelfCheck, ...] = ()
    """Without any, what only this observer sees as bad is unknown."""
    peer: Peer | None = None

    @model_validator(mode="after")
    def _times(self) -> Self:
        if self.timeout_s >= self.interval_s:
            raise ValueError("timeout_s must be less than interval_s: no two probes overlap")
        return self

    @property
    def gap_s(self) -> float:
        """How far apart two probes may begin for the time between them to be known."""
        return self.interval_s + SLACK_S

    @property
    def round_s(self) -> float:
        """How often the other observer is asked, and seconds are counted."""
        return self.interval_s / 3

    @property
    def delay_s(self) -> int:
        """How long after a second both observers have told all that they saw of it."""
        return round(self.interval_s + self.timeout_s + SLACK_S + 3 * self.round_s)


class Window(Model):
    """Time in which services may be out for upkeep."""

    id: Id
    services: Annotated[list[Id], Field(min_length=1)]
    start: AwareDatetime
    end: AwareDatetime
    owner: Text
    """Who answers for it."""
    reason: Text

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.end <= self.start:
            raise ValueError("it ends before it starts")
        return self


class Maintenance(Model):
    """maintenance.yaml: windows, each written down before it starts."""

    windows: list[Window]


def observer(file: Path, sites: Collection[str]) -> Observer:
    """Return observer.yaml.  Raise BadInputError if it is not sound or names other sites."""
    found, document = _read(file, Observer)
    named: list[tuple[Steps, str]] = [(("site",), found.site)]
    if found.peer:
        named.append((("peer", "site"), found.peer.site))
    for index, check in enumerate(found.self_checks):
        named += [
            (("self_checks", index, "reaches", place), site)
            for place, site in enumerate(check.reaches)
        ]
    _refuse(document, named, sites, "site")
    return found


def maintenance(file: Path, services: Collection[str]) -> Maintenance:
    """Return maintenance.yaml.  Raise BadInputError if it is not sound or names other services."""
    found, document = _read(file, Maintenance)
    named: list[tuple[Steps, str]] = [
        (("windows", index, "services", place), service)
        for index, window in enumerate(found.windows)
        for place, service in enumerate(window.services)
    ]
    _refuse(document, named, services, "service")
    return found


def _read(file: Path, model: type[M]) -> tuple[M, Document]:
    document, problems = read(file)
    found = None
    if document:
        found, more = checked(document, model)
        problems += more
    if found is None or document is None or problems:
        raise _unsound(file, problems)
    return found, document


def _refuse(
    document: Document, named: Iterable[tuple[Steps, str]], known: Collection[str], kind: str
) -> None:
    """Raise BadInputError for names that the catalogue does not know."""
    problems = [
        document.problem(steps, f'there is no {kind} "{name}"', suggestion(name, known, kind))
        for steps, name in named
        if name not in known
    ]
    if problems:
        raise _unsound(document.file, problems)


def _unsound(file: Path, problems: Sequence[Problem]) -> BadInputError:
    return BadInputError(
        f"{file.name} is not sound",
        why="; ".join(map(str, problems)),
        remedy="mend it at the places named",
        place=str(file),
    )
