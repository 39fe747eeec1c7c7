"""
An ML2 mechanism driver with no data plane: it binds every port at once.

With it come a QoS and a trunk driver that accept everything, since those plug-ins refuse what no
driver supports.
"""
# neutron has no types.
# mypy: disable-error-code="import-untyped, misc, untyped-decorator"

from typing import Any

from neutron.services.qos.drivers.openvswitch import driver as openvswitch
from neutron.services.trunk.drivers import base as trunk
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import constants as plugins
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from neutron_lib.services.qos import base as qos

NAME = "citydc"
VIFS = [portbindings.VIF_TYPE_OVS]


@registry.has_registry_receivers
class Driver(api.MechanismDriver):
    """What `mechanism_drivers = citydc` stands for; the entry point names it."""

    def initialize(self) -> None:
        """Register the QoS and trunk drivers that come with this one."""
        qos.DriverBase(NAME, VIFS, [portbindings.VNIC_NORMAL], openvswitch.SUPPORTED_RULES)
        _Trunk(NAME, VIFS, ["vlan"], can_trunk_bound_port=True)

    def bind_port(self, context: Any) -> None:
        """Bind the port to the first segment offered, and have it up."""
        for segment in context.segments_to_bind[:1]:
            context.set_binding(
                segment[api.ID],
                portbindings.VIF_TYPE_OVS,
                {portbindings.CAP_PORT_FILTER: True},
                status=constants.PORT_STATUS_ACTIVE,
            )

    def create_port_postcommit(self, context: Any) -> None:
        """Have a router's port up at once: it has no host to be bound on."""
        if context.current["device_owner"].startswith("network:"):
            directory.get_plugin().update_port_status(
                context._plugin_context,  # noqa: SLF001  (the drivers of neutron itself do so)
                context.current["id"],
                constants.PORT_STATUS_ACTIVE,
            )

    @registry.receives(resources.FLOATING_IP, [events.AFTER_CREATE, events.AFTER_UPDATE])
    def floating_ip(self, _resource: Any, _event: Any, _trigger: Any, payload: Any) -> None:
        """Have a floating address up while it belongs to a port."""
        address = payload.latest_state
        status = "ACTIVE" if address["port_id"] else "DOWN"
        if address["status"] != status:
            directory.get_plugin(plugins.L3).update_floatingip_status(
                payload.context, address["id"], status
            )


@registry.has_registry_receivers
class _Trunk(trunk.DriverBase):
    is_loaded = True

    @registry.receives(resources.TRUNK, [events.AFTER_CREATE])
    @registry.receives(resources.SUBPORTS, [events.AFTER_CREATE, events.AFTER_DELETE])
    def up(self, resource: Any, _event: Any, _trigger: Any, payload: Any) -> None:
        changed = payload.states[0] if resource == resources.SUBPORTS else payload.latest_state
        changed.update(status="ACTIVE")
