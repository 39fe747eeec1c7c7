"""
A stack as rules see it: resources by kind and id, what refers to what, and what the city declares.

A value that only the deployment can tell is `UNKNOWN`.  Whoever needs one raises
UnknownValueError; a reference is known all the same, by the resource that its value comes from.
"""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeVar

from catalogue import addresses, flows, recovery
from catalogue.addresses import Prefixes
from catalogue.flows import PartKey, SiteFlows
from catalogue.model import Catalogue, Component, Database, Profile, Service, Site
from infra.graph import Graph, Resource


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "[unknown]"

    def __deepcopy__(self, memo: Any) -> "Unknown":
        return self


UNKNOWN: Final = Unknown()


class UnknownValueError(Exception):
    """A rule needs a value that is unknown until the deployment; `path` is the input."""

    def __init__(self, resource: Resource, path: str) -> None:
        super().__init__(f"{path} of {resource.name} is known only after the deployment")
        self.resource, self.path = resource, path


Part = Component | Database
T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """A stack, the site and profile that it is for, and the other sites' stacks."""

    graph: Graph
    catalogue: Catalogue
    site: Site
    profile: Profile
    peers: Mapping[str, Graph] = field(default_factory=dict)
    """The stacks of the sites that carry the same services, by site: as the program has them."""
    today: dt.date = field(default_factory=lambda: dt.datetime.now(dt.UTC).date())

    # -- resources

    def of(self, *kinds: str) -> list[Resource]:
        """Return the resources whose types end in one of these, such as "Port"."""
        return [one for kind in kinds for one in self._kinds.get(kind, ())]

    @cached_property
    def _kinds(self) -> Mapping[str, list[Resource]]:
        found: dict[str, list[Resource]] = defaultdict(list)
        for one in self.graph.resources:
            found[kind_of(one)].append(one)
        return found

    @cached_property
    def by_urn(self) -> Mapping[str, Resource]:
        """All resources by URN."""
        return {one.urn: one for one in self.graph.resources}

    @cached_property
    def _by_id(self) -> Mapping[tuple[str, str], Resource]:
        return {(kind_of(one), one.id): one for one in self.graph.resources if one.id}

    @cached_property
    def stack(self) -> Resource:
        """The stack itself: what a finding is about that no resource has."""
        found = self.of("Stack")
        if found:
            return found[0]
        name = f"citydc-{self.site.id}"
        urn = f"urn:pulumi:{self.site.id}::citydc::pulumi:pulumi:Stack::{name}"
        return Resource(urn, "pulumi:pulumi:Stack", name, {})

    # -- values

    def get(self, one: Resource, path: str) -> Any:
        """
        Return an input's value, None where it is absent or empty text.

        `path` may step into mappings ("metadata.service").  Raise UnknownValueError.
        """
        value: Any = one.inputs
        for step in path.split("."):
            if not isinstance(value, Mapping):
                return None
            value = value.get(step)
            if value is UNKNOWN:
                raise UnknownValueError(one, path)
        return None if value == "" else value

    def every(self, one: Resource, path: str) -> list[Any]:
        """Return all values at a path through lists ("fixedIps.ipAddress").  Raise as `get`."""
        found = list(_leaves(one.inputs, path.split(".")))
        if any(value is UNKNOWN for value in found):
            raise UnknownValueError(one, path)
        return [value for value in found if value not in (None, "")]

    def inputs_named(self, one: Resource, name: str) -> bool:
        """Return whether an input is given, known or not."""
        return one.inputs.get(name) not in (None, "", [], {})

    def inputs_of_kind(self, one: Resource, path: str, kind: str) -> bool:
        """Return whether an input refers to a resource of that kind; False where none tells."""
        try:
            return bool(self.refs(one, path, kind))
        except UnknownValueError:
            return False

    def refs(self, one: Resource, path: str, kind: str) -> list[Resource]:
        """
        Return the stack's resources of that kind that an input refers to.

        Ids of others are left out.  A value that is unknown is looked up by where it comes from;
        raise UnknownValueError if that does not tell either.
        """
        found: dict[str, Resource] = {}
        for value in _leaves(one.inputs, path.split(".")):
            if value is UNKNOWN:
                came_from = self._came_from(one, path.partition(".")[0], kind)
                if not came_from:
                    raise UnknownValueError(one, path)
                found |= {each.urn: each for each in came_from}
            elif value and (target := self._by_id.get((kind, str(value)))):
                found[target.urn] = target
        return list(found.values())

    def ref(self, one: Resource, path: str, kind: str) -> Resource | None:
        """Return the one resource that an input refers to, None if it is not the stack's."""
        found = self.refs(one, path, kind)
        return found[0] if found else None

    def _came_from(self, one: Resource, name: str, kind: str) -> list[Resource]:
        urns = one.property_dependencies.get(name, ())
        return [
            self.by_urn[urn]
            for urn in urns
            if urn in self.by_urn and kind_of(self.by_urn[urn]) == kind
        ]

    def pointing(self, kind: str, path: str, target: str) -> Mapping[str, list[Resource]]:
        """Return the resources of `kind` by the URN of the `target` that `path` refers to."""

        def make() -> Mapping[str, list[Resource]]:
            found: dict[str, list[Resource]] = defaultdict(list)
            for one in self.of(kind):
                for each in self.refs(one, path, target):
                    found[each.urn].append(one)
            return found

        return self.memo(("pointing", kind, path, target), make)

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returns, made once for each key."""
        if key not in self._memo:
            self._memo[key] = make()
        found: T = self._memo[key]
        return found

    @cached_property
    def _memo(self) -> dict[Hashable, Any]:
        return {}

    # -- what resources say of themselves

    def labels(self, one: Resource) -> Mapping[str, str]:
        """Return what a resource's tags or metadata say: agency, service, component..."""
        return self.memo(("labels", one.urn), lambda: self._labels(one))

    def _labels(self, one: Resource) -> dict[str, str]:
        said = dict(str(tag).split("=", 1) for tag in self.every(one, "tags") if "=" in str(tag))
        metadata = self.get(one, "metadata") or {}
        for name, value in metadata.items():
            if value is UNKNOWN:
                raise UnknownValueError(one, f"metadata.{name}")
            said[str(name).replace("-", "_").lower()] = str(value)
        return said

    def owner(self, one: Resource) -> str | None:
        """Return the agency in whose project a resource is made, None for the operator's own."""
        provider = self.by_urn.get(one.provider)
        project = self.ref(provider, "tenantId", "Project") if provider else None
        if project is None and provider and provider.inputs.get("tenantId") is UNKNOWN:
            raise UnknownValueError(provider, "tenantId")
        return str(self.get(project, "name")) if project else None

    def role(self, assignment: Resource) -> str | None:
        """Return the name of a role assignment's role, None for a role that nobody named."""
        names = self.graph.outputs.get("roles")
        roles = names if isinstance(names, Mapping) else {}
        found = str(self.get(assignment, "roleId"))
        if any(value is UNKNOWN for value in roles.values()):
            raise UnknownValueError(self.stack, "outputs.roles")
        return next((name for name, id_ in roles.items() if str(id_) == found), None)

    # -- what the city declares

    @cached_property
    def flows(self) -> SiteFlows:
        """What may pass at the site."""
        return flows.resolve(self.catalogue, self.site, self.profile)

    @cached_property
    def parts(self) -> Mapping[PartKey, tuple[Service, Part]]:
        """All components and databases of the city."""
        return {
            PartKey(service.id, part.id): (service, part)
            for service in self.catalogue.services.values()
            for part in recovery.parts(service)
        }

    def networks(self, site: Site) -> Mapping[PartKey, Prefixes]:
        """Return the planned network of every part at a site."""
        return self.memo(
            ("networks", site.id),
            lambda: {
                key: addresses.network(site, service, part.number)
                for key, (service, part) in self.parts.items()
            },
        )

    def part(self, one: Resource) -> tuple[Service, Part] | None:
        """Return the component or database that a resource says it belongs to."""
        said = self.labels(one)
        return self.parts.get(PartKey(said.get("service", ""), said.get("component", "")))

    def named_part(self, name: str) -> PartKey | None:
        """Return the part that has that name, such as "lgsp-gateway"."""
        return self._part_names.get(name)

    @cached_property
    def _part_names(self) -> Mapping[str, PartKey]:
        return {str(key): key for key in self.parts}

    @property
    def production(self) -> bool:
        """Whether it is the real city."""
        return self.profile is Profile.PRODUCTION


def kind_of(one: Resource) -> str:
    """Return the last part of a resource's type."""
    return one.type.rpartition(":")[2]


def _leaves(value: Any, path: list[str]) -> Iterator[Any]:
    if value is UNKNOWN or not path:
        if isinstance(value, list | tuple):
            yield from value
        elif value is not None:
            yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one, path)
    elif isinstance(value, Mapping):
        yield from _leaves(value.get(path[0]), path[1:])


def words(text: str) -> set[str]:
    """Return the words in a name."""
    return set(re.split(r"[^a-z0-9]+", text.lower()))
