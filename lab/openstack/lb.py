"""
An octavia provider for which every change is done at once.

The API leaves what it changes PENDING until its provider reports back; here a thread sweeps up
whatever is pending, through octavia's own status updates.
"""
# octavia has no types.
# mypy: disable-error-code="import-untyped, misc"

import functools
import os
import threading
import time
from typing import Any

from octavia.api.drivers.driver_agent import driver_updater
from octavia.common import constants
from octavia.db import api, models
from octavia_lib.api.drivers import provider_base
from oslo_log import log

LOG = log.getLogger(__name__)
PAUSE_S, IDLE_S = 0.1, 1
LOCK = threading.Lock()

# In the order in which they may go.
KINDS = {
    constants.MEMBERS: models.Member,
    constants.HEALTHMONITORS: models.HealthMonitor,
    constants.L7RULES: models.L7Rule,
    constants.L7POLICIES: models.L7Policy,
    constants.POOLS: models.Pool,
    constants.LISTENERS: models.Listener,
    constants.LOADBALANCERS: models.LoadBalancer,
}


class Driver(provider_base.ProviderDriver):
    """What the provider `citydc` stands for; the entry point names it."""

    def __init__(self) -> None:
        super().__init__()
        with LOCK:  # octavia makes a driver for each request
            self._changed = _sweeper(os.getpid())

    def _done(self, *_args: Any, **_more: Any) -> None:
        self._changed.set()

    def create_vip_port(self, *_args: Any, **_more: Any) -> None:
        """Let octavia ask neutron itself for the port."""
        raise NotImplementedError


@functools.cache
def _sweeper(pid: int) -> threading.Event:
    """Start the thread that sweeps in this process; return what wakes it."""
    del pid
    changed = threading.Event()
    changed.set()  # what an earlier process left pending
    threading.Thread(target=_sweep, args=(changed,), daemon=True).start()
    return changed


def _sweep(changed: threading.Event) -> None:
    while True:
        # The API tells of a change before it has committed it, so a look may come too early.
        changed.wait(IDLE_S)
        changed.clear()
        time.sleep(PAUSE_S)
        try:
            while _settle():
                time.sleep(PAUSE_S)
        except Exception:
            LOG.exception("Sweep failed, will be tried again")


def _settle() -> bool:
    """Report all that is pending as done; say whether there was anything."""
    found = _pending()
    if not any(found.values()):
        return False
    driver_updater.DriverUpdater().update_loadbalancer_status(found)
    return True


def _pending() -> dict[str, list[dict[str, str]]]:
    found = {}
    session = api.get_session()
    with session.begin():
        for kind, model in KINDS.items():
            rows = (
                session.query(model.id, model.provisioning_status)
                .filter(model.provisioning_status.like("PENDING_%"))
                .all()
            )
            found[kind] = [_outcome(*row) for row in rows]
    return found


def _outcome(id_: str, status: str) -> dict[str, str]:
    if status == constants.PENDING_DELETE:
        return {"id": id_, "provisioning_status": constants.DELETED}
    return {
        "id": id_,
        "provisioning_status": constants.ACTIVE,
        "operating_status": constants.ONLINE,
    }


def _accept(*_args: Any) -> None:
    pass


def _metadata(*_args: Any) -> dict[str, str]:
    return {"none": "accepted and ignored"}


for _name in dir(provider_base.ProviderDriver):
    if _name.endswith(("_create", "_update", "_delete", "_failover")):
        setattr(Driver, _name, Driver._done)  # noqa: SLF001  (its own class)
for _name in ("validate_flavor", "validate_availability_zone"):
    setattr(Driver, _name, _accept)
for _name in ("get_supported_flavor_metadata", "get_supported_availability_zone_metadata"):
    setattr(Driver, _name, _metadata)
