"""Projects, groups and what they may do."""

from collections.abc import Collection
from typing import ClassVar

from .base import Body, Cloud, Kind, Values


class Project(Kind):
    """A project."""

    service, path, key, update_method, whole = "identity", "/projects", "project", "patch", True
    properties = """name? description domainId?! enabled isDomain! parentId?! region?!- tags@"""
    defaults: ClassVar[Values] = {"enabled": True, "isDomain": False}


class Group(Kind):
    """A group of users."""

    service, path, key, update_method, whole = "identity", "/groups", "group", "patch", True
    properties = "name? description domainId?! region?!-"


class RoleAssignment(Kind):
    """
    A role of a user or a group on a project or a domain.

    Its id is "domain/project/group/user/role".
    """

    service, path, key = "identity", "/role_assignments", ""
    properties = "domainId! groupId! projectId! region?!- roleId! userId!"

    def url(self, ident: str) -> str:
        """Return the path by which the assignment is made and deleted."""
        domain, project, group, user, role = ident.split("/")
        scope = f"projects/{project}" if project else f"domains/{domain}"
        actor = f"groups/{group}" if group else f"users/{user}"
        return f"/{scope}/{actor}/roles/{role}"

    def ident(self, body: Body) -> str:
        """Return the id of a listed assignment."""
        scope = body["scope"]
        parts = (scope.get("domain"), scope.get("project"), body.get("group"), body.get("user"))
        return "/".join([*(one["id"] if one else "" for one in parts), body["role"]["id"]])

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Give the role."""
        ident = _ident(inputs)
        self.call(cloud, "put", self.url(ident))
        cloud.keep(self.token, ident, _body(ident))
        return ident

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the assignment if it is there."""
        ident = _ident(inputs)
        return [ident] if self.read(cloud, ident, inputs) else []

    def fetch(self, cloud: Cloud, ident: str) -> Body:
        """Return the assignment.  Raise ApiError (not found)."""
        self.call(cloud, "head", self.url(ident))
        return _body(ident)

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """Return every assignment that was made directly."""
        idents = [self.ident(body) for body in self.listed(cloud) if "system" not in body["scope"]]
        return {ident: _body(ident) for ident in idents}

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Do nothing: an assignment has nothing to change."""


def _ident(inputs: Values) -> str:
    names = ("domainId", "projectId", "groupId", "userId", "roleId")
    return "/".join(inputs.get(name) or "" for name in names)


def _body(ident: str) -> Body:
    return dict(
        zip(
            ("domain_id", "project_id", "group_id", "user_id", "role_id"),
            ident.split("/"),
            strict=True,
        )
    )


KINDS: dict[str, type[Kind]] = {
    "openstack:identity/groupV3:GroupV3": Group,
    "openstack:identity/project:Project": Project,
    "openstack:identity/roleAssignment:RoleAssignment": RoleAssignment,
}
