"""The types of which everything is read, and how one asks for all of them."""

from collections.abc import Mapping
from typing import Any


def _token(name: str) -> str:
    """Return the type of the provider's "module/Kind"."""
    module, _, kind = name.partition("/")
    return f"openstack:{module}/{kind[0].lower()}{kind[1:]}:{kind}"


NETWORK, SUBNET = _token("networking/Network"), _token("networking/Subnet")
SUBNET_POOL, SCOPE = _token("networking/SubnetPool"), _token("networking/AddressScope")
ROUTER, PORT = _token("networking/Router"), _token("networking/Port")
INTERFACE, ROUTES = _token("networking/RouterInterface"), _token("networking/RouterRoutesV2")
GROUP, RULE = _token("networking/SecGroup"), _token("networking/SecGroupRule")
FLOATING_IP, SHARE = _token("networking/FloatingIp"), _token("networking/RbacPolicyV2")
SERVER, SERVER_GROUP = _token("compute/Instance"), _token("compute/ServerGroup")
FLAVOR, KEYPAIR = _token("compute/Flavor"), _token("compute/Keypair")
ATTACHMENT, VOLUME = _token("compute/VolumeAttach"), _token("blockstorage/Volume")
IMAGE, SECRET = _token("images/Image"), _token("keymanager/SecretV1")
PROJECT, STAFF = _token("identity/Project"), _token("identity/GroupV3")
ASSIGNMENT = _token("identity/RoleAssignment")
INHERITED = _token("identity/InheritRoleAssignment")
CREDENTIAL = _token("identity/ApplicationCredential")
BALANCER, LISTENER = _token("loadbalancer/LoadBalancer"), _token("loadbalancer/Listener")
POOL, MEMBER = _token("loadbalancer/Pool"), _token("loadbalancer/Member")
MONITOR = _token("loadbalancer/Monitor")
ZONE, RECORD = _token("dns/Zone"), _token("dns/RecordSet")
CONTAINER = _token("objectstorage/Container")
QUOTAS = (
    _token("networking/QuotaV2"),
    _token("compute/QuotaSetV2"),
    _token("blockstorage/QuoteSetV3"),
    _token("loadbalancer/Quota"),
)

LISTED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **dict.fromkeys(
        (NETWORK, SUBNET, SUBNET_POOL, SCOPE, ROUTER, PORT, GROUP, RULE, FLOATING_IP, SHARE),
        ("network", {}),
    ),
    SERVER: ("compute", {"all_tenants": "1"}),
    SERVER_GROUP: ("compute", {"all_projects": "true"}),
    FLAVOR: ("compute", {}),
    KEYPAIR: ("compute", {}),
    VOLUME: ("block_storage", {"all_tenants": "1"}),
    IMAGE: ("image", {"visibility": "all"}),
    PROJECT: ("identity", {}),
    STAFF: ("identity", {}),
    ASSIGNMENT: ("identity", {}),
    **dict.fromkeys((BALANCER, LISTENER, POOL, MONITOR), ("load_balancer", {})),
    ZONE: ("dns", {}),
    RECORD: ("dns", {}),
}
"""What an administrator lists of all projects at once: the service, and the query for all."""
DERIVED = frozenset({INTERFACE, ROUTES, ATTACHMENT, MEMBER, CONTAINER, SECRET, *QUOTAS})
"""What is read in another way."""
