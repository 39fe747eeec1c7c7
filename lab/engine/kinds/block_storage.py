"""Volumes and their quotas."""

from collections.abc import Collection
from typing import ClassVar

from .base import Body, Cloud, Kind, Values, gone_is_fine, patiently, renamed, snake
from .quota import Quota as BaseQuota


class Volume(Kind):
    """A volume."""

    service, path, key = "block_storage", "/volumes", "volume"
    listed_at = "/volumes/detail"
    settled, failed = ("available", "in-use"), ("error", "error_extending", "error_restoring")
    gone_is_slow = True
    properties = """name? description availabilityZone?! backupId!
        consistencyGroupId!=consistencygroup_id enableOnlineResize-
        imageId!=imageRef metadata?* region?!- schedulerHints!- size#
        snapshotId! sourceReplica! sourceVolId!=source_volid volumeRetypePolicy- volumeType?+"""
    outputs = "attachments-"
    unsupported = "sourceReplica"
    defaults: ClassVar[Values] = {"volumeRetypePolicy": "never"}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Create the volume."""
        fields = self.encode(inputs)
        if inputs.get("volumeType"):
            fields["volume_type"] = inputs["volumeType"]
        body = {self.key: fields}
        if inputs.get("schedulerHints"):
            body["OS-SCH-HNT:scheduler_hints"] = renamed(inputs["schedulerHints"][0], snake)
        version = "3.47" if inputs.get("backupId") else None
        answer = cloud.call(self.service, "post", self.path, body, version)
        return str(answer[self.key]["id"])

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        return found | {
            "attachments": [
                {
                    "id": one["attachment_id"],
                    "instanceId": one["server_id"],
                    "device": one["device"],
                }
                for one in body["attachments"]
            ]
        }

    def update(
        self, cloud: Cloud, ident: str, inputs: Values, old: Values, changed: Collection[str]
    ) -> None:
        """Change properties; a volume in use grows too, where its storage can do that."""
        if "size" in changed:
            used = self.fetch(cloud, ident)["status"] == "in-use"
            action = {"os-extend": {"new_size": inputs["size"]}}
            path, version = f"{self.url(ident)}/action", "3.42" if used else None
            cloud.call(self.service, "post", path, action, version)
            self.settle(cloud, ident)
        if "volumeType" in changed:
            policy = inputs.get("volumeRetypePolicy") or "never"
            retype = {"new_type": inputs["volumeType"], "migration_policy": policy}
            self.call(cloud, "post", f"{self.url(ident)}/action", {"os-retype": retype})
            self.settle(cloud, ident)
        super().update(cloud, ident, inputs, old, set(changed) - {"size", "volumeType"})

    def remove(self, cloud: Cloud, ident: str, outputs: Values) -> None:
        """Delete the volume, detached first from the servers that still have it."""
        del outputs
        for one in self.fetch(cloud, ident)["attachments"]:
            with gone_is_fine():
                path = f"/servers/{one['server_id']}/os-volume_attachments/{ident}"
                patiently(lambda path=path: cloud.call("compute", "delete", path))
        busy = ("in-use", "detaching", "attaching", "uploading", "extending", "retyping")
        cloud.wait(lambda: "busy" if self._status(cloud, ident) in busy else "idle", ("idle", None))
        self.call(cloud, "delete", self.url(ident))

    def _status(self, cloud: Cloud, ident: str) -> str:
        return str(self.fetch(cloud, ident)["status"])


class Quota(BaseQuota):
    """A project's quotas of the block storage service."""

    service, path, key = "block_storage", "/os-quota-sets", "quota_set"
    properties = """projectId!+ region?!- backupGigabytes?# backups?# gigabytes?# groups?#
        perVolumeGigabytes?# snapshots?# volumeTypeQuota?+ volumes?#"""

    def encode(self, inputs: Values) -> Body:
        """Return the quotas; those of volume types have their own names."""
        by_type = inputs.get("volumeTypeQuota") or {}
        return super().encode(inputs) | {k: v for k, v in by_type.items() if k != "__defaults"}

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        found = super().decode(body, inputs, cloud)
        if inputs.get("volumeTypeQuota"):
            told = {name: body.get(name, 0) for name in inputs["volumeTypeQuota"]}
            found["volumeTypeQuota"] = told
        return found


KINDS: dict[str, type[Kind]] = {
    "openstack:blockstorage/quoteSetV3:QuoteSetV3": Quota,
    "openstack:blockstorage/volume:Volume": Volume,
}
