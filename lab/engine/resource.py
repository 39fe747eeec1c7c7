"""One resource as a stack's state has it."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lab.engine import values
from lab.engine.values import Sealer, Values

STACK = "pulumi:pulumi:Stack"
PROVIDERS = "pulumi:providers:"


def now() -> str:
    """Return the time in the state's form (UTC, RFC 3339)."""
    time = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
    return time.replace("+00:00", "Z")


@dataclass(frozen=True, eq=False, slots=True)
class Resource:
    """One resource.  Never changed, only replaced by another; the names are the checkpoint's."""

    urn: str
    type: str
    custom: bool = False
    id: str = ""
    inputs: Values = field(default_factory=dict)
    outputs: Values = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: list[str] = field(default_factory=list)
    propertyDependencies: dict[str, list[str] | None] = field(default_factory=dict)  # noqa: N815
    protect: bool = False
    external: bool = False
    delete: bool = False  # replaced already, still to be deleted
    pendingReplacement: bool = False  # noqa: N815 - gone already, still to be made anew
    retainOnDelete: bool = False  # noqa: N815
    deletedWith: str = ""  # noqa: N815
    additionalSecretOutputs: list[str] = field(default_factory=list)  # noqa: N815
    ignoreChanges: list[str] = field(default_factory=list)  # noqa: N815
    initErrors: list[str] = field(default_factory=list)  # noqa: N815
    created: str = ""
    modified: str = ""
    rest: Values = field(default_factory=dict)  # fields that only the official CLI knows
    key: int = 0  # the place in a State
    cached: list[str] = field(default_factory=list, repr=False)  # its JSON text, once made

    @property
    def name(self) -> str:
        """The name that the program gave."""
        return self.urn.rsplit("::", 1)[1]

    @property
    def provider_urn(self) -> str:
        """The URN in the provider reference ("urn::id")."""
        return self.provider.rpartition("::")[0]

    @property
    def needs(self) -> set[str]:
        """URNs that must exist for as long as this resource does."""
        more = {urn for urns in self.propertyDependencies.values() for urn in urns or ()}
        return {*self.dependencies, *more, self.parent, self.provider_urn, self.deletedWith} - {""}

    @property
    def is_real(self) -> bool:
        """Whether there is an object of a cloud behind it, which this stack manages."""
        return bool(
            self.custom
            and self.id
            and not self.external
            and not self.pendingReplacement
            and not self.type.startswith("pulumi:")
        )

    def but(self, **changes: Any) -> "Resource":
        """Return a copy with other values in some fields."""
        return replace(self, **{"cached": [], **changes})

    def renamed(self, urns: Mapping[str, str]) -> "Resource":
        """Return a copy that refers to resources by their new URNs."""

        def new(urn: str) -> str:
            return urns.get(urn, urn)

        provider, _, ident = self.provider.rpartition("::")
        return self.but(
            parent=new(self.parent),
            provider=f"{new(provider)}::{ident}" if provider else "",
            dependencies=[new(urn) for urn in self.dependencies],
            propertyDependencies={
                name: [new(urn) for urn in found or ()]
                for name, found in self.propertyDependencies.items()
            },
            deletedWith=new(self.deletedWith),
        )

    def text(self, sealer: Sealer) -> str:
        """Return the checkpoint's JSON text."""
        if not self.cached:
            self.cached.append(json.dumps(to_json(self, sealer)))
        return self.cached[0]


_OURS = {"rest", "key", "cached"}
_SHAPE = TypeAdapter(Resource)
_URN = re.compile(r"urn:pulumi:[^:]+::[^:]+::.+::.+")
_FIELDS = [one.name for one in fields(Resource) if one.name not in _OURS]


def to_json(resource: Resource, sealer: Sealer) -> Values:
    """Return the checkpoint's form of a resource."""
    known = {name: getattr(resource, name) for name in _FIELDS}
    for name in ("inputs", "outputs"):
        known[name] = values.to_json(known[name], sealer)
    filled = {name: value for name, value in known.items() if value or name == "custom"}
    return {**filled, **resource.rest}


def from_json(data: Values, sealer: Sealer) -> Resource:
    """
    Return the resource of the checkpoint's form.

    Raise BadInputError for a damaged secret, ValueError, TypeError or AttributeError for a damaged
    resource.
    """
    known = {name: data[name] for name in _FIELDS if data.get(name) is not None}
    for name in ("inputs", "outputs"):
        known[name] = values.from_json(known.get(name) or {}, sealer)
    rest = {name: value for name, value in data.items() if name not in _FIELDS}
    try:
        one = _SHAPE.validate_python({**known, "rest": rest})
    except ValidationError as error:
        (first, *_) = error.errors()
        where = ".".join(map(str, (data.get("urn", ""), *first["loc"])))
        raise ValueError(f"{where}: {first['msg']}") from error
    for urn in (one.urn, *one.needs):
        if not _URN.fullmatch(urn):
            raise ValueError(f"{one.urn}: {urn!r} is no URN")
    return one
