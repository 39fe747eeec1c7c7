"""A stack's resources as plain data: what a preview, a checkpoint or the program itself tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Resource:
    """One resource, with its inputs under Pulumi's names ("securityGroupIds")."""

    urn: str
    type: str
    name: str
    """The last part of the URN."""
    inputs: Mapping[str, Any]
    parent: str = ""
    provider: str = ""
    """The provider's URN."""
    dependencies: Sequence[str] = ()
    protect: bool = False
    id: str = ""


@dataclass(frozen=True)
class Graph:
    """A stack."""

    resources: Sequence[Resource]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def of(self, kind: str) -> list[Resource]:
        """Return the resources whose type's last part is `kind`, such as "SecGroupRule"."""
        return [one for one in self.resources if one.type.rpartition(":")[2] == kind]
