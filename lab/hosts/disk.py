"""What a host is on its disk: who it is, its keys and networks, whatever runs it."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from lab.hosts import keys, networkd, registry
from lab.hosts.tree import USER


@dataclasses.dataclass(frozen=True)
class Identity:
    """
    What a host is from its first boot on.

    `login` are the public keys that the account debian accepts; `key` is the host's own key, which
    the caller makes and so knows.
    """

    hostname: str
    login: tuple[str, ...]
    key: keys.KeyPair
    interfaces: tuple[networkd.Interface, ...] = ()
    uuid: UUID = dataclasses.field(default_factory=uuid4)


class Disk:
    """
    A host's files, under `root` while it is off, and its folder `home`.

    The folder's name is also that of its network namespace and its cgroup: "citydc-" and what
    nothing else on the machine has.  Used in a `with`, it is removed at the end.
    """

    def __init__(self, home: Path) -> None:
        self.name = home.name
        self.home = home
        self.root = home / "root"
        self.console = home / "console.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    @property
    def exists(self) -> bool:
        """Say whether its disk is there."""
        return self.home.is_dir()

    def release(self) -> None:
        """Cut it off and give back what it takes of the machine; its disk stays."""
        registry.release(self.name, self.home)

    def remove(self) -> None:
        """Remove it with its disk, whatever state it is in; again is fine."""
        registry.remove(self.name)

    # --- its files ---

    def personalize(self, identity: Identity) -> None:
        """Write what tells the host from all others."""
        short = identity.hostname.partition(".")[0]
        names = f"{identity.hostname} {short}" if short != identity.hostname else short
        self.write("etc/hostname", f"{short}\n")
        self.write("etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {names}\n")
        self.write("etc/machine-id", f"{identity.uuid.hex}\n")
        self.write("etc/ssh/ssh_host_ed25519_key", identity.key.private, 0o600)
        self.write("etc/ssh/ssh_host_ed25519_key.pub", f"{identity.key.public}\n")
        self._authorize(identity.login)
        for old in self.root.glob(network_file("*")):  # of a disk that was another host's
            old.unlink()
        for interface in identity.interfaces:
            self.write(network_file(interface.mac), networkd.file(interface))
        self.write("etc/resolv.conf", networkd.resolver(identity.interfaces))

    def _authorize(self, login: Iterable[str]) -> None:
        path = f"home/{USER}/.ssh"
        self.write(f"{path}/authorized_keys", "".join(f"{key.strip()}\n" for key in login), 0o600)
        (self.root / path).chmod(0o700)
        home = (self.root / f"home/{USER}").stat()
        for one in (self.root / path, self.root / path / "authorized_keys"):
            os.chown(one, home.st_uid, home.st_gid)

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        """Write a file of the host, with the folders above it."""
        file = self._place(path)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)

    def link(self, path: str, target: str) -> None:
        """Have a symbolic link in the host."""
        file = self._place(path)
        file.unlink(missing_ok=True)
        file.symlink_to(target)

    def _place(self, path: str) -> Path:
        file = self.root / path
        for folder in reversed(file.relative_to(self.root).parents):
            if not (self.root / folder).exists():
                (self.root / folder).mkdir()
                (self.root / folder).chmod(0o755)
        return file

    def say(self, *lines: str) -> None:
        """Add lines to what the host's console shows."""
        with self.console.open("a") as console:
            console.writelines(f"{line}\n" for line in lines)


def network_file(mac: str) -> str:
    """Give the file that has the interface, under the root."""
    return f"etc/systemd/network/10-lab-{mac.replace(':', '')}.network"
