"""The database servers of the stacks, and how far a standby lags by what it and others say."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address

from catalogue import recovery
from catalogue.errors import OutsideError
from catalogue.model import Catalogue, Database
from exporters.outputs import Outputs
from exporters.recovery.records import Records

ENGINES = ("postgresql", "mariadb")
"""Those whose servers are asked."""
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Server:
    """A server of a database."""

    service: str
    database: str
    site: str
    name: str
    role: str
    """ "primary" or "standby", as it was deployed; a takeover changes which takes writes."""
    address: IPv6Address
    port: int
    engine: str

    def __str__(self) -> str:
        return f"{self.name} at {self.site}"


@dataclass(frozen=True, slots=True)
class Status:
    """What a server says of itself."""

    follows: bool
    """Whether it is a standby."""
    position: int
    """How far its log is written, or replayed: bytes of PostgreSQL's, transactions of MariaDB's."""
    replayed: datetime | None
    """When the last transaction that a standby replayed was committed, as far as it tells."""
    records: Records | None = None
    """What is written down there; None where it can't be asked for."""


def servers(catalogue: Catalogue, stacks: Iterable[Outputs]) -> list[Server]:
    """Return the servers of the stacks that can be asked."""
    found = []
    for outputs in stacks:
        for host in outputs.hosts:
            service = catalogue.services[host.service]
            part = next(one for one in recovery.parts(service) if one.id == host.component)
            if isinstance(part, Database) and part.engine in ENGINES:
                found.append(
                    Server(
                        service.id,
                        part.id,
                        outputs.site,
                        host.name,
                        host.role,
                        host.ipv6,
                        part.port,
                        part.engine,
                    )
                )
    return found


def lag_s(standby: Status, written: int | None, now: datetime) -> float | None:
    """
    Return how old what a standby has is, s: what would be lost if it took over now, at most.

    `written` is how far the primary's log was before the standby was asked: a standby that has all
    of it lags 0 s, however long nothing was written.  Without a primary that answers, or behind it,
    it is the age of the last transaction replayed.  None where it never replayed one.
    """
    if written is not None and standby.position >= written:
        return 0.0
    if standby.replayed is None:
        return None
    return max(0.0, (now - standby.replayed).total_seconds())


def unanswered(server: Server, error: Exception) -> OutsideError:
    """Return what is said of a server that could not be asked."""
    return OutsideError(
        f"{server} cannot be asked",
        why=str(error) or type(error).__name__,
        remedy="see whether it runs, and lets the exporter's account log in",
    )
