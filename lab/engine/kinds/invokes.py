"""Data sources: the one object of a listing that has all the wanted properties."""

from collections.abc import Callable, Mapping
from typing import Any

from catalogue.errors import BadInputError

from .base import Body, Cloud, Kind, Values, agrees, camel
from .compute import Flavor
from .images import Image
from .networking import Network, Subnet

Invoke = Callable[[Cloud, Values], Values]


class _Role(Kind):
    service, path, key = "identity", "/roles", "role"
    properties = "name domainId description"


class _Network(Network):
    """The provider's data source has texts where its resource has truth values."""

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        found = super().decode(body, inputs, cloud)
        texts = {name: str(found[name]).lower() for name in ("adminStateUp", "shared")}
        return found | texts


def _find(kind: Kind, renames: Mapping[str, str], *filters: str) -> Invoke:
    """
    Return a data source over a type's listing.

    `renames` are arguments that are not named like the property they select; `filters` are
    arguments that the API itself selects by.
    """

    def find(cloud: Cloud, args: Values) -> Values:
        wanted = {
            renames.get(name, name): value
            for name, value in args.items()
            if value not in (None, "", []) and name not in ("region", "mostRecent")
        }
        query = {name: wanted[name] for name in filters if name in wanted}
        bodies = kind.listed(cloud, **query)
        found = [(_result(kind, body, cloud), body) for body in bodies]
        found = [one for one in found if _matches(wanted, one[0])]
        if args.get("mostRecent"):
            found = sorted(found, key=lambda one: one[1]["created_at"])[-1:]
        if len(found) != 1:
            asked = ", ".join(f"{name} {value}" for name, value in wanted.items())
            raise BadInputError(
                f"{len(found)} {kind.token}s have {asked}",
                why="the program asks for the one",
                remedy="correct what the program asks for, or make what is missing",
            )
        return {**args, **found[0][0]}

    return find


def _result(kind: Kind, body: Body, cloud: Cloud) -> Values:
    found = kind.decode(body, {}, cloud) | {"id": kind.ident(body)}
    for name, one in kind.inputs.items():
        if one.field in body and isinstance(body[one.field], list):
            found.setdefault(name, body[one.field])
    return found


def _matches(wanted: Values, found: Values) -> bool:
    tags = set(wanted.get("tags") or ())
    rest = {name: value for name, value in wanted.items() if name != "tags"}
    there = found.get("allTags") or found.get("tags") or ()
    return tags <= set(there) and agrees(rest, found, ordered=False)


def _auth_scope(cloud: Cloud, args: Values) -> Values:
    access = cloud.access
    names = (
        "user_id",
        "user_domain_id",
        "user_domain_name",
        "project_id",
        "project_name",
        "project_domain_id",
        "project_domain_name",
        "domain_id",
        "domain_name",
    )
    roles = zip(access.role_ids, access.role_names, strict=True)
    return {
        **args,
        "id": access.user_id,
        "userName": access.username,
        "region": cloud.region,
        "roles": [{"roleId": ident, "roleName": name} for ident, name in roles],
        **{camel(name): getattr(access, name) or "" for name in names},
    }


_NETWORK = {"networkId": "id", "matchingSubnetCidr": "cidr"}
INVOKES: dict[str, Any] = {
    "openstack:compute/getFlavor:getFlavor": _find(Flavor("flavor"), {"flavorId": "id"}),
    "openstack:identity/getAuthScope:getAuthScope": _auth_scope,
    "openstack:identity/getRole:getRole": _find(_Role("role"), {}, "name"),
    "openstack:images/getImage:getImage": _find(Image("image"), {}, "name"),
    "openstack:networking/getNetwork:getNetwork": _find(_Network("network"), _NETWORK, "name"),
    "openstack:networking/getSubnet:getSubnet": _find(Subnet("subnet"), {"subnetId": "id"}, "name"),
}
