"""
The base tree under every host: Debian 12 as debootstrap makes it, with systemd and sshd.

It is built once for a machine, as root, and found again by the content of its recipe.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from catalogue.errors import OutsideError
from lab import packages
from lab.hosts.command import CommandError, run

CACHE = Path("/var/cache/citydc/trees")
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    "ca-certificates",
    "dbus",
    "e2fsprogs",
    "ethtool",
    "iproute2",
    "iputils-ping",
    "kmod",
    "libpam-systemd",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)
USER = "debian"
# What Debian's own cloud image has: its account, no keys or ids of its own.  Timers that would
# wake all hosts of one machine at once are off; what a host needs of them, its roles turn on.
FINISH = f"""
set -eu
cat > /etc/apt/sources.list <<END
deb {MIRROR} {SUITE} main
deb {MIRROR} {SUITE}-updates main
deb {MIRROR}-security {SUITE}-security main
END
useradd --create-home --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/90-cloud-init-users
chmod 0440 /etc/sudoers.d/90-cloud-init-users
systemctl enable systemd-networkd.service
systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \\
    e2scrub_all.timer e2scrub_reap.service fstrim.timer
systemctl mask console-getty.service
rm -f /etc/ssh/ssh_host_*_key* /etc/resolv.conf /etc/hostname /var/lib/dbus/machine-id
: > /etc/machine-id
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/*.log /var/log/apt
"""


def digest() -> str:
    """Give the name of the tree that this recipe makes."""
    recipe = json.dumps([SUITE, MIRROR, PACKAGES, FINISH])
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def ensure(progress: Callable[[str], None] = lambda _: None, cache: Path = CACHE) -> Path:
    """
    Give the tree's folder, building it if it is not there.

    A build that is interrupted leaves nothing that counts; two at once build one tree.  Raise
    OutsideError when this user can't build it or the mirror does not answer.
    """
    done = cache / digest()
    if done.exists():
        return done
    if os.geteuid() != 0:
        raise OutsideError(
            "the hosts' base tree is not built yet", why="that needs root", remedy="run it as root"
        )
    packages.ensure(packages.HOSTS, progress)
    with _locked(cache):
        if not done.exists():
            progress(f"building the hosts' base tree: Debian {SUITE}, once (two minutes)")
            _build(done)
    return done


@contextlib.contextmanager
def _locked(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(done: Path) -> None:
    part = done.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)  # of a build that was killed
    try:
        # In namespaces of its own, whose end ends its processes and mounts.
        alone = "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc"
        include = f"--include={','.join(PACKAGES)}"
        run(*alone.split(), "debootstrap", "--variant=minbase", include, SUITE, part, MIRROR)
        run(*alone.split(), "chroot", part, "/bin/sh", stdin=FINISH)
        part.rename(done)
    except CommandError as error:
        raise OutsideError(
            "the hosts' base tree could not be built",
            why=error.why[-300:],
            remedy=f"see that {MIRROR} is reached, then again",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
