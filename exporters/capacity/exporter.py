"""The capacity exporter: every few minutes it reads the sites' clouds, and serves what it found."""

import asyncio
import logging
from collections.abc import Iterable, Sequence

import httpx
from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from catalogue.errors import OutsideError
from catalogue.model import Catalogue, Site
from exporters.capacity import failover, peaks, reading
from exporters.capacity.peaks import Prometheus
from exporters.capacity.reading import Found
from exporters.families import Families, Family
from exporters.outputs import Outputs
from exporters.trust import trusting

_log = logging.getLogger(__name__)
PERIOD_S = 300


class Metrics(Families):
    """All families; what is not known is absent."""

    def __init__(self) -> None:
        labels = ("site", "resource", "scope", "name")
        self.used = Family("citydc_capacity_used", "gauge", "What is taken of a resource.", labels)
        self.limit = Family("citydc_capacity_limit", "gauge", "What there is of it.", labels)
        self.headroom = Family(
            "citydc_failover_headroom_ratio",
            "gauge",
            "What a takeover of the tiers active and warm-standby would leave of a standby site, as"
            " a share of its limit; below 0 it would not fit.",
            ("site", "resource"),
            "ratio",
        )
        self.unplaced = Family(
            "citydc_failover_unplaced_servers",
            "gauge",
            "Servers of those tiers that would find no node with room for them.",
            ("site",),
        )
        self.up = Family(
            "citydc_capacity_source_up",
            "gauge",
            "Whether a source could be read when it was read last.",
            ("site", "source"),
        )


class CapacityExporter:
    """The sites whose outputs are given."""

    def __init__(
        self, catalogue: Catalogue, stacks: Iterable[Outputs], prometheus: Prometheus | None
    ) -> None:
        """Raise BadInputError if clouds.yaml lacks a site's cloud."""
        self.registry = CollectorRegistry()
        self._catalogue = catalogue
        self._stacks = {one.site: one for one in stacks}
        self._clouds = {name: reading.connect(catalogue.sites[name]) for name in self._stacks}
        self._prometheus = prometheus
        self._metrics = Metrics()
        self._shown: dict[str, set[tuple[str, str, str, str]]] = {}

    def families(self) -> Iterable[Family]:
        """Return the families as they are now."""
        return self._metrics.families()

    def routes(self) -> Sequence[BaseRoute]:
        """Return nothing beside what all exporters answer."""
        return []

    def unready(self) -> str:
        """Return which sites were never read; empty when all were."""
        missing = sorted(self._stacks.keys() - self._shown.keys())
        return f"not read yet: {', '.join(missing)}" if missing else ""

    async def reload(self) -> None:
        """Do nothing: what it is given changes with a new start."""

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._stacks:
                group.create_task(self._keep_reading(self._catalogue.sites[name]))

    async def _keep_reading(self, site: Site) -> None:
        while True:
            found = await asyncio.to_thread(
                reading.read, self._clouds[site.id], site.id, self._stacks[site.id].projects
            )  # openstacksdk blocks: one thread for each site
            found.amounts += peaks.racks(site, await self._peaks(site, found))
            self._show(site, found)
            await asyncio.sleep(PERIOD_S)

    async def _peaks(self, site: Site, found: Found) -> dict[str, float | None]:
        """Return the racks' measured peaks, where there is a Prometheus that answers."""
        if not self._prometheus:
            return {}
        async with httpx.AsyncClient(
            base_url=self._prometheus.url,
            verify=trusting(self._prometheus.authority),
            timeout=peaks.TIMEOUT_S,
            trust_env=False,
        ) as client:
            try:
                measured = await peaks.measured(client, site)
            except OutsideError as error:
                found.up["prometheus"] = False
                _log.warning("%s: %s", site.id, " ".join(str(error).split()))
                return {}
            found.up["prometheus"] = True
            return measured

    def _show(self, site: Site, found: Found) -> None:
        metrics = self._metrics
        for source, up in found.up.items():
            metrics.up.set((site.id, source), up)
        now = set()
        for one in found.amounts:
            labels = (site.id, one.resource, one.scope, one.name)
            now.add(labels)
            for family, value in ((metrics.used, one.used), (metrics.limit, one.limit)):
                if value is None:
                    family.drop(labels)
                else:
                    family.set(labels, value)
        for labels in self._shown.get(site.id, set()) - now:
            metrics.used.drop(labels)
            metrics.limit.drop(labels)
        self._shown[site.id] = now
        if site.role == "standby":
            self._show_failover(site, found)

    def _show_failover(self, site: Site, found: Found) -> None:
        servers = failover.to_start(self._catalogue, site, self._stacks[site.id].profile)
        ratios = failover.ratios(site, found.amounts, servers)
        for resource in failover.RESOURCES:
            ratio = ratios.get(resource)
            if ratio is None:
                self._metrics.headroom.drop((site.id, resource))
            else:
                self._metrics.headroom.set((site.id, resource), ratio)
        if found.nodes is None:
            self._metrics.unplaced.drop((site.id,))
        else:
            free = [one.limit - one.used for one in found.nodes]
            self._metrics.unplaced.set((site.id,), failover.unplaced(servers, free))
