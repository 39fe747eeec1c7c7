"""
A nova driver whose servers are real hosts (lab.hosts), on the ports of the site's switch.

What is known of a server's host is in its folder, so a new nova process finds all as they are.
"""
# nova has no types.
# mypy: disable-error-code="import-untyped, misc"

import functools
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nova.conf
from nova.compute import power_state
from nova.image import glance
from nova.network import neutron
from nova.virt import block_device, fake, hardware
from oslo_config import cfg

from lab.hosts import images, keys, machine, tree
from lab.hosts.disk import Identity
from lab.hosts.host import Host
from lab.openstack import plugging, virt

CONF = nova.conf.CONF
CONF.register_opts(
    [
        cfg.StrOpt("space", help="The site's network namespace."),
        cfg.StrOpt("switch", help="The database of its Open vSwitch."),
        cfg.StrOpt("hosts", help="Where the hosts' folders are."),
        cfg.StrOpt("network_host", help="The host of neutron's agents."),
        cfg.StrOpt("login", help="The file of the key pair that logs in to every host."),
        cfg.StrOpt("package_proxy", help="Where hosts get Debian's packages from."),
    ],
    group="citydc",
)
CONSOLE_BYTES = 65536


class _AnyHost:
    """nova's options, to code that asks `CONF.host == instance.host`."""

    host = type("", (), {"__eq__": lambda *_: True, "__hash__": None})()

    def __getattr__(self, name: str) -> Any:
        return getattr(CONF, name)


@functools.cache
def _share_one_process() -> None:
    """Let a site's computes share a process and a switch."""
    block_device.CONF = _AnyHost()  # or volumes are never detached
    api = neutron.API
    plain = api._update_port_binding_for_instance  # noqa: SLF001

    def update(self: Any, context: Any, instance: Any, _host: Any, *args: Any, **more: Any) -> Any:
        return plain(self, context, instance, CONF.citydc.network_host, *args, **more)

    api._update_port_binding_for_instance = update  # noqa: SLF001


class Driver(virt.Driver):
    """What `compute_driver = citydc_hosts.Driver` stands for, known as nova.virt.citydc_hosts."""

    def init_host(self, host: str) -> None:
        """Find the servers that are there."""
        super().init_host(host)
        _share_one_process()

    def network_binding_host_id(self, _context: Any, _instance: Any) -> str:
        """Have all ports bound where the switch is."""
        return str(CONF.citydc.network_host)

    def manages_network_binding_host_id(self) -> bool:
        """Say that this driver decides where ports are bound."""
        return True

    @staticmethod
    def _host_of(instance: Any) -> Host:
        return Host(Path(CONF.citydc.hosts, f"citydc-{instance.uuid}"))

    def get_info(self, instance: Any, use_cache: bool = True) -> Any:  # noqa: FBT001, FBT002  (theirs)
        """Say whether the server is on."""
        host = self._host_of(instance)
        if not host.exists:
            return super().get_info(instance, use_cache)
        return hardware.InstanceInfo(
            state=power_state.RUNNING if host.is_on else power_state.SHUTDOWN
        )

    # --- life ---

    def spawn(  # noqa: PLR0913, PLR0917  (nova's signature)
        self,
        context: Any,
        instance: Any,
        image_meta: Any,
        injected_files: Any,
        admin_password: Any,
        allocations: Any,
        network_info: Any = None,
        block_device_info: Any = None,
        power_on: bool = True,  # noqa: FBT001, FBT002
        accel_info: Any = None,
    ) -> None:
        """Make the server's host, and start it once its ports are wired."""
        super().spawn(
            context,
            instance,
            image_meta,
            injected_files,
            admin_password,
            allocations,
            network_info,
            block_device_info,
            power_on,
            accel_info,
        )
        host, ports = self._host_of(instance), network_info or []
        waits = [("network-vif-plugged", vif["id"]) for vif in ports if vif.get("active") is False]
        try:
            with self.virtapi.wait_for_instance_event(
                instance, waits, timeout=CONF.vif_plugging_timeout
            ):
                self._make(context, host, instance, ports, _volumes(block_device_info))
            if power_on:
                host.start()
        except BaseException:
            self._remove(host, ports)
            raise

    @staticmethod
    def _make(context: Any, host: Host, instance: Any, ports: Any, volumes: list[Any]) -> None:
        key, login = keys.make(), Path(f"{CONF.citydc.login}.pub").read_text()
        root = next((one for one in volumes if one["boot_index"] == 0), None)
        identity = Identity(
            instance.hostname or instance.name,
            (*([instance.key_data] if instance.key_data else []), login),
            key,
            tuple(plugging.interface(vif) for vif in ports),
            uuid.UUID(instance.uuid),
        )
        image = _image_of_volume(root) if root else _image_of_server(context, instance, host)
        host.make(image or tree.ensure(), identity, disk=_file(root) if root else None)
        host.write(
            "etc/apt/apt.conf.d/80-lab",
            f'Acquire {{ http::Proxy "{CONF.citydc.package_proxy}"; Languages "none"; }};\n',
        )
        # As cloud-init does, so that whoever reads the console knows the host.
        host.say(
            "-----BEGIN SSH HOST KEY KEYS-----",
            f"{key.public} root@{instance.hostname}",
            "-----END SSH HOST KEY KEYS-----",
        )
        for vif in ports:
            plug(host, vif)
        for volume in volumes:
            if volume["boot_index"] != 0:
                serial = volume["connection_info"]["serial"]
                host.attach(_file(volume), volume["mount_device"], serial)

    @staticmethod
    def _remove(host: Host, ports: Any) -> None:
        for vif in ports or []:
            unplug(vif)
        host.remove()

    def destroy(  # noqa: PLR0913, PLR0917  (nova's signature)
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        destroy_disks: bool = True,  # noqa: FBT001, FBT002
        destroy_secrets: bool = True,  # noqa: FBT001, FBT002
    ) -> None:
        """Cut the host off, and remove it unless its disk is still wanted."""
        super().destroy(
            context, instance, network_info, block_device_info, destroy_disks, destroy_secrets
        )
        host = self._host_of(instance)
        if destroy_disks:
            self._remove(host, network_info)
        else:
            host.stop()

    def cleanup(self, _context: Any, instance: Any, network_info: Any, *_: Any, **__: Any) -> None:
        """Remove what is left of a server."""
        self._remove(self._host_of(instance), network_info)

    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:
        """Shut the host down; cut it off after `timeout` seconds."""
        super().power_off(instance, timeout, retry_interval)
        self._host_of(instance).stop(timeout)

    def power_on(  # noqa: PLR0913, PLR0917  (nova's signature)
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        """Start the host, with its ports plugged."""
        self._know(instance)
        super().power_on(context, instance, network_info, block_device_info, accel_info, share_info)
        host = self._host_of(instance)
        for vif in network_info or []:
            plug(host, vif)
        host.start()

    def reboot(  # noqa: PLR0913, PLR0917  (nova's signature)
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        reboot_type: str,
        block_device_info: Any = None,
        bad_volumes_callback: Any = None,  # noqa: ARG002
        accel_info: Any = None,  # noqa: ARG002
        share_info: Any = None,  # noqa: ARG002
    ) -> None:
        """Have the host reboot, or cut it off and start it again."""
        host = self._host_of(instance)
        if reboot_type == "SOFT" and host.is_on:
            host.reboot()
        else:
            host.stop(0)
            self.power_on(context, instance, network_info, block_device_info)

    def resume_state_on_host_boot(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        share_info: Any = None,  # noqa: ARG002
        block_device_info: Any = None,
    ) -> None:
        """Start the host again after its site came back."""
        self.power_on(context, instance, network_info, block_device_info)

    # --- resize: to nova the server moves between computes; the host stays ---

    def migrate_disk_and_power_off(self, _context: Any, instance: Any, *_: Any, **__: Any) -> str:
        """Shut the host down."""
        self._host_of(instance).stop()
        return "[]"

    def finish_migration(  # noqa: PLR0913, PLR0917  (nova's signature)
        self,
        context: Any,
        _migration: Any,
        instance: Any,
        _disk_info: Any,
        network_info: Any,
        _image_meta: Any,
        _resize_instance: Any,
        _allocations: Any,
        block_device_info: Any = None,
        power_on: bool = True,  # noqa: FBT001, FBT002
        share_info: Any = None,  # noqa: ARG002
    ) -> None:
        """Start the host where it was."""
        self._know(instance)
        if power_on:
            self.power_on(context, instance, network_info, block_device_info)

    def finish_revert_migration(  # noqa: PLR0913, PLR0917  (nova's signature)
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        _migration: Any,
        block_device_info: Any = None,
        power_on: bool = True,  # noqa: FBT001, FBT002
        share_info: Any = None,  # noqa: ARG002
    ) -> None:
        """Start the host where it was."""
        self._know(instance)
        if power_on:
            self.power_on(context, instance, network_info, block_device_info)

    def confirm_migration(
        self, _context: Any, migration: Any, instance: Any, _network_info: Any
    ) -> None:
        """Forget the server where nova no longer has it."""
        if migration.source_compute != migration.dest_compute:
            self.instances.pop(instance.uuid, None)

    def _know(self, instance: Any) -> None:
        self.instances.setdefault(
            instance.uuid, fake.FakeInstance(instance.name, power_state.RUNNING, instance.uuid)
        )

    def instance_on_disk(self, instance: Any) -> bool:
        """Say whether the host's folder is there."""
        return self._host_of(instance).exists

    def check_instance_shared_storage_local(self, _context: Any, instance: Any) -> dict[str, str]:
        """Give what another compute shall look for."""
        return {"filename": str(self._host_of(instance).home)}

    def check_instance_shared_storage_remote(self, _context: Any, data: dict[str, str]) -> bool:
        """Say whether it is here too: all computes share the machine's disk."""
        return Path(data["filename"]).exists()

    def check_instance_shared_storage_cleanup(self, _context: Any, _data: Any) -> None:
        """Have nothing to clean up."""

    # --- devices ---

    def plug_vifs(self, instance: Any, network_info: Any) -> None:
        """Have the ports of a host that is there."""
        host = self._host_of(instance)
        for vif in network_info if host.exists else []:
            plug(host, vif)

    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Any) -> None:
        """Give the host another port."""
        super().attach_interface(context, instance, image_meta, vif)
        host = self._host_of(instance)
        plug(host, vif)
        host.add_interface(plugging.interface(vif))

    def detach_interface(self, context: Any, instance: Any, vif: Any) -> None:
        """Take a port from the host."""
        self._interfaces.setdefault(vif["id"], vif)
        super().detach_interface(context, instance, vif)
        unplug(vif)
        self._host_of(instance).remove_interface(vif["address"])

    def attach_volume(  # noqa: PLR0913, PLR0917  (nova's signature)
        self,
        context: Any,
        connection_info: Any,
        instance: Any,
        mountpoint: str,
        disk_bus: Any = None,
        device_type: Any = None,
        encryption: Any = None,
    ) -> None:
        """Give the host a block device."""
        super().attach_volume(
            context, connection_info, instance, mountpoint, disk_bus, device_type, encryption
        )
        self._host_of(instance).attach(
            _file({"connection_info": connection_info}), mountpoint, connection_info["serial"]
        )

    def detach_volume(
        self,
        context: Any,
        connection_info: Any,
        instance: Any,
        mountpoint: str,
        encryption: Any = None,
    ) -> None:
        """Take a block device from the host."""
        super().detach_volume(context, connection_info, instance, mountpoint, encryption)
        host = self._host_of(instance)
        if mountpoint in machine.volumes(host.home):
            host.detach(mountpoint)

    def get_console_output(self, _context: Any, instance: Any) -> bytes:
        """Give what the host said last."""
        console = self._host_of(instance).console
        return console.read_bytes()[-CONSOLE_BYTES:] if console.exists() else b""


def _volumes(block_device_info: Any) -> list[Any]:
    """Give nova's view of a server's volumes; the one it boots from has boot_index 0."""
    return (block_device_info or {}).get("block_device_mapping") or []


def _file(volume: Any) -> Path:
    """Give the file that a volume of `lab.openstack.volume` is."""
    return Path(volume["connection_info"]["data"]["device_path"])


def _image_of_volume(volume: Any) -> Path | None:
    """Give the golden image that lies under a volume, if it is made from one."""
    path = volume["connection_info"]["data"].get("image_path")
    return Path(path) if path else None


def _image_of_server(context: Any, instance: Any, host: Host) -> Path | None:
    """Give the golden image that a server is started from, if it is one; it stays while needed."""
    found = glance.API().get(context, instance.image_ref, include_locations=True)
    file = Path(urlsplit(found["locations"][0]["url"]).path)
    if not images.is_file_system(file):
        return None
    kept: Path = host.home.parent / "images" / found["checksum"]
    images.keep(file, kept)
    return kept


def plug(host: Host, vif: Any) -> None:
    """Give the host the port."""
    machine.make_namespace(host.name)
    plugging.plug(_switch(), plugging.port(vif), host.name)


def unplug(vif: Any) -> None:
    """Take the port from its host."""
    plugging.unplug(_switch(), vif["devname"])


def _switch() -> plugging.Switch:
    return plugging.Switch(CONF.citydc.space, CONF.citydc.switch)
