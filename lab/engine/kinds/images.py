"""Images, made by glance's own download or from a file here."""

import os
import pathlib
from collections.abc import Collection
from typing import ClassVar

from .base import Body, Cloud, Kind, StateError, Values, kept_keys


class Image(Kind):
    """An image."""

    service, path, key = "image", "/images", ""
    listed_with: ClassVar[dict[str, int]] = {"limit": 1000}
    owner, owner_property = "owner", ""
    settled, gone_is_slow = ("active",), False
    properties = """name? containerFormat! decompress!- diskFormat! hidden=os_hidden imageCachePath-
        imageId?!=id imageSourcePassword- imageSourceUrl!- imageSourceUsername- localFilePath!-
        minDiskGb!#=min_disk minRamMb!#=min_ram properties?+ protected! region?!- tags@
        verifyChecksum- visibility webDownload-"""
    outputs = "checksum createdAt file metadata- owner schema sizeBytes#=size status updatedAt"
    unsupported = "decompress imageSourceUsername imageSourcePassword"
    defaults: ClassVar[Values] = {
        "hidden": False,
        "imageCachePath": f"{os.environ.get('HOME', '')}/.terraform/image_cache",
        "minDiskGb": 0,
        "minRamMb": 0,
        "protected": False,
        "visibility": "private",
    }

    def check(self, inputs: Values) -> list[str]:
        """Say what is wrong with the inputs."""
        problems = super().check(inputs)
        if inputs.get("imageSourceUrl") and not inputs.get("webDownload"):
            problems.append("imageSourceUrl: this engine needs webDownload with it")
        return problems

    def encode(self, inputs: Values) -> Body:
        """Return the API's fields, among which the properties are."""
        return {**(inputs.get("properties") or {}), **super().encode(inputs)}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Register the image and start loading its data."""
        ident = str(self.call(cloud, "post", self.path, self.encode(inputs))["id"])
        self.finish(cloud, ident, inputs)
        return ident

    def finish(self, cloud: Cloud, ident: str, inputs: Values) -> None:
        """Load the data if the image has none."""
        body = self.fetch(cloud, ident)
        if body["status"] != "queued" or body.get("os_glance_importing_to_stores"):
            return
        if inputs.get("localFilePath"):
            with pathlib.Path(inputs["localFilePath"]).open("rb") as data:
                cloud.request(
                    "image",
                    "put",
                    f"{self.url(ident)}/file",
                    data=data,
                    headers={"Content-Type": "application/octet-stream"},
                )
        else:
            method = {"name": "web-download", "uri": inputs["imageSourceUrl"]}
            self.call(cloud, "post", f"{self.url(ident)}/import", {"method": method})

    def settle(self, cloud: Cloud, ident: str) -> None:
        """Wait until the image can be used.  Raise StateError where another or none was loaded."""

        def look() -> str:
            body = self.fetch(cloud, ident)
            if body.get("os_glance_failed_import") or body["status"] in ("killed", "deleted"):
                raise StateError(
                    f"image {body['name']} could not be loaded",
                    f"glance could not import it: status {body['status']}",
                )
            wanted, loaded = body.get("source_sha512"), body.get("os_hash_value")
            if wanted and body["status"] == "active" and loaded != wanted:
                raise StateError(
                    f"image {body['name']} is not the one that its publisher gives",
                    f"its sha512 is to be {wanted}, but what glance loaded has"
                    f" {body.get('os_hash_algo')} {loaded}",
                )
            cloud.keep(self.token, ident, body)
            return str(body["status"])

        cloud.wait(look, self.settled)

    def fetch(self, cloud: Cloud, ident: str) -> Body:
        """Return the image."""
        body: Body = self.call(cloud, "get", self.url(ident))
        return body

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs; of the properties those that the program gives."""
        given = inputs.get("properties")
        found = super().decode({k: v for k, v in body.items() if k != "properties"}, inputs, cloud)
        if given is not None:
            found["properties"] = kept_keys(given, body)
        return found

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties by a JSON patch."""
        send = {name: inputs.get(name) for name in changed if name in self.inputs}
        fields = {
            self.inputs[name].field: value if value is not None else [] if name == "tags" else ""
            for name, value in send.items()
            if not {"-", "+"} & set(self.inputs[name].marks)
        }
        patch = [
            {"op": "replace", "path": f"/{field}", "value": value}
            for field, value in fields.items()
        ]
        if "properties" in changed:
            there = self.fetch(cloud, ident)
            wanted = {
                k: v for k, v in (inputs.get("properties") or {}).items() if k != "__defaults"
            }
            patch += [
                {"op": "replace" if name in there else "add", "path": f"/{name}", "value": value}
                for name, value in wanted.items()
            ]
            patch += [
                {"op": "remove", "path": f"/{name}"}
                for name in old.get("properties") or {}
                if name in there and name not in wanted
            ]
        if patch:
            headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
            body = self.call(cloud, "patch", self.url(ident), patch, headers=headers)
            cloud.keep(self.token, ident, body)


KINDS: dict[str, type[Kind]] = {"openstack:images/image:Image": Image}
