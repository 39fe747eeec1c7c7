"""Hosts on a segment of their own: two that meet, and what is left of a process that is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_helpers import wait_for

from lab.hosts import keys, machine, registry, tree
from lab.hosts.command import CommandError
from lab.hosts.host import Host
from lab.hosts.segment import Segment

MINE = keys.make()
KEYS = {"alpha": keys.make(), "beta": keys.make()}
ADDRESSES = {
    "alpha": ("10.9.0.10/24", "fd09::10/64"),
    "beta": ("10.9.0.11/24", "fd09::11/64"),
}


@pytest.fixture(scope="module")
def base() -> Path:
    """Give the hosts' base tree."""
    return tree.ensure(print)


@pytest.fixture(scope="module")
def segment() -> Iterator[Segment]:
    """Give a segment with a way out."""
    with Segment("10.9.0.1/24", "fd09::1/64", outward=True) as made:
        yield made


@pytest.fixture(scope="module")
def hosts(segment: Segment, base: Path) -> dict[str, Host]:
    """Give two hosts that are up."""
    made = {
        name: segment.host(name, base, *addresses, login=[MINE.public], key=KEYS[name])
        for name, addresses in ADDRESSES.items()
    }
    for host in made.values():
        host.wait_until_up()
    return made


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give ssh with the key of the tests, which knows both hosts."""
    folder = tmp_path_factory.mktemp("ssh")
    (folder / "id").write_text(MINE.private)
    (folder / "id").chmod(0o600)
    (folder / "known").write_text(
        "".join(
            f"{address.partition('/')[0]} {KEYS[name].public}\n"
            for name, several in ADDRESSES.items()
            for address in several
        )
    )
    options = ("StrictHostKeyChecking=yes", f"UserKnownHostsFile={folder}/known", "BatchMode=yes")
    return [
        *("ssh", "-F", "none", "-i", str(folder / "id")),
        *(word for option in options for word in ("-o", option)),
    ]


@pytest.mark.parametrize("address", ["10.9.0.10", "fd09::10"])
def test_host_is_debian_with_systemd(
    segment: Segment, hosts: dict[str, Host], ssh: list[str], address: str
) -> None:
    """The account debian gets in by its key, is allowed sudo, and finds Debian and systemd."""
    told = segment.run(*ssh, f"debian@{address}", "hostname; sudo id -u; cat /etc/os-release")
    assert told.split()[:2] == ["alpha", "0"]
    assert "VERSION_CODENAME=bookworm" in told
    assert hosts["alpha"].run("ps", "-o", "comm=", "1").strip() == "systemd"
    wait_for(lambda: not hosts["alpha"].run("systemctl", "list-jobs", "--no-legend"))
    assert hosts["alpha"].run("systemctl", "--failed", "--no-legend") == ""


def test_unknown_keys_are_refused(
    segment: Segment, hosts: dict[str, Host], ssh: list[str], tmp_path: Path
) -> None:
    """Neither does a stranger's key get in, nor is a host with another key believed."""
    assert hosts
    (tmp_path / "id").write_text(keys.make().private)
    (tmp_path / "id").chmod(0o600)
    stranger = [*ssh[:3], "-i", str(tmp_path / "id"), *ssh[5:]]
    with pytest.raises(CommandError, match="Permission denied"):
        segment.run(*stranger, "debian@fd09::10", "true")
    (tmp_path / "known").write_text(f"fd09::10 {KEYS['beta'].public}\n")
    doubting = ["ssh", "-o", f"UserKnownHostsFile={tmp_path}/known", *ssh[1:]]
    with pytest.raises(CommandError, match="Host key verification failed"):
        segment.run(*doubting, "debian@fd09::10", "true")


@pytest.mark.parametrize("target", ["10.9.0.11", "fd09::11"])
def test_hosts_reach_each_other(hosts: dict[str, Host], target: str) -> None:
    """Packets pass between the two, and each has its own network."""
    assert "1 received" in hosts["alpha"].run("ping", "-c1", "-W5", target)
    seen = hosts["beta"].run("ip", "-o", "address", "show", "dev", "eth0")
    assert target in seen
    assert "10.9.0.10/" not in seen


def test_reboot_keeps_disk_and_addresses(
    segment: Segment, hosts: dict[str, Host], ssh: list[str]
) -> None:
    """A reboot from inside is a new boot of the same host."""
    beta = hosts["beta"]
    before = beta.init()
    beta.run("sh", "-c", "echo kept > /var/kept")
    beta.run("systemctl", "reboot")
    wait_for(lambda: beta.init() not in {None, before})
    beta.wait_until_up()
    there = wait_for(lambda: _try(segment, *ssh, "debian@fd09::11", "cat /var/kept"))
    assert there == "kept\n"


def test_nftables_and_sysctls_of_a_host_are_its_own(
    segment: Segment, hosts: dict[str, Host]
) -> None:
    """A host filters for itself: its own rules drop what came through before."""
    alpha, beta = hosts["alpha"], hosts["beta"]
    alpha.run("sysctl", "-qw", "net.ipv6.conf.all.accept_redirects=0")
    alpha.run("nft", "add table inet t; add chain inet t in { type filter hook input priority 0; }")
    alpha.run("nft", "add rule inet t in meta l4proto { icmp, icmpv6 } drop")
    for target in ("10.9.0.10", "fd09::10"):
        with pytest.raises(CommandError):
            beta.run("ping", "-c1", "-W1", target)
    alpha.run("nft", "delete table inet t")
    assert "1 received" in beta.run("ping", "-c1", "-W5", "10.9.0.10")
    assert segment.run("nft", "list", "tables").split("\n")[0] == "table inet uplink"


def test_volume_stays_over_a_reboot_and_leaves(hosts: dict[str, Host], tmp_path: Path) -> None:
    """A file is a disk of the host, whose file system is found again after a reboot."""
    alpha, file = hosts["alpha"], tmp_path / "volume"
    with file.open("wb") as empty:
        empty.truncate(32 << 20)
    alpha.attach(file, "/dev/vdb", "0123456789abcdef")
    alpha.run("mkfs.ext4", "-q", "/dev/disk/by-id/virtio-0123456789abcdef")
    alpha.run("sh", "-c", "mount /dev/vdb /mnt && echo data > /mnt/file && umount /mnt")
    alpha.reboot()
    alpha.wait_until_up()
    assert alpha.run("sh", "-c", "mount /dev/vdb /mnt && cat /mnt/file") == "data\n"
    alpha.detach("/dev/vdb")
    assert alpha.run("sh", "-c", "ls /dev/vdb 2>&1 || true").endswith("No such file or directory\n")
    assert not machine.loops_of(file)


def test_host_that_is_off_comes_back(hosts: dict[str, Host]) -> None:
    """Shut down, it has no process; cut off and started, it has its disk."""
    beta = hosts["beta"]
    beta.stop()
    assert not beta.is_on
    beta.start()
    beta.wait_until_up()
    beta.stop(patience_s=0)
    beta.start()
    beta.wait_until_up()
    assert beta.run("cat", "/var/kept") == "kept\n"


def test_what_a_killed_process_leaves_is_removed(base: Path) -> None:
    """Hosts and networks of a process that was killed go when the next one sweeps."""
    code = (
        "import time\nfrom pathlib import Path\nfrom lab.hosts.segment import Segment\n"
        f"with Segment('10.9.1.1/24') as s:\n    s.host('left', Path('{base}'), '10.9.1.2/24', "
        "login=[])\n    print(s.name, s.hosts[0].name, s.hosts[0].home, flush=True)\n"
        "    time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        segment, host, home = child.stdout.readline().split()
        assert machine.is_populated(host)
        child.send_signal(signal.SIGKILL)
    registry.sweep()
    assert not machine.is_populated(host)
    for path in (machine.NAMESPACES / segment, machine.NAMESPACES / host, Path(home)):
        assert not path.exists()
    assert not os.path.ismount(Path(home) / "root")


def _try(segment: Segment, *words: str) -> str | None:
    with contextlib.suppress(CommandError):
        return segment.run(*words)
    time.sleep(0.2)
    return None
