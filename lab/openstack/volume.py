"""
A cinder driver that keeps each volume as a sparse raw file.

The file is handed out as a "local" device, so volume backups read and write real data and need
neither root nor a kernel target.  An encrypted volume has its key in barbican as in production,
but its file is plain: encryption is the hypervisor's work, and there is none.
"""
# cinder has no types.
# mypy: disable-error-code="import-untyped, misc, untyped-decorator"

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cinder import interface
from cinder.volume import configuration, driver
from cinder.volume.flows.manager import create_volume
from oslo_config import cfg
from oslo_utils import units

from lab.hosts import images

OPTIONS: list[cfg.Opt] = [cfg.StrOpt("citydc_volume_dir", help="Where the volumes are kept.")]
cfg.CONF.register_opts(OPTIONS, group=configuration.SHARED_CONF_GROUP)


def keep_plain() -> None:
    """Let cinder's volume manager make encrypted volumes without qemu-img and cryptsetup."""
    task = create_volume.CreateVolumeFromSpecTask
    task._rekey_volume = _keep_key  # noqa: SLF001
    task._create_from_image_cache_or_download = _create_from_image  # noqa: SLF001


def _keep_key(_task: Any, _context: Any, _volume: Any) -> dict[str, Any]:
    """Leave a copy of an encrypted volume with the copy of the key that it got."""
    return {}


def _create_from_image(  # noqa: PLR0913, PLR0917  (cinder's signature)
    task: Any,
    context: Any,
    volume: Any,
    image_location: Any,
    image_id: str,  # noqa: ARG001
    image_meta: dict[str, Any],
    image_service: Any,
    update_cache: bool = False,  # noqa: ARG001, FBT001, FBT002
) -> dict[str, Any]:
    """Write the image into the volume's file, whatever the volume's type."""
    update, _ = task.driver.clone_image(context, volume, image_location, image_meta, image_service)
    return update or {}


@interface.volumedriver
class Driver(driver.VolumeDriver):
    """What `volume_driver = lab.openstack.volume.Driver` stands for."""

    VERSION = "1.0"
    CI_WIKI_NAME = "none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)
        self.folder = Path(self.configuration.citydc_volume_dir)

    @staticmethod
    def get_driver_options() -> list[cfg.Opt]:
        """Give the options of its own."""
        return OPTIONS

    def do_setup(self, _context: Any) -> None:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def check_for_setup_error(self) -> None:
        """Have nothing to check."""

    def local_path(self, thing: Any) -> str:
        """Give the path of a volume's or snapshot's file."""
        return str(self.folder / thing.id)

    def _image(self, checksum: str) -> Path:
        return self.folder / "images" / checksum

    def _resize(self, volume: Any, size_gib: int) -> None:
        with open(self.local_path(volume), "ab") as file:  # noqa: PTH123  (cinder wants strings)
            file.truncate(size_gib * units.Gi)

    def create_volume(self, volume: Any) -> None:
        """Make an empty, sparse file."""
        self._resize(volume, volume.size)

    def delete_volume(self, volume: Any) -> None:
        """Remove the file; one that is lost is fine."""
        Path(self.local_path(volume)).unlink(missing_ok=True)

    def extend_volume(self, volume: Any, new_size: int) -> None:
        """Make the file larger, to `new_size` GiB."""
        self._resize(volume, new_size)

    def create_snapshot(self, snapshot: Any) -> None:
        """Copy the volume's file."""
        _copy(self.local_path(snapshot.volume), self.local_path(snapshot))

    delete_snapshot = delete_volume

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        """Copy the snapshot's file."""
        _copy(self.local_path(snapshot), self.local_path(volume))
        self._resize(volume, volume.size)

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> None:
        """Copy the other volume's file."""
        _copy(self.local_path(src_vref), self.local_path(volume))
        self._resize(volume, volume.size)

    def revert_to_snapshot(self, _context: Any, volume: Any, snapshot: Any) -> None:
        """Copy the snapshot's file back."""
        self.create_volume_from_snapshot(volume, snapshot)

    def clone_image(
        self,
        context: Any,
        volume: Any,
        image_location: Any,
        image_meta: dict[str, Any],
        image_service: Any,
    ) -> tuple[dict[str, Any], bool]:
        """
        Have a golden image under the volume, as storage does that copies on write.

        Others are written into the volume's file; other formats than raw would need qemu-img.
        """
        if image_meta["disk_format"] != "raw":
            raise NotImplementedError(f"images of format {image_meta['disk_format']}")
        self._resize(volume, volume.size)
        url, _locations = image_location
        if url and images.is_file_system(image := Path(urlsplit(url).path)):
            images.keep(image, self._image(image_meta["checksum"]))
            return {}, True
        with open(self.local_path(volume), "r+b") as file:  # noqa: PTH123
            image_service.download(context, image_meta["id"], file)
        return {}, True

    def copy_volume_to_image(
        self, context: Any, volume: Any, image_service: Any, image_meta: dict[str, Any]
    ) -> None:
        """Give the volume's file to the image service."""
        with open(self.local_path(volume), "rb") as file:  # noqa: PTH123
            image_service.update(context, image_meta["id"], {}, file)

    def initialize_connection(self, volume: Any, _connector: Any, **_more: Any) -> dict[str, Any]:
        """Hand the file out as a local device, with the golden image under it if it has one."""
        data = {"device_path": self.local_path(volume)}
        image = self._image(volume.glance_metadata.get("checksum", ""))
        if image.is_file():
            data["image_path"] = str(image)
        return {"driver_volume_type": "local", "data": data}

    def initialize_connection_snapshot(
        self, snapshot: Any, _connector: Any, **_more: Any
    ) -> dict[str, Any]:
        """Hand the snapshot's file out as a local device."""
        return {
            "driver_volume_type": "local",
            "data": {"device_path": self.local_path(snapshot)},
        }

    def terminate_connection(self, volume: Any, _connector: Any, **_more: Any) -> None:
        """
        Give the file its full size again.

        A restore opens its volume for writing, which empties a plain file, and leaves out the
        zeros; so the file may have become shorter.
        """
        self._resize(volume, volume.size)

    def terminate_connection_snapshot(self, _snapshot: Any, _connector: Any, **_more: Any) -> None:
        """Have nothing to undo."""

    def create_export(self, _context: Any, _volume: Any, _connector: Any) -> None:
        """Have nothing to export: the file is on the same machine."""

    create_export_snapshot = create_export

    def ensure_export(self, _context: Any, _volume: Any) -> None:
        """Have nothing to export."""

    remove_export = remove_export_snapshot = ensure_export

    def _update_volume_stats(self) -> None:
        self._stats = {
            "volume_backend_name": self.configuration.volume_backend_name,
            "vendor_name": "citydc",
            "driver_version": self.VERSION,
            "storage_protocol": "local",
            # The files are sparse, so what is promised may exceed what there is.
            "total_capacity_gb": "infinite",
            "free_capacity_gb": "infinite",
            "reserved_percentage": 0,
            "thin_provisioning_support": True,
            "multiattach": True,
            "QoS_support": False,
        }


def _copy(source: str, target: str) -> None:
    subprocess.run(  # noqa: S603  (paths of its own)
        ["/bin/cp", "--sparse=always", "--reflink=auto", source, target], check=True
    )
