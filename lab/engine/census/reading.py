"""Reads a cloud whole, with an administrator's rights, and says if it was not whole."""

import concurrent.futures
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from catalogue.errors import BadInputError, OutsideError
from lab.engine.census import inputs, types
from lab.engine.census.choosing import Chosen, project, scope
from lab.engine.cloud import Body, Cloud
from lab.engine.comparing import as_live
from lab.engine.kinds import KINDS
from lab.engine.values import Values

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
Known = Mapping[tuple[str, str], Values]
"""The inputs that a state has of objects, by type and id."""

ROLE: Final = "admin"
SERVICES: Mapping[str, str] = {
    "load_balancer": "load-balancer",
    "dns": "dns",
    "object_store": "object-store",
    "key_manager": "key-manager",
}
"""The services that a cloud may be without, and what keystone calls them."""
VOLUME_KEYS = "3.64"
"""From this microversion on cinder tells which of barbican's secrets are its own keys."""


@dataclass(frozen=True)
class Thing:
    """An object of the cloud."""

    type: str
    id: str
    name: str
    """Its name in the cloud, empty where it has none."""
    project: str
    """The id of the project that it is in, empty where it is in none."""
    inputs: Values
    """As a program would give them; what the cloud never tells is as the state has it."""


@dataclass(frozen=True)
class Reach:
    """How to get at a site's cloud."""

    operator: Cloud
    member: Callable[[str], Cloud]
    """The operator's user in the project with that id."""
    external_network: str
    """The name of the network by which the cloud's makers connect everyone."""
    services: Collection[str]
    """Those of SERVICES that the site must have."""


def take(reach: Reach, known: Known, *, parallel: int = 16) -> list[Thing]:
    """
    Return all that is the city's: of its projects, whether the state knows it or not.

    Raise BadInputError for credentials that do not see everything or a type that cannot be read,
    OutsideError (ApiError) for a cloud that does not answer, or whose answers are not whole.
    """
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        return _Reading(reach, known, pool).things()


class _Reading:
    def __init__(self, reach: Reach, known: Known, pool: concurrent.futures.Executor) -> None:
        self._reach, self._known, self._pool = reach, known, pool
        self._cloud = reach.operator
        of_state = {KINDS[type_].service for type_, _ in known if type_ in KINDS}
        self._needed = {*reach.services, *of_state}

    def things(self) -> list[Thing]:
        self._check()
        there = {one["type"] for one in self._cloud.access.service_catalog.catalog}
        asked = [
            type_ for type_, (service, _) in types.LISTED.items() if self._asks(service, there)
        ]
        listed = self._each(self._list, asked)
        self._compare(listed)
        chosen = Chosen(
            {type_: listed.get(type_, []) for type_ in types.LISTED},
            self._known.keys(),
            self._cloud.project_id,
            self._reach.external_network,
            self._amphorae(listed.get(types.BALANCER, [])),
        )
        found = [self._thing(type_, body, chosen) for type_, body in chosen.all()]
        found += self._members(chosen)
        found += self._quotas(chosen)
        found += self._roles(chosen)
        found += self._credentials(chosen)
        found += self._others()
        for service, read in (("object_store", self._containers), ("key_manager", self._secrets)):
            if self._asks(service, there):
                bodies = self._each(read, chosen.projects)
                found += [
                    self._thing(type_, {**body, "project_id": where}, chosen)
                    for where, some in bodies.items()
                    for type_, body in some
                    if body.get("secret_ref", "").rpartition("/")[2] not in chosen.volume_keys
                ]
        return found

    def _each(self, read: Callable[[K], T], keys: Collection[K]) -> dict[K, T]:
        return dict(zip(keys, self._pool.map(read, keys), strict=True))

    def _asks(self, service: str, there: Collection[str]) -> bool:
        """Return whether to ask a service: one that is needed is asked, there or not."""
        return service not in SERVICES or service in self._needed or SERVICES[service] in there

    # -- whether it can be read, and was read whole

    def _check(self) -> None:
        if ROLE not in self._cloud.access.role_names:
            raise BadInputError(
                f'the credentials do not have the role "{ROLE}"',
                why="without it a cloud lists one project's objects and hides the others'",
                remedy="use the credentials that the site is deployed with",
            )
        strange = sorted({type_ for type_, _ in self._known if type_ not in KINDS})
        if strange:
            raise BadInputError(
                f"the live cloud cannot be read for {', '.join(strange)}",
                why="the state has resources of a type that is not known here",
                remedy="judge the stack with --state, or take them out of the program",
            )

    def _compare(self, listed: Mapping[str, list[Body]]) -> None:
        """Raise OutsideError where an object is there, but not in the list that must have it."""
        ids = {
            (type_, _ident(type_, body))
            for type_, bodies in listed.items()
            for body in bodies
            if type_ != types.ASSIGNMENT or scope(body)
        }
        missing = [one for one in self._known if one[0] in listed and one not in ids]
        for (type_, ident), there in self._each(self._read, missing).items():
            if there is not None:
                raise OutsideError(
                    f"the cloud's list of {type_.rpartition(':')[2]} is not whole",
                    why=f"{ident} is there, but not in the list",
                    remedy="run again; if it stays so, see the service's limits and its log",
                )

    def _read(self, one: tuple[str, str]) -> Values | None:
        return KINDS[one[0]].read(self._cloud, one[1], dict(self._known[one]))

    # -- the lists

    def _list(self, type_: str) -> list[Body]:
        kind, (service, query) = KINDS[type_], types.LISTED[type_]
        if type_ == types.IMAGE:  # one list is without hidden images, the other has only these
            return [
                one for hidden in ("false", "true") for one in kind.listed(
                    self._cloud, **query, os_hidden=hidden
                )
            ]  # fmt: skip
        if type_ == types.VOLUME:
            path, many = "/volumes/detail", "volumes"
            return self._cloud.pages(service, path, many, params=query, microversion=VOLUME_KEYS)
        if service == "dns":
            return self._cloud.pages(
                service,
                kind.path,
                kind.path.strip("/"),
                params=kind.listed_with,
                headers={"X-Auth-All-Projects": "true"},
            )
        if type_ == types.GROUP:  # all fields, the rules apart
            return self._cloud.pages(service, kind.path, "security_groups")
        return kind.listed(self._cloud, **query)

    def _amphorae(self, balancers: Collection[Body]) -> list[Body]:
        """Return octavia's own servers, where its provider has any."""
        if not any(one["provider"] in {"amphora", "octavia"} for one in balancers):
            return []
        return self._cloud.pages("load_balancer", "/octavia/amphorae", "amphorae")

    # -- things

    def _thing(self, type_: str, body: Body, chosen: Chosen) -> Thing:
        given = self._known.get((type_, _ident(type_, body)), {})
        name = body.get("name") or body.get("floating_ip_address") or ""
        where = project(body)
        if type_ == types.INTERFACE and given:
            where = ""  # its port can be the router's or that of who joined it
        elif type_ == types.KEYPAIR:
            where = chosen.operators
        made = inputs.of(type_, body, given, chosen, self._cloud)
        return Thing(type_, _ident(type_, body), str(name), where, made)

    def _members(self, chosen: Chosen) -> list[Thing]:
        def read(pool: str) -> list[Body]:
            return self._cloud.pages("load_balancer", f"/lbaas/pools/{pool}/members", "members")

        found = self._each(read, [one["id"] for one in chosen.pools])
        return [
            self._thing(types.MEMBER, {**body, "pool": pool}, chosen)
            for pool, bodies in found.items()
            for body in bodies
        ]

    def _quotas(self, chosen: Chosen) -> list[Thing]:
        """Read the quotas that the state has: a project has them, whoever set them."""

        def read(one: tuple[str, str]) -> Body:
            return KINDS[one[0]].fetch(self._cloud, one[1])

        found = self._each(read, [one for one in self._known if one[0] in types.QUOTAS])
        return [
            Thing(
                type_,
                ident,
                "",
                "",
                inputs.of(type_, body, self._known[type_, ident], chosen, self._cloud),
            )
            for (type_, ident), body in found.items()
        ]

    def _roles(self, chosen: Chosen) -> list[Thing]:
        """Return who may do what in the agencies' projects: the operator says that."""
        kind, operators = KINDS[types.ASSIGNMENT], chosen.operators
        found = []
        for one in chosen.assignments:
            ident = kind.ident(one)
            names = ("domainId", "projectId", "groupId", "userId", "roleId")
            said = dict(zip(names, ident.split("/"), strict=True))
            given = {name: id_ for name, id_ in said.items() if id_}
            found.append(Thing(types.ASSIGNMENT, ident, "", operators, given))
        return found + [
            Thing(types.INHERITED, kind.ident(one), "", operators, inputs.of_inherited(one))
            for one in chosen.inherited
        ]

    def _credentials(self, chosen: Chosen) -> list[Thing]:
        """Return the application credentials for the city's projects, of all who have a role."""

        def members(group: str) -> list[Body]:
            return self._cloud.pages("identity", f"/groups/{group}/users", "users")

        def credentials(user: str) -> list[Body]:
            path = f"/users/{user}/application_credentials"
            return self._cloud.pages("identity", path, "application_credentials")

        groups = self._each(members, chosen.holders("group"))
        users = {one["id"] for some in groups.values() for one in some}
        users |= chosen.holders("user") | {self._cloud.user_id}
        return [
            Thing(
                types.CREDENTIAL,
                body["id"],
                body["name"],
                body["project_id"],
                inputs.of_credential(body),
            )
            for some in self._each(credentials, users).values()
            for body in some
            if body["project_id"] in chosen.projects
        ]

    def _others(self) -> list[Thing]:
        """Read what the state has of types of which nobody lists all."""
        mine = [one for one in self._known if one[0] not in {*types.LISTED, *types.DERIVED}]
        return [
            Thing(type_, ident, "", "", as_live(KINDS[type_], self._known[type_, ident], outputs))
            for (type_, ident), outputs in self._each(self._read, mine).items()
            if outputs is not None
        ]

    def _containers(self, where: str) -> list[tuple[str, Body]]:
        cloud, kind = self._reach.member(where), KINDS[types.CONTAINER]
        found: list[tuple[str, Body]] = []
        page: Any = True
        while page:
            marker = found[-1][1]["name"] if found else ""
            query = {"format": "json", "marker": marker}
            answer = cloud.request("object_store", "get", "", params=query)
            page = answer.json() if answer.content else []
            found += [(types.CONTAINER, kind.fetch(cloud, one["name"])) for one in page]
        return found

    def _secrets(self, where: str) -> list[tuple[str, Body]]:
        kind = KINDS[types.SECRET]
        return [(types.SECRET, one) for one in kind.listed(self._reach.member(where))]


def _ident(type_: str, body: Body) -> str:
    if type_ == types.CONTAINER:
        return str(body["name"])
    return KINDS[type_].ident(body)
