"""DNS zones and their records."""

from collections.abc import Collection
from typing import Any, ClassVar

from .base import Body, Cloud, Kind, Stray, Values, gone_is_fine


class Designate(Kind):
    """A type of the DNS service, in the project of the credentials."""

    service, key = "dns", ""
    settled, failed, gone_is_slow = ("ACTIVE",), ("ERROR",), True
    listed_with: ClassVar[dict[str, Any]] = {"limit": 1000}
    unsupported = "projectId"

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Start creating."""
        ident = self.ident(self.call(cloud, "post", self._at(inputs), self.encode(inputs)))
        cloud.note(f"unchecked {ident}", bool(inputs.get("disableStatusCheck")))
        return ident

    def settle(self, cloud: Cloud, ident: str) -> None:
        """Wait until the name servers have the change, unless the program does not care."""
        if not cloud.once(f"unchecked {ident}", bool):
            super().settle(cloud, ident)

    def _at(self, inputs: Values) -> str:
        del inputs
        return self.path

    def fetch(self, cloud: Cloud, ident: str) -> Body:
        """Return the API's object."""
        body: Body = self.call(cloud, "get", self.url(ident))
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        return found | {"disableStatusCheck": bool(inputs.get("disableStatusCheck"))}

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties."""
        del old
        send = {name: inputs.get(name) for name in changed if name in self.inputs}
        body = self.encode(send) | {
            self.inputs[name].field: "" for name, value in send.items() if value is None
        }
        cloud.take(self.token, ident)
        cloud.note(f"unchecked {ident}", bool(inputs.get("disableStatusCheck")))
        if body:
            self.call(cloud, self.update_method, self.url(ident), body)
        self.settle(cloud, ident)


class Zone(Designate):
    """A zone."""

    path, update_method = "/zones", "patch"
    properties = """name?! attributes!* description disableStatusCheck- email? masters@ projectId?!
        region?!- ttl?# type?! valueSpecs!-"""

    def strays(self, cloud: Cloud, ident: str, known: Collection[str]) -> list[Stray]:
        """Return the record sets that no program declares, apart from the zone's own."""
        zone = self.fetch(cloud, ident)["name"]
        path = f"{self.url(ident)}/recordsets"
        bodies = cloud.pages(self.service, path, "recordsets", params=self.listed_with)
        return [
            Stray(f"{ident}/{body['id']}", f"record {body['name']} {body['type']}")
            for body in bodies
            if f"{ident}/{body['id']}" not in known
            and not (body["type"] in ("SOA", "NS") and body["name"] == zone)
        ]

    def remove_stray(self, cloud: Cloud, stray: str) -> None:
        """Delete a record set."""
        zone, record = stray.split("/")
        with gone_is_fine():
            self.call(cloud, "delete", f"{self.path}/{zone}/recordsets/{record}")


class RecordSet(Designate):
    """A record set; its id is "zone/record set"."""

    path, listed_at, many = "/recordsets", "/recordsets", "recordsets"
    properties = """name?! description disableStatusCheck- projectId?! records@ region?!- ttl?#
        type?! valueSpecs!- zoneId!"""

    def url(self, ident: str) -> str:
        """Return the record set's path."""
        zone, record = ident.split("/")
        return f"/zones/{zone}/recordsets/{record}"

    def ident(self, body: Body) -> str:
        """Return "zone/record set"."""
        return f"{body['zone_id']}/{body['id']}"

    def _at(self, inputs: Values) -> str:
        return f"/zones/{inputs['zoneId']}/recordsets"

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields; designate wants IPv6 addresses without brackets."""
        body = super().encode(inputs)
        body.pop("zone_id", None)
        if "records" in body:
            body["records"] = [one.strip("[]") for one in body["records"]]
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        given = inputs.get("records") or []
        if sorted(one.strip("[]") for one in given) == sorted(body["records"]):
            found["records"] = given
        return found


KINDS: dict[str, type[Kind]] = {
    "openstack:dns/recordSet:RecordSet": RecordSet,
    "openstack:dns/zone:Zone": Zone,
}
