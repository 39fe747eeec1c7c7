"""Object containers."""

import urllib.parse
from collections.abc import Collection
from typing import ClassVar

from .base import ApiError, Body, Cloud, Kind, Reason, Values, same

_HEADERS = {
    "containerRead": "x-container-read",
    "containerWrite": "x-container-write",
    "containerSyncTo": "x-container-sync-to",
    "containerSyncKey": "x-container-sync-key",
    "contentType": "content-type",
    "storagePolicy": "x-storage-policy",
}
_LEGACY = {"versions": "x-versions-location", "history": "x-history-location"}
_META = "x-container-meta-"


class Container(Kind):
    """A container; its id is its name and its body the headers that swift answers."""

    service, path, key = "object_store", "", ""
    schema_version = 1
    properties = """name?! containerRead+ containerSyncKey- containerSyncTo+ containerWrite+
        contentType- forceDestroy- metadata+ region?!- storageClass?!- storagePolicy?!+ versioning+
        versioningLegacy+"""
    unsupported = "storageClass"
    defaults: ClassVar[Values] = {"forceDestroy": False, "versioning": False}

    def url(self, ident: str) -> str:
        """Return the container's path."""
        return f"/{urllib.parse.quote(ident, safe='')}"

    def encode(self, inputs: Values) -> Body:
        """Return the headers that say what the program wants."""
        headers = {
            header: str(inputs[name])
            for name, header in _HEADERS.items()
            if inputs.get(name) is not None
        }
        for name, value in (inputs.get("metadata") or {}).items():
            if name != "__defaults":
                headers[_META + name] = str(value)
        if inputs.get("versioning") is not None:
            headers["x-versions-enabled"] = str(inputs["versioning"]).lower()
        legacy = inputs.get("versioningLegacy")
        if legacy:
            headers[_LEGACY[legacy["type"]]] = legacy["location"]
        return headers

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Create the container; doing it again changes nothing."""
        headers = self.encode(inputs)
        if not inputs.get("versioning"):
            headers.pop("x-versions-enabled", None)
        cloud.request(self.service, "put", self.url(inputs["name"]), headers=headers)
        return str(inputs["name"])

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the container if it is there."""
        return [inputs["name"]] if self.read(cloud, inputs["name"], inputs) else []

    def fetch(self, cloud: Cloud, ident: str) -> Body:
        """Return the container's headers and name."""
        answer = cloud.request(self.service, "head", self.url(ident))
        return {"name": ident, **{name.lower(): value for name, value in answer.headers.items()}}

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """Return None: a listing shows nothing of a container but its name."""
        del cloud
        return None

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        for name in ("containerRead", "containerWrite", "containerSyncTo", "storagePolicy"):
            told = body.get(_HEADERS[name], "")
            if told or inputs.get(name) is not None:
                found[name] = inputs[name] if _same_list(inputs.get(name), told) else told
        found["versioning"] = same(body.get("x-versions-enabled", "False"), "True")
        if given := inputs.get("metadata"):
            there = {name.replace("_", "-"): value for name, value in body.items()}
            found["metadata"] = {
                name: there.get(_META + name.lower().replace("_", "-"), "")
                for name in given
                if name != "__defaults"
            }
        if inputs.get("versioningLegacy"):
            found["versioningLegacy"] = next(
                (
                    {"type": kind, "location": body[header]}
                    for kind, header in _LEGACY.items()
                    if header in body
                ),
                {},
            )
        return found

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties; what is no longer wanted is sent empty."""
        headers = self.encode({name: inputs.get(name) for name in changed})
        for name in changed:
            if name in _HEADERS and not inputs.get(name):
                headers[_HEADERS[name]] = ""
        if "metadata" in changed:
            for name in set(old.get("metadata") or {}) - set(inputs.get("metadata") or {}):
                headers[_META + name] = ""
        cloud.request(self.service, "post", self.url(ident), headers=headers)

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Delete the container, with what it holds only if the program says so."""
        try:
            cloud.request(self.service, "delete", self.url(ident))
        except ApiError as error:
            if error.reason is not Reason.CONFLICT:
                raise
            if not outputs.get("forceDestroy"):
                raise _not_empty(error, ident) from error
            self._empty(cloud, ident)
            cloud.request(self.service, "delete", self.url(ident))

    def delete(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Delete the container at once: one that holds something does not become empty."""
        try:
            self.remove(cloud, ident, outputs)
        except ApiError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    def _empty(self, cloud: Cloud, ident: str) -> None:
        """Delete all objects, in a versioned container every version of them."""
        path = self.url(ident)
        while True:
            listed = {"format": "json", "versions": "true"}
            objects = cloud.call(self.service, "get", path, params=listed)
            if not objects:
                return
            for one in objects:
                name = urllib.parse.quote(one["name"])
                version = {"version-id": one["version_id"]} if "version_id" in one else {}
                cloud.request(self.service, "delete", f"{path}/{name}", params=version)


def _same_list(given: str | None, told: str) -> bool:
    """Whether two access lists are the same, spaces and order apart."""
    return given is not None and sorted(part.strip() for part in given.split(",")) == sorted(
        part.strip() for part in told.split(",")
    )


def _not_empty(error: ApiError, ident: str) -> ApiError:
    clear = ApiError(
        service=error.service,
        method=error.method,
        url=error.url,
        status=error.status,
        message=f"the container {ident} still holds objects",
        request_id=error.request_id,
    )
    clear.remedy = "delete its objects first, or set forceDestroy in the program and deploy that"
    return clear


KINDS: dict[str, type[Kind]] = {"openstack:objectstorage/container:Container": Container}
