"""Object containers."""

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from catalogue.model import Bucket as BucketData
from catalogue.model import Profile
from infra import labels
from infra.labels import Labels

GIB = 1 << 30


@dataclass(frozen=True)
class BucketArgs:
    """Which bucket, and whether what it holds must not be deleted with it."""

    bucket: BucketData | None
    """None: the one that holds backups."""
    profile: Profile
    protect: bool
    labels: Labels


class Bucket(pulumi.ComponentResource):
    """A container with its quota; nobody outside the project reads it, unless it is public."""

    def __init__(
        self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("citydc:service:Bucket", name, None, opts)
        own, metadata = args.bucket, labels.headers(args.labels)
        self.backup = own is None
        if own:
            metadata["quota-bytes"] = str(own.quota_gib.of(args.profile) * GIB)
        self.container = openstack.objectstorage.Container(
            name,
            name=name,
            metadata=metadata,
            versioning=True if own is None or own.versioned else None,
            container_read=".r:*" if own and own.public_read else None,
            force_destroy=not args.protect,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.register_outputs({})
