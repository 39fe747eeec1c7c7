"""
An octavia provider that does every change at once.

The API leaves what it changes PENDING until its provider reports back; here a thread sweeps up
whatever is pending, through octavia's own status updates.  On a site with hosts the balancers are
made before (`balancing`) and their members watched; without, they are there in name only.
"""
# octavia has no types.
# mypy: disable-error-code="import-untyped, misc"

import threading
import time
from typing import Any

from octavia.api.drivers.driver_agent import driver_updater
from octavia.common import constants
from octavia.db import api, models
from octavia_lib.api.drivers import provider_base
from oslo_log import log

from lab.openstack import balancing, haproxy
from lab.openstack.sites import Site

LOG = log.getLogger(__name__)
PAUSE_S, IDLE_S = 0.1, 1
CHANGED = threading.Event()  # wakes the sweeper

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

    def _done(self, *_args: Any, **_more: Any) -> None:
        CHANGED.set()

    def create_vip_port(self, *_args: Any, **_more: Any) -> None:
        """Let octavia ask neutron itself for the port."""
        raise NotImplementedError


def start(site: Site) -> None:
    """Start the thread that sweeps in this process, which is the site's."""
    threading.Thread(target=_sweep, args=(site,), daemon=True).start()


def _sweep(site: Site) -> None:
    plane: balancing.Plane | None = None
    while True:
        try:
            if site.hosts and not plane:
                plane = balancing.Plane(site)
            if plane and not plane.is_up:
                plane.apply()
            while _settle(plane):
                time.sleep(PAUSE_S)
            if plane:
                _report(plane.statuses())
        except Exception:
            LOG.exception("Sweep failed, will be tried again")
        # The API tells of a change before it has committed it, so a look may come too early.
        CHANGED.wait(IDLE_S)
        CHANGED.clear()
        time.sleep(PAUSE_S)


def _settle(plane: balancing.Plane | None) -> bool:
    """Do what is pending, and report it as done; say whether there was anything."""
    found = _pending(spread=plane is not None)
    if not any(found.values()):
        return False
    if plane:
        plane.apply()
    _report(found)
    return True


def _report(found: dict[str, list[dict[str, str]]]) -> None:
    driver_updater.DriverUpdater().update_loadbalancer_status(found)


def _pending(*, spread: bool) -> dict[str, list[dict[str, str]]]:
    """Give what is pending, by kind, with its outcome; `spread` says whether packets flow."""
    found = {}
    session = api.get_session()
    with session.begin():
        for kind, model in KINDS.items():
            rows = session.query(model).filter(model.provisioning_status.like("PENDING_%"))
            found[kind] = [
                _outcome(
                    row.id, row.provisioning_status, done=not spread or haproxy.is_spread(kind, row)
                )
                for row in rows
            ]
    return found


def _outcome(id_: str, status: str, *, done: bool) -> dict[str, str]:
    if status == constants.PENDING_DELETE:
        return {"id": id_, "provisioning_status": constants.DELETED}
    return {
        "id": id_,
        "provisioning_status": constants.ACTIVE if done else constants.ERROR,
        "operating_status": constants.ONLINE if done else constants.ERROR,
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
