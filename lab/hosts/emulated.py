"""
One host with a kernel of its own: a machine that QEMU emulates, from a golden image.

It is emulated by software: KVM inside a virtual machine is not to be relied on.
"""

import os
import shutil
import subprocess
from pathlib import Path

from lab.hosts import machine, registry
from lab.hosts.command import run
from lab.hosts.disk import Disk, Identity

DISK_BYTES = 4 << 30
MEMORY_MIB = 1024
# It dies with its cgroup.
RUN = 'echo $$ > "$1/cgroup.procs" && shift && exec nsenter "$@"'
# As update-grub would put it into the boot loader's configuration.
PARAMETERS = "cat /etc/default/grub.d/*.cfg > /run/grub && . /run/grub; echo $GRUB_CMDLINE_LINUX"


class Emulated(Disk):
    """A host whose disk is a copy of a golden image."""

    def make(self, image: Path, identity: Identity) -> None:
        """Make its disk; it is off, and does not outlive this process."""
        registry.register(self.name, folder=self.home, mortal=True)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        run("cp", "--sparse=always", "--reflink=auto", image, self._disk)
        os.truncate(self._disk, DISK_BYTES)
        run("resize2fs", "-f", self._disk)
        run("mount", "-o", "loop", self._disk, self.root)
        self.personalize(identity)
        for name in ("vmlinuz", "initrd.img"):
            (found,) = (self.root / "boot").glob(f"{name}-*")
            shutil.copy(found, self.home / name)
        told = run("chroot", self.root, "/bin/sh", "-c", PARAMETERS)
        (self.home / "parameters").write_text(told.strip())
        run("umount", self.root)

    @property
    def _disk(self) -> Path:
        return self.home / "disk.raw"

    def start(self, space: str, tap: str, mac: str) -> None:
        """Switch it on, in the network namespace `space`, where its interface is the tap."""
        group = machine.cgroup(self.name)
        group.mkdir(parents=True, exist_ok=True)
        parameters = (self.home / "parameters").read_text()
        words = [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-machine", "q35", "-accel", "tcg", "-cpu", "max"),
            *("-smp", "1", "-m", str(MEMORY_MIB), "-device", "virtio-rng-pci"),
            *("-kernel", self.home / "vmlinuz", "-initrd", self.home / "initrd.img"),
            *("-append", f"root=/dev/vda rw console=ttyS0 net.ifnames=0 {parameters}"),
            *("-serial", f"file:{self.console}"),
            *("-drive", f"file={self._disk},if=virtio,format=raw,cache=unsafe"),
            *("-netdev", f"tap,id=eth0,ifname={tap},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=eth0,mac={mac}"),
        ]
        place = f"--net={machine.NAMESPACES / space}"
        with (self.home / "qemu.log").open("ab") as log:
            subprocess.run(  # noqa: S603  (its own script)
                [
                    *("/usr/bin/setsid", "--fork", "/bin/sh", "-c", RUN, "citydc-host"),
                    *map(str, (group, place, *words)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                check=True,
            )
