"""
Golden images: a host that is hardened by the playbooks as every host is, then made nobody's.

The host boots from the base tree under systemd-nspawn, is configured over SSH, gets what a kernel
of its own needs and the packages of all services to hand, and loses what is its own: keys, ids,
addresses, logs, the database of its files.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from catalogue.errors import OutsideError
from citydc import configuring
from citydc.configuring import PLAYBOOKS, Wish
from lab.hosts import images, keys, machine, tree
from lab.hosts.command import CommandError, run
from lab.hosts.host import Host
from lab.hosts.images import Image
from lab.hosts.segment import Segment

NAME = "image"
GATEWAYS = ("10.57.255.1/24", "fd57:255::1/64")
ADDRESSES = ("10.57.255.2/24", "fd57:255::2/64")
KERNEL = ("linux-image-cloud-amd64", "initramfs-tools", "zstd")
EVERYONE = {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}
RESOLVERS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
PLAYED = ("site.yml", "services.yml", "group_vars", "plugins", "roles")

INSTALL = """
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get install -q -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io {kernel}
# A service's packages are on the hosts that run it alone; all have them to hand.
apt-get clean
apt-get install -q -y --no-install-recommends --download-only {services}
"""
SEAL = """
set -eu
rm -f /etc/ssh/ssh_host_* /etc/hostname /etc/hosts /etc/resolv.conf /etc/motd /etc/machine-id- \\
    /etc/systemd/network/05-citydc.network /etc/systemd/network/10-lab-*.network \\
    /var/lib/dbus/machine-id /var/lib/systemd/random-seed /var/lib/aide/aide.db* \\
    /var/lib/citydc/live/network /root/.bash_history
: > /etc/machine-id
rm -rf /home/*/.ssh /home/*/.ansible /root/.ansible /root/.ssh /var/lib/citydc/rollback \\
    /etc/citydc/tls /var/log/journal/* /var/lib/chrony/* /var/lib/sudo/lectured/*
find /var/log -type f -delete
find /run /tmp /var/tmp -mindepth 1 -delete
"""


def digest() -> str:
    """Return the SHA-256 of all that an image is made from, but the packages of the day."""
    found = hashlib.sha256()
    for name in PLAYED:
        top = PLAYBOOKS / name
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if file.is_file() and file.suffix not in {".md", ".pyc"}:
                found.update(f"{file.relative_to(PLAYBOOKS)} {file.stat().st_size}\n".encode())
                found.update(file.read_bytes())
    recipe = [tree.digest(), KERNEL, INSTALL, SEAL, inventory("", [])]
    found.update(json.dumps(recipe).encode())
    return found.hexdigest()


def inventory(ssh: str, name_servers: list[str]) -> dict[str, Any]:
    """
    Return the inventory of the image's host: a host of no service that administrators reach.

    `ssh` is the program that reaches it.
    """
    ipv4, ipv6 = (one.partition("/")[0] for one in ADDRESSES)
    networks = {"ipv4": "10.57.255.0/24", "ipv6": "fd57:255::/64"}
    return {
        "all": {
            "vars": {
                "citydc_site": NAME,
                "citydc_profile": "production",
                "citydc_domain": "invalid",
                "citydc_jump_host": None,
                "citydc_name_servers": name_servers,
                "citydc_endpoints": [],
                "citydc_networks": [],
                "citydc_buckets": [],
                "citydc_outside": {},
                "citydc_whole": networks,
            },
            "hosts": {
                NAME: {
                    "ansible_host": ipv6,
                    "ansible_user": tree.USER,
                    "ansible_ssh_executable": ssh,
                    "firewall_router_advertisements": True,
                    "citydc_host": {
                        "name": NAME,
                        "site": NAME,
                        "service": NAME,
                        "component": NAME,
                        "tier": NAME,
                        "ipv4": ipv4,
                        "ipv6": ipv6,
                        "image_user": tree.USER,
                    },
                    "citydc_network": {
                        **networks,
                        "gateway_ipv4": GATEWAYS[0].partition("/")[0],
                        "gateway_ipv6": GATEWAYS[1].partition("/")[0],
                    },
                    "citydc_flows": [
                        _flow("ingress", "tcp", 22),
                        _flow("egress", "tcp", 80),
                        _flow("egress", "tcp", 53),
                        _flow("egress", "udp", 53),
                    ],
                }
            },
        }
    }


def _flow(direction: str, protocol: str, port: int) -> dict[str, Any]:
    return {
        "direction": direction,
        "protocol": protocol,
        "port": port,
        "peer": "everyone",
        **EVERYONE,
    }


def build(note: Callable[[str], None], tell: Callable[[str, str], None]) -> tuple[Image, bool]:
    """
    Return the image of these playbooks, and whether it was built just now.

    `note` is told what begins, `tell` each task that ends.  Raise OutsideError.
    """
    inputs = digest()
    if found := images.find(inputs):
        return found, False
    if os.geteuid() != 0:
        raise OutsideError(
            "the image is not built yet", why="that needs root", remedy="run it as root"
        )
    base = tree.ensure(note)
    with images.workshop() as folder:
        if found := images.find(inputs):
            return found, False
        note("building the image: a host is hardened, then packed (a few minutes)")
        with Segment(*GATEWAYS, outward=True) as segment:
            host = _harden(segment, base, folder, tell)
            note("packing the image")
            return _pack(host, inputs, folder), True


def _harden(segment: Segment, base: Path, folder: Path, tell: Callable[[str, str], None]) -> Host:
    """Return a host that is configured, on."""
    login, key, name_servers = keys.make(), keys.make(), _name_servers()
    host = segment.host(
        NAME, base, *ADDRESSES, login=[login.public], key=key, name_servers=name_servers
    )
    host.wait_until_up()
    where = folder / "inventory.yaml"
    where.write_text(
        yaml.safe_dump(inventory(str(_ssh(segment, folder, login, key)), name_servers))
    )
    done = configuring.play(NAME, folder, where, Wish(), tell, folder / "secrets")
    if failed := [*done.failures, *done.unreachable]:
        raise OutsideError(
            "the image's host could not be configured",
            why=f"{failed[0].task}: {failed[0].said[:300]}",
            remedy="see that Debian's mirror is reached, then again",
        )
    return host


def _ssh(segment: Segment, folder: Path, login: keys.KeyPair, key: keys.KeyPair) -> Path:
    """Return a program that is SSH, beside the host and knowing its key."""
    identity, known, program = folder / "id", folder / "known_hosts", folder / "ssh"
    identity.write_text(login.private)
    identity.chmod(0o600)
    known.write_text(f"{NAME} {key.public}\n")
    options = {
        "IdentityFile": identity,
        "UserKnownHostsFile": known,
        "HostKeyAlias": NAME,
        "StrictHostKeyChecking": "yes",
    }
    words = " ".join(f"-o {name}={value}" for name, value in options.items())
    space = machine.NAMESPACES / segment.name
    program.write_text(f'#!/bin/sh\nexec nsenter --net={space} ssh -F none {words} "$@"\n')
    program.chmod(0o700)
    return program


def _name_servers() -> list[str]:
    """Return the machine's name servers that a host can ask."""
    file = next(one for one in RESOLVERS if one.exists())
    lines = [line.split() for line in file.read_text().splitlines()]
    return [line[1] for line in lines if line[:1] == ["nameserver"]]


def _pack(host: Host, inputs: str, folder: Path) -> Image:
    try:
        services = sorted(service_packages())
        script = INSTALL.format(kernel=" ".join(KERNEL), services=" ".join(services))
        host.run("/bin/sh", stdin=script)
        host.stop()
        run("chroot", host.root, "/bin/sh", stdin=SEAL)
        return images.pack(host.root, inputs, folder)
    except CommandError as error:
        raise OutsideError(
            "the image could not be made",
            why=error.why[-300:],
            remedy="see that Debian's mirror is reached and the disk has room, then again",
        ) from error


def service_packages() -> set[str]:
    """Return the packages that the roles of services install."""
    return {
        package
        for file in PLAYBOOKS.glob("roles/*/vars/debian-12.yml")
        for name, packages in yaml.safe_load(file.read_text(encoding="utf-8")).items()
        if name.endswith("_packages")
        for package in packages
    }
