"""What all parts of a run share: the state, the clouds, who is told, and whether to go on."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from lab.engine.cloud import Cloud
from lab.engine.failures import of_resource
from lab.engine.plan import Approved
from lab.engine.resource import PROVIDERS, Resource
from lab.engine.result import Recorder
from lab.engine.state import State
from lab.engine.values import has_unknown, reveal


class Clouds:
    """The clouds that a run's providers stand for, each connected once.  Safe for many threads."""

    def __init__(self, make: Callable[[Mapping[str, Any]], Cloud] = Cloud) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._settings: dict[str, Any] = {}
        self._clouds: dict[str, Cloud] = {}

    def offer(self, provider: Resource) -> None:
        """Let a provider's URN stand for what its inputs say from now on."""
        settings = {
            name: value for name, value in provider.inputs.items() if not name.startswith("__")
        }
        with self._lock:
            if self._settings.get(provider.urn) != settings:
                self._settings[provider.urn] = settings
                self._clouds.pop(provider.urn, None)

    def knows(self, urn: str) -> bool:
        """Whether the provider's settings are all known."""
        with self._lock:
            return urn in self._settings and not has_unknown(self._settings[urn])

    def get(self, urn: str) -> Cloud | None:
        """
        Return a provider's cloud, or None while its settings are not known.

        Raise LookupError for a provider that was never offered.
        """
        with self._lock:
            if urn not in self._clouds:
                if urn not in self._settings:
                    raise LookupError(f"there is no provider {urn}")
                if has_unknown(self._settings[urn]):
                    return None
                self._clouds[urn] = self._make(reveal(self._settings[urn]))
            return self._clouds[urn]

    def project(self, urn: str) -> str:
        """Return the id of the project that a provider works in, "" where it has none."""
        with self._lock:
            ident = reveal(self._settings.get(urn, {}).get("tenantId"))
        return ident if isinstance(ident, str) else ""

    def others(self, own: Cloud) -> list[Cloud]:
        """Return the clouds of all other providers whose settings are known."""
        found = [self.get(urn) for urn in list(self._settings) if self.knows(urn)]
        return [cloud for cloud in found if cloud is not None and cloud is not own]


class Work:
    """One run's shared parts."""

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        state: State,
        recorder: Recorder,
        clouds: Clouds,
        *,
        parallel: int,
        preview: bool,
        approved: Approved | None = None,
    ) -> None:
        self.state, self.recorder, self.clouds = state, recorder, clouds
        self.parallel, self.preview, self.approved = parallel, preview, approved
        self.failed: set[str] = set()  # URNs of what failed or was skipped
        self.stop = threading.Event()  # set: start nothing more
        for one in state.resources:
            if one.type.startswith(PROVIDERS) and not clouds.knows(one.urn):
                clouds.offer(one)

    def cloud(self, resource: Resource) -> Cloud:
        """Return the cloud of a resource.  Raise LookupError if it cannot be known yet."""
        cloud = self.clouds.get(resource.provider_urn)
        if cloud is None:
            raise LookupError(f"{resource.provider_urn} is not configured yet")
        return cloud

    def allow(self, op: str, urn: str, goal: Resource | None = None) -> None:
        """Raise OutsideError for a step that the run's plan, if it has one, does not have."""
        if self.approved and not self.preview:
            self.approved.allow(op, urn, goal)

    def allow_stray(self, urn: str, ident: str) -> None:
        """Raise OutsideError for a stray that the run's plan, if it has one, does not remove."""
        if self.approved and not self.preview:
            self.approved.allow_stray(urn, ident)

    def fail(self, op: str, urn: str, error: Exception) -> None:
        """Note that a step on a resource failed."""
        group, shown = of_resource(op, urn, error)
        self.failed.add(urn)
        self.recorder.undone(urn)
        self.recorder.error(shown, group)

    def skip(self, urn: str) -> None:
        """Note that a resource was not tried."""
        self.failed.add(urn)
        self.recorder.skipped.add(urn)

    @property
    def hopeless(self) -> bool:
        """Whether nothing more is to be started."""
        return self.stop.is_set() or bool(self.failed) or self.state.failure is not None
