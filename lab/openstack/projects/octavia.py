"""Load balancers: in name only, or on a site with hosts, by HAProxy."""
# octavia has no types.
# mypy: disable-error-code="import-untyped"

from typing import Any

import octavia.api.app
import sqlalchemy
from octavia.common import constants
from octavia.db import base_models, models
from sqlalchemy import orm

from lab.openstack import lb
from lab.openstack.project import Project
from lab.openstack.sites import Site

NAMES = {
    models.ProvisioningStatus: constants.SUPPORTED_PROVISIONING_STATUSES,
    models.HealthMonitorType: constants.SUPPORTED_HEALTH_MONITOR_TYPES,
    models.Algorithm: constants.SUPPORTED_LB_ALGORITHMS,
    models.Protocol: constants.SUPPORTED_PROTOCOLS,
    models.OperatingStatus: constants.SUPPORTED_OPERATING_STATUSES,
    models.SessionPersistenceType: constants.SUPPORTED_SP_TYPES,
    models.AmphoraRoles: constants.SUPPORTED_AMPHORA_ROLES,
    models.LBTopology: constants.SUPPORTED_LB_TOPOLOGIES,
    models.VRRPAuthMethod: constants.SUPPORTED_VRRP_AUTH,
    models.L7RuleType: constants.SUPPORTED_L7RULE_TYPES,
    models.L7RuleCompareType: constants.SUPPORTED_L7RULE_COMPARE_TYPES,
    models.L7PolicyAction: constants.SUPPORTED_L7POLICY_ACTIONS,
    models.ClientAuthenticationMode: constants.SUPPORTED_CLIENT_AUTH_MODES,
}


def _sync(site: Site) -> None:
    """
    Make the schema from the models: octavia's migrations do not run on SQLite.

    The migrations also fill tables that others refer to.
    """
    nil = {"id": constants.NIL_UUID}
    deleted = {"name": "DELETED-PLACEHOLDER", "provider_name": "DELETED"}
    engine = sqlalchemy.create_engine(site.database("octavia"))
    base_models.BASE.metadata.create_all(engine)
    with orm.Session(engine) as session, session.begin():
        for model, names in NAMES.items():
            session.add_all(model(name=name) for name in names)
        session.add(models.FlavorProfile(**nil, **deleted, flavor_data="{}"))
        session.add(models.AvailabilityZoneProfile(**nil, **deleted, availability_zone_data="{}"))
        session.flush()
        session.add(
            models.Flavor(
                **nil,
                flavor_profile_id=constants.NIL_UUID,
                enabled=False,
                name="DELETED-PLACEHOLDER",
            )
        )
        session.add(
            models.AvailabilityZone(
                availability_zone_profile_id=constants.NIL_UUID,
                enabled=False,
                name=constants.NIL_UUID,
            )
        )
    engine.dispose()


def _start(site: Site) -> Any:
    app = octavia.api.app.setup_app(
        argv=["octavia", "--config-file", str(site.etc / "octavia/octavia.conf")]
    )
    lb.start(site)
    return app


PROJECT = Project(databases=("octavia",), sync=_sync, start=_start)
