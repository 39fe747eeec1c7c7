"""
Neutron's ML2, which lets no observer of the lab's keep back what is deleted.

A port keeps its network, subnets and groups from being deleted.  An observer's was put there by the
lab, unknown to who deployed them; so it goes with the first of them, as neutron's own ports do.
"""
# neutron has no types.
# mypy: disable-error-code="import-untyped, misc"

from typing import Any

from neutron.plugins.ml2.plugin import Ml2Plugin

from lab.openstack.sites import OBSERVER


class Plugin(Ml2Plugin):
    """What `core_plugin = lab.openstack.core.Plugin` stands for."""

    def delete_network(self, context: Any, id: str) -> Any:  # noqa: A002  (theirs)
        """Delete the network."""
        self._clear(context, lambda port: port["network_id"] == id)
        return super().delete_network(context, id)

    def delete_subnet(self, context: Any, id: str) -> Any:  # noqa: A002  (theirs)
        """Delete the subnet."""
        self._clear(context, lambda port: any(ip["subnet_id"] == id for ip in port["fixed_ips"]))
        return super().delete_subnet(context, id)

    def delete_security_group(self, context: Any, id: str) -> Any:  # noqa: A002  (theirs)
        """Delete the security group."""
        self._clear(context, lambda port: id in port["security_groups"])
        return super().delete_security_group(context, id)

    def _clear(self, context: Any, is_on: Any) -> None:
        admin = context.elevated()
        for port in self.get_ports(admin, filters={"device_owner": [OBSERVER]}):
            if is_on(port):
                self.delete_port(admin, port["id"])
