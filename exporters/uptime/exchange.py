"""
What the observers tell each other: each serves what it saw itself, and asks the other for the same.

By HTTPS with the exporter's own TLS and basic auth.  Nothing that the other says of a third party's
view, of unknown targets or of the future is taken.
"""

from collections.abc import Collection
from typing import Annotated

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalogue.errors import OutsideError
from exporters.trust import password, trusting
from exporters.uptime.settings import Observer, Peer
from exporters.uptime.settling import SELF
from exporters.uptime.states import Seen, Span
from exporters.uptime.store import Store

PATH = "/observations"
LARGEST = 16 * 1024 * 1024
TIMEOUT_S = 8
SKEW_S = 5
"""How far apart the observers' clocks may be."""

Moment = Annotated[int, Field(ge=0, le=2**40)]


class Observations(BaseModel):
    """What one observer saw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    observer: str
    time: Moment
    """By its clock, when this was written."""
    targets: dict[str, list[tuple[Moment, Moment, Seen]]]
    """Start, end and what was seen, by the targets' ids."""


def observations(store: Store, observer: str, since: int, now: int) -> Observations:
    """Return what the store's own observer saw since then."""
    found = store.spans(since, now + 1, observer)
    return Observations(
        observer=observer,
        time=now,
        targets={
            target: [(one.start, one.end, one.seen) for one in spans]
            for (_, target), spans in found.items()
        },
    )


def taken(said: Observations, peer: str, known: Collection[str], now: int) -> dict[str, list[Span]]:
    """
    Return what to keep of what the peer said.

    Raise OutsideError if another observer answered, or its clock is not ours.
    """
    if said.observer != peer:
        raise _refused(f'it is "{said.observer}"', "mend the peer in observer.yaml")
    if abs(said.time - now) > SKEW_S:
        raise _refused(f"its clock differs by {said.time - now} s", "synchronise the clocks by NTP")
    return {
        target: [Span(*one) for one in spans if one[0] <= one[1] <= said.time]
        for target, spans in said.targets.items()
        if target in known or target.startswith(f"{SELF}/")
    }


class Client:
    """Asks the other observer; one connection is kept."""

    def __init__(self, peer: Peer, settings: Observer) -> None:
        """Raise BadInputError if the password or the authority can't be read."""
        secret = password(peer.password_file) if peer.password_file else ""
        self._client = httpx.AsyncClient(
            base_url=peer.url,
            auth=(peer.user, secret) if peer.user else None,
            verify=trusting(settings.authority),
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    async def ask(self, since: int) -> Observations:
        """Return what the other observer saw since then.  Raise OutsideError if it can't be had."""
        try:
            async with self._client.stream("GET", PATH, params={"since": since}) as response:
                if response.status_code != httpx.codes.OK:
                    raise _refused(f"status {response.status_code}", "see its log")
                body = bytearray()
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > LARGEST:
                        raise _refused(f"more than {LARGEST} bytes", "see what answers there")
            return Observations.model_validate_json(bytes(body))
        except httpx.HTTPError as error:
            raise _refused(
                str(error) or type(error).__name__, "see whether it runs and the link is whole"
            ) from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise _refused(first["msg"], "see whether it is the same release") from None

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def _refused(why: str, remedy: str) -> OutsideError:
    return OutsideError("the other observer's view cannot be had", why=why, remedy=remedy)
