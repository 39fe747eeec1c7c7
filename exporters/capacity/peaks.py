"""Measured peaks of power, from any API that speaks as Prometheus's does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from catalogue.errors import OutsideError
from catalogue.model import Rack, Site
from exporters.capacity.amounts import Amount

TIMEOUT_S = 30
DAYS = 30


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where it is; `authority` holds the certificates that its own is checked against."""

    url: str
    authority: Path | None = None


def query(site: Site, rack: Rack) -> str:
    """
    Return what asks for the highest sum of the rack's feeds within the days before, W.

    Both feeds at the same moment: their single peaks need not come together.  Of meters in a rack,
    those that hang below others of it (servers below PDUs) are in their figures already; a meter
    that two exporters show counts once.
    """
    own = {meter.id: meter for meter in site.meters if meter.rack == rack.id}
    feeds = [one.id for one in own.values() if not {one.parent, one.second_parent} & set(own)]
    series = f'citydc_power_watts{{site="{site.id}",node=~"{"|".join(feeds)}"}}'
    return f"max_over_time(sum(max by (node) ({series}))[{DAYS}d:5m])"


async def measured(client: httpx.AsyncClient, site: Site) -> dict[str, float | None]:
    """
    Return each rack's measured peak, W, by its id; None for one that was never measured.

    Raise OutsideError if nothing answers.
    """
    return {rack.id: await _value(client, query(site, rack)) for rack in site.racks}


def racks(site: Site, peaks: Mapping[str, float | None]) -> list[Amount]:
    """Return each rack's peak against its supply, and against its cooling where it is known."""
    return [
        Amount(resource, "rack", rack.id, peaks.get(rack.id), limit)
        for rack in site.racks
        for resource, limit in (("power", rack.power_w), ("heat", rack.cooling_w))
        if limit is not None
    ]


async def _value(client: httpx.AsyncClient, text: str) -> float | None:
    try:
        response = await client.get("/api/v1/query", params={"query": text})
        response.raise_for_status()
        result = response.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        raise OutsideError(
            "the measured peaks cannot be had",
            why=f"{type(error).__name__}: {error}",
            remedy="see whether --prometheus is one, and answers",
        ) from None
