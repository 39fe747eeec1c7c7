"""
What a resource type is: a table of its properties and how its API is used.

A type's properties are written as words: a Pulumi property name with marks

    ?  OpenStack chooses a value when the program does not give one
    !  cannot be changed in place: a change replaces the resource
    @  a set: order does not matter
    #  a number
    ~  a yes or no
    *  a map with the user's own keys, of which those that the program gives count; one that is
       not there any more is read as ""
    +  the type's code sends it; it is read as a field of the API's object where there is one
    -  the API never tells it: the state keeps what the program says, and no drift is seen
    =  the field's name in the API, where it is not the property's name in snake case
"""

import contextlib
import dataclasses
import json
import re
import time
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from lab.engine.cloud import ApiError, Body, Cloud, Reason, StateError

Values = dict[str, Any]

BUSY_SECONDS = 30  # how long a delete waits for what still uses the object


def snake(name: str) -> str:
    """Return a camelCase name in snake_case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    """Return a snake_case name in camelCase."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def renamed(value: Any, how: Any) -> Any:
    """Return `value` with the keys of all its objects renamed and book-keeping left out."""
    if isinstance(value, dict):
        return {how(key): renamed(item, how) for key, item in value.items() if key != "__defaults"}
    return [renamed(item, how) for item in value] if isinstance(value, list) else value


def agrees(given: Any, got: Any, *, ordered: bool = True) -> bool:
    """
    Whether `got` is what `given` asks for.

    Keys that `given` leaves open may have any value; with `ordered` False the order of a list
    does not matter.
    """
    if isinstance(given, dict) and isinstance(got, dict):
        return all(
            agrees(value, got.get(key), ordered=ordered)
            for key, value in given.items()
            if key != "__defaults"
        )
    if isinstance(given, list) and isinstance(got, list):
        if len(given) != len(got):
            return False
        if ordered:
            return all(agrees(one, other) for one, other in zip(given, got, strict=True))
        left = list(got)
        for one in given:
            match = next((other for other in left if agrees(one, other, ordered=False)), left)
            if match is left:
                return False
            left.remove(match)
        return True
    return same(given, got)


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same to OpenStack: "", 0, False and nothing are."""
    return one == other or (not one and not other) or str(one) == str(other)


def emptied(value: Any) -> Any:
    """Return what to send for a property that the program no longer gives."""
    return type(value)() if isinstance(value, (str, list, dict)) else None


@dataclasses.dataclass(frozen=True)
class Property:
    """One property: its Pulumi name, its marks and the field of the API's object."""

    name: str
    marks: str
    field: str

    @classmethod
    def read(cls, word: str) -> "Property":
        """Return the property that a table's word describes.  Raise ValueError on a typo."""
        match = re.fullmatch(r"(\w+)([?!@#~*+-]*)(?:=(\S+))?", word)
        if not match:
            raise ValueError(f"{word!r} is no property")
        name, marks, field = match.groups()
        return cls(name, marks, field or snake(name))


@dataclasses.dataclass(frozen=True)
class Stray:
    """A child of a managed object that no program declares: someone made it by hand."""

    id: str
    description: str


class Kind:
    """
    A resource type.  The tables are class attributes, the methods are what an engine calls.

    `inputs` are a resource's properties as the program gives them, secrets in the clear, plus
    `__defaults`; outputs are what the state keeps.  Every method that talks to the cloud raises
    ApiError or StateError.
    """

    service: ClassVar[str]
    path: ClassVar[str]
    key: ClassVar[str]
    many: ClassVar[str] = ""  # the listing's key, where it is not the path's last word
    listed_at: ClassVar[str] = ""  # where the whole listing is, where it is not `path`
    listed_with: ClassVar[Mapping[str, Any]] = {}
    properties: ClassVar[str]
    outputs: ClassVar[str] = ""  # properties that only OpenStack sets, in the same notation
    unsupported: ClassVar[str] = ""  # properties of the type that this engine refuses
    defaults: ClassVar[Mapping[str, Any]] = {}  # values that the provider (not OpenStack) gives
    update_method: ClassVar[str] = "put"
    microversion: ClassVar[str | None] = None
    owner: ClassVar[str] = ""  # the query by which a listing is narrowed to a project
    owner_property: ClassVar[str] = "tenantId"
    identity: ClassVar[tuple[str, ...]] = ("name",)  # what an object is found by, after a crash
    schema_version: ClassVar[int] = 0  # of the provider's state
    whole: ClassVar[bool] = False  # what POST and PUT answer is what GET would
    settled: ClassVar[tuple[str, ...]] = ()  # states to wait for after a change
    failed: ClassVar[tuple[str, ...]] = ("error", "ERROR")
    gone_is_slow: ClassVar[bool] = False  # a deleted object stays visible for a while

    def __init__(self, token: str) -> None:
        self.token = token
        self.inputs = {one.name: one for one in map(Property.read, self.properties.split())}
        self.all = self.inputs | {one.name: one for one in map(Property.read, self.outputs.split())}
        self.replace = {name for name, one in self.inputs.items() if "!" in one.marks}
        self.chosen = {name for name, one in self.inputs.items() if "?" in one.marks}
        self.autonamed = "name" in self.inputs
        self.refused = set(self.unsupported.split())

    def check(self, inputs: Values) -> list[str]:
        """Say what is wrong with a resource's inputs, before anything is changed."""
        return [
            f"{name}: this engine does not support the property"
            for name in inputs
            if name != "__defaults"
            and (name not in self.inputs or (name in self.refused and inputs[name]))
        ]

    # -- between the program's properties and the API's fields

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields for `inputs`."""
        body: Body = dict(inputs.get("valueSpecs") or {})
        for name, value in inputs.items():
            one = self.inputs.get(name)
            if one and not {"-", "+"} & set(one.marks) and value is not None:
                body[one.field] = value if "*" in one.marks else renamed(value, snake)
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs.  A list or map that the program leaves out is there if filled."""
        found: Values = {"region": cloud.region}
        for name, one in self.all.items():
            if name == "region":
                continue
            given = inputs.get(name)
            if "-" in one.marks or one.field not in body:
                if name in inputs:
                    found[name] = given
                continue
            value = _told(one, body[one.field], given)
            left_out = given is None and name in self.inputs and "?" not in one.marks
            if left_out and isinstance(value, (list, dict)) and not value:
                continue
            if given is not None and agrees(given, value, ordered="@" not in one.marks):
                value = renamed(given, str)
            found[name] = value
        if self.schema_version:
            found["__meta"] = json.dumps({"schema_version": str(self.schema_version)})
        return found

    # -- the API

    def url(self, ident: str) -> str:
        """Return the path of an object."""
        return f"{self.path}/{ident}"

    def ident(self, body: Body) -> str:
        """Return the id of an object that a listing or an answer shows."""
        return str(body["id"])

    def call(self, cloud: Cloud, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Make a request to this type's service."""
        return cloud.call(self.service, method, path, body, self.microversion, **more)

    def listed(self, cloud: Cloud, **query: Any) -> list[Body]:
        """Return the objects of a listing, narrowed by `query`."""
        many = self.many or self.path.rsplit("/", 1)[-1].replace("-", "_")
        path = self.listed_at or self.path
        bodies = cloud.pages(
            self.service,
            path,
            many,
            params={**self.listed_with, **query},
            microversion=self.microversion,
        )
        return [one.get(self.key) or one for one in bodies] if self.key else bodies

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Start creating and return the new object's id."""
        body = self.call(cloud, "post", self.path, {self.key: self.encode(inputs)})[self.key]
        ident = self.ident(body)
        if self.whole:
            cloud.keep(self.token, ident, body)
        self.finish(cloud, ident, inputs)
        return ident

    def finish(self, cloud: Cloud, ident: str, inputs: Values) -> None:
        """Do what creating takes after the first call.  May be done again."""

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """
        Return ids of objects that an interrupted create() may have left.

        They have the project, the name and every unchangeable property that the program asks for.
        """
        wanted = {name: inputs.get(name) for name in self.identity}
        if not any(wanted.values()):
            return []
        query = {"name": inputs["name"]} if self.owner and inputs.get("name") else {}
        if self.owner:
            query[self.owner] = inputs.get(self.owner_property) or cloud.project_id
        return [
            self.ident(body)
            for body in self.listed(cloud, **query)
            if self.is_wanted(body, inputs, cloud)
        ]

    def is_wanted(self, body: Body, inputs: Values, cloud: Cloud) -> bool:
        """Whether an object is what `inputs` ask for, in all that cannot be changed."""
        told = self.decode(body, inputs, cloud)
        return all(
            agrees(inputs[name], told[name], ordered=False)
            for name in (*self.identity, *self.replace)
            if inputs.get(name) is not None and name in told
        )

    def resume(self, cloud: Cloud, ident: str, inputs: Values) -> None:
        """Bring what an interrupted create() left to what `inputs` ask for.  May be done again."""
        self.finish(cloud, ident, inputs)
        self.settle(cloud, ident)
        there = self.read(cloud, ident, inputs) or {}
        wrong = {
            name
            for name, value in inputs.items()
            if name in self.inputs
            and name not in self.replace
            and "-" not in self.inputs[name].marks
            and not agrees(value, there.get(name), ordered="@" not in self.inputs[name].marks)
        }
        if wrong:
            self.update(cloud, ident, inputs, {}, wrong)

    def settle(self, cloud: Cloud, ident: str) -> None:
        """Wait until the object is as it should be after a change."""
        if not self.settled:
            return

        def look() -> str:
            body = self.fetch(cloud, ident)
            cloud.keep(self.token, ident, body)
            return str(body["status"])

        cloud.wait(look, self.settled, self.failed)

    def fetch(self, cloud: Cloud, ident: str) -> Body:
        """Return the API's object.  Raise ApiError (not found)."""
        body: Body = self.call(cloud, "get", self.url(ident))[self.key]
        return body

    def read(
        self, cloud: Cloud, ident: str, inputs: Values, body: Body | None = None
    ) -> Values | None:
        """
        Return the outputs, or None where there is no such object (any more).

        `body` is what listing() showed of it, if it did.
        """
        try:
            body = body or cloud.take(self.token, ident) or self.fetch(cloud, ident)
        except ApiError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        return self.decode(body, inputs, cloud)

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """
        Return everything of this type that the cloud's project holds, by id, in few calls.

        An object that is not in it may still exist, in another project: read() tells.  None
        where the API has no such listing.
        """
        query = {self.owner: cloud.project_id} if self.owner else {}
        return {self.ident(body): body for body in self.listed(cloud, **query)}

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change the properties named in `changed`, from what `old` says to what `inputs` say."""
        send = {
            name: inputs[name] if inputs.get(name) is not None else emptied(old.get(name))
            for name in changed
        }
        cloud.take(self.token, ident)
        if body := self.encode(send):
            answer = self.call(cloud, self.update_method, self.url(ident), {self.key: body})
            if self.whole:
                cloud.keep(self.token, ident, answer[self.key])
        self.settle(cloud, ident)

    def eased(self, inputs: Values, old: Values) -> Values:
        """Return what to ask for until what the program no longer declares is deleted."""
        del old
        return inputs

    def delete(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Delete the object and wait until it is gone.  That it is gone already is fine."""
        with gone_is_fine():
            patiently(lambda: self.remove(cloud, ident, outputs))
            if self.gone_is_slow:
                cloud.wait(
                    lambda: self.fetch(cloud, ident)["status"],
                    (None, "DELETED", "SOFT_DELETED"),
                    ("error_deleting", "ERROR"),
                )

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Ask for the object to be deleted."""
        del outputs
        self.call(cloud, "delete", self.url(ident))

    # -- what was made by hand

    def strays(self, cloud: Cloud, ident: str, known: Collection[str]) -> list[Stray]:
        """Return the children of an object that are not in `known` (ids of managed objects)."""
        del cloud, ident, known
        return []

    def remove_stray(self, cloud: Cloud, stray: str) -> None:
        """Delete a child that strays() found."""
        raise NotImplementedError(f"{self.token} has no strays: {cloud}, {stray}")


def _told(one: Property, value: Any, given: Any) -> Any:
    """Return what the API tells of a property, in the provider's form."""
    if value is None:
        return 0 if "#" in one.marks else False if "~" in one.marks else ""
    if "*" in one.marks:
        return kept_keys(given, value) if given else value
    return renamed(value, camel)


def kept_keys(given: Values, told: Mapping[str, Any]) -> Values:
    """Return of a map the keys that the program gives; "" for those that are gone."""
    return {key: told.get(key, "") for key in given if key != "__defaults"}


class gone_is_fine(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a phrase
    """Let a "not found" pass."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Return whether the error is a "not found"."""
        return isinstance(error, ApiError) and error.reason is Reason.NOT_FOUND


def patiently(change: Any, limit: float = BUSY_SECONDS) -> Any:
    """Return change(), tried again for `limit` seconds while something still uses the object."""
    until, pause = time.monotonic() + limit, 0.2
    while True:
        try:
            return change()
        except ApiError as error:
            if error.reason is not Reason.CONFLICT or time.monotonic() > until:
                raise
        time.sleep(pause)
        pause = min(pause * 1.5, 3)


__all__ = [
    "ApiError",
    "Body",
    "Cloud",
    "Kind",
    "Property",
    "Reason",
    "StateError",
    "Stray",
    "Values",
    "agrees",
    "camel",
    "emptied",
    "gone_is_fine",
    "kept_keys",
    "patiently",
    "renamed",
    "same",
    "snake",
]
