"""A stack's resources as plain data: what a preview, a checkpoint or the program itself tells."""

from collections.abc import Collection, Mapping, Sequence
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
    """Empty for what only groups others, and for what is not there yet."""
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The URNs that each input's value comes from: what it refers to before there are ids."""
    secrets: Collection[str] | None = None
    """The inputs that are secrets in the state; None where the source does not tell."""
    managed: bool = True
    """Whether it is the stack's; else only the cloud has it."""


@dataclass(frozen=True)
class Graph:
    """A stack."""

    resources: Sequence[Resource]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def of(self, kind: str) -> list[Resource]:
        """Return the resources whose type's last part is `kind`, such as "SecGroupRule"."""
        return [one for one in self.resources if one.type.rpartition(":")[2] == kind]
