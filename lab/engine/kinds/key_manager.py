"""Secrets."""

import datetime as dt
from collections.abc import Collection
from typing import ClassVar

from .base import Body, Cloud, Kind, Values, agrees, gone_is_fine, kept_keys


class Secret(Kind):
    """
    A secret.

    Barbican never lets a payload change, so that it is not asked for again: the state keeps, as
    a secret, what the program says.
    """

    service, path, key = "key_manager", "/secrets", ""
    listed_with: ClassVar[dict[str, int]] = {"limit": 100}
    settled = ("ACTIVE",)
    properties = """name?! acl?+ algorithm?! bitLength?!# expiration! metadata+ mode?! payload?!+
        payloadContentEncoding!+ payloadContentType!+ region?!- secretType?!"""
    outputs = (
        "allMetadata* contentTypes* createdAt=created creatorId secretRef status updatedAt=updated"
    )

    def ident(self, body: Body) -> str:
        """Return the id at the end of the secret's address."""
        return str(body["secret_ref"]).rsplit("/", 1)[-1]

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields."""
        names = {
            "payload": "payload",
            "payloadContentType": "payload_content_type",
            "payloadContentEncoding": "payload_content_encoding",
        }
        more = {field: inputs[name] for name, field in names.items() if inputs.get(name)}
        return super().encode(inputs) | more

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Store the secret."""
        ident = self.ident(self.call(cloud, "post", self.path, self.encode(inputs)))
        self.finish(cloud, ident, inputs)
        return ident

    def finish(self, cloud: Cloud, ident: str, inputs: Values) -> None:
        """Set the secret's metadata and who may read it."""
        if inputs.get("metadata"):
            metadata = {k: v for k, v in inputs["metadata"].items() if k != "__defaults"}
            self.call(cloud, "put", f"{self.url(ident)}/metadata", {"metadata": metadata})
        if inputs.get("acl"):
            self._share(cloud, ident, inputs["acl"])

    def _share(self, cloud: Cloud, ident: str, acl: Values) -> None:
        read = acl.get("read") or {}
        access = {
            "users": read.get("users") or [],
            "project-access": read.get("projectAccess", True),
        }
        self.call(cloud, "put", f"{self.url(ident)}/acl", {"read": access})

    def fetch(self, cloud: Cloud, ident: str) -> Body:
        """Return the secret with its metadata and who may read it."""
        body: Body = self.call(cloud, "get", self.url(ident))
        return body | self._more(cloud, ident)

    def _more(self, cloud: Cloud, ident: str) -> Body:
        return {
            "all_metadata": self.call(cloud, "get", f"{self.url(ident)}/metadata")["metadata"],
            "rights": self.call(cloud, "get", f"{self.url(ident)}/acl").get("read") or {},
        }

    def settle(self, cloud: Cloud, ident: str) -> None:
        """Do nothing: a secret is there at once."""

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        found["contentTypes"] = body.get("content_types") or {}
        for name in ("payload", "payloadContentEncoding"):
            if inputs.get(name) is not None:
                found[name] = inputs[name]
        told = found["contentTypes"].get("default", "")
        given = inputs.get("payloadContentType")
        found["payloadContentType"] = given if given and _kind(given) == _kind(told) else told
        if given := inputs.get("expiration"):
            found["expiration"] = given if _instant(given) == _instant(body["expiration"]) else ""
        if inputs.get("metadata") is not None and "all_metadata" in body:
            there = body["all_metadata"]
            found["metadata"] = kept_keys(inputs["metadata"], there)
        if (given := inputs.get("acl")) and "rights" in body:
            read = {
                "projectAccess": body["rights"].get("project-access", True),
                "users": body["rights"].get("users") or [],
            }
            kept = agrees(given, {"read": read}, ordered=False)
            found["acl"] = given if kept else {"read": read}
        return found

    def read(
        self, cloud: Cloud, ident: str, inputs: Values, body: Body | None = None
    ) -> Values | None:
        """Return the outputs; a listing lacks metadata and rights."""
        if body and (inputs.get("metadata") or inputs.get("acl")):
            with gone_is_fine():
                return super().read(cloud, ident, inputs, body | self._more(cloud, ident))
            return None
        return super().read(cloud, ident, inputs, body)

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change metadata or who may read the secret."""
        if "metadata" in changed:
            wanted = inputs.get("metadata") or {}
            there = self.call(cloud, "get", f"{self.url(ident)}/metadata")["metadata"]
            kept = {k: v for k, v in there.items() if k not in (old.get("metadata") or {})}
            body = {"metadata": {**kept, **wanted}}
            self.call(cloud, "put", f"{self.url(ident)}/metadata", body)
        if "acl" in changed and inputs.get("acl"):
            self._share(cloud, ident, inputs["acl"])
        elif "acl" in changed:
            self.call(cloud, "delete", f"{self.url(ident)}/acl")


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _instant(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


KINDS: dict[str, type[Kind]] = {"openstack:keymanager/secretV1:SecretV1": Secret}
