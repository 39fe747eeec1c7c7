"""nova's fake hypervisor, several per process, that survives a restart."""
# nova has no types.
# mypy: disable-error-code="import-untyped, misc"

import uuid
from typing import Any

from nova import context, objects
from nova.virt import fake


class Driver(fake.FakeDriver):
    """What `compute_driver = citydc.Driver` stands for, once it is known as nova.virt.citydc."""

    vcpus = 256
    memory_mb = 2 * 1024 * 1024
    local_gb = 100 * 1024

    # The stock driver's node ids change with every process.

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:  # noqa: ARG002, FBT001, FBT002  (theirs)
        """Give the nodes' names by ids that stay."""
        return {_node_id(node): node for node in self.get_available_nodes()}

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        """Give what the node has, with an id that stays."""
        return {**super().get_available_resource(nodename), "uuid": _node_id(nodename)}

    def init_host(self, host: str) -> None:
        """Remember the servers that were here before this process."""
        super().init_host(host)
        known = objects.InstanceList.get_by_host(
            context.get_admin_context(), host, expected_attrs=[]
        )
        for instance in known:
            self.instances[instance.uuid] = fake.FakeInstance(
                instance.name, instance.power_state, instance.uuid
            )


def _node_id(node: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, node))
