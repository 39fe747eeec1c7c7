"""A small city's hosts at two sites, on one segment, and the playbook that gives them services."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

import catalogue
from catalogue.model import Profile
from infra import offline
from infra.outputs import Host as Described
from infra.outputs import Outputs
from infra.settings import Settings
from lab.hosts import command, keys, machine, tree
from lab.hosts.host import Host
from lab.hosts.segment import Segment
from playbooks import wheelhouse

CHECKOUT = Path(__file__).parents[2]
PLAYBOOKS = CHECKOUT / "playbooks"
WHEELS = CHECKOUT / ".state" / "wheels"
SERVICES = Path(__file__).parent / "services_city"
# What services need of the hardening, and the services.
TAGS = (
    "certificate,logging,time,volumes,postgresql,mariadb,application,"
    "proxy,dns,loghost,bastion,exporters,monitoring,resolver"
)
NAME_SERVERS = {
    "main": ["10.58.60.16", "2001:db8:58:f0::10"],
    "backup": ["10.59.60.16", "2001:db8:59:f0::10"],
}
SITES = ("main", "backup")
GATEWAYS = ("10.57.0.1/8", "2001:db8::1/32")
DUAL_STACK = (
    ("main", "registry-web-1"),
    ("main", "operations-bastion-1"),
    ("backup", "operations-bastion-1"),
)
"""All others have no IPv4 address: what the service needs behind its proxy is IPv6 alone."""
UPSTREAM = GATEWAYS[1].partition("/")[0]
VARIABLES = {
    "dns_upstreams": [{"address": UPSTREAM, "name": "upstream.example"}],
    "dns_upstream_authorities": "/etc/citydc/tls/authority.crt",
    "dns_validates": False,  # the upstream server of the tests signs nothing
    "exporters_device_credentials": {  # of devices that are not there
        "snmp-v2c": {"community": "test"},
        "snmp-v3": {"username": "test", "password": "test-test", "privacy_password": "test-test"},
        "redfish": {"username": "test", "password": "test"},
        "ipmi": {"username": "test", "password": "test"},
    },
}
INSTALL = """
set -eu
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o Dpkg::Options::=--force-unsafe-io {packages}
rm /usr/sbin/policy-rc.d /etc/rsyslog.d/49-haproxy.conf
systemctl disable --quiet chrony haproxy mariadb named prometheus prometheus-alertmanager unbound
"""


@dataclass
class Run:
    """What a run of the playbook changed at a site, and all it printed."""

    changed: dict[str, int]
    text: str


@dataclass
class City:
    """The hosts by their sites and names, and the folder that all else lies in."""

    folder: Path
    segment: Segment
    login: keys.KeyPair = field(default_factory=keys.make)
    hosts: dict[tuple[str, str], Host] = field(default_factory=dict)
    described: dict[tuple[str, str], Described] = field(default_factory=dict)

    @property
    def secrets(self) -> Path:
        """Where the run keeps what it makes up."""
        return self.folder / "secrets"

    @property
    def authority(self) -> Path:
        """The certificate that all others are checked against."""
        return self.secrets / "authority" / "authority.crt"

    def ipv6(self, site: str, name: str) -> str:
        """Return a host's IPv6 address."""
        return str(self.described[site, name].ipv6)

    def configure(self, site: str, *arguments: str, tags: str = TAGS) -> Run:
        """Run the playbook at a site.  Fail with its output if it fails."""
        done = self._ansible(
            "ansible-playbook", site, "site.yml", "--tags", tags, "--skip-tags", "base",
            "-e", json.dumps(VARIABLES), *arguments,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        recap = done.stdout.partition("PLAY RECAP")[2].splitlines()[1:]
        changed = {
            line.split()[0]: int(line.partition("changed=")[2].split()[0]) for line in recap if line
        }
        return Run(changed, done.stdout + done.stderr)

    def give_role(self, site: str, name: str, role: str, variables: Mapping[str, Any]) -> None:
        """Give one host one more role."""
        facts = {"rollback_seconds": 60, **variables}
        done = self._ansible(
            "ansible", site, name, "--become", "-m", "include_role", "-a", f"name={role}",
            "-e", json.dumps(facts),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]

    def _ansible(
        self, program: str, site: str, *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *("nsenter", f"--net={machine.NAMESPACES / self.segment.name}"),
                str(Path(sys.executable).with_name(program)),
                *("-i", str(self.folder / site / "citydc.yaml"), *arguments),
            ],
            cwd=PLAYBOOKS,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": "ansible.cfg",
                "ANSIBLE_NOCOLOR": "1",
                "CITYDC_SECRETS": str(self.secrets),
                "HOME": str(self.folder),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, base: Path) -> None:
        """Start every host of the lab's profile."""
        wheelhouse.ensure(WHEELS)  # the playbook runs where no package index is reached
        known = catalogue.load(self._catalogue())
        (self.folder / "id").write_text(self.login.private)
        (self.folder / "id").chmod(0o600)
        pairs = {}
        for site in SITES:
            graph = offline.run(Settings(known, known.sites[site], Profile.LAB))
            for volume in (one for host in graph.outputs["hosts"] for one in host["volumes"]):
                volume["id"] = str(uuid4())
            outputs = Outputs.model_validate(graph.outputs)
            self._write_inventory(outputs)
            for one in outputs.hosts:
                self.described[site, one.name] = one
                pairs[site, one.name] = keys.make()
        known_hosts = self.folder / "known_hosts"
        known_hosts.write_text(
            "".join(f"{self.ipv6(*key)} {pair.public}\n" for key, pair in pairs.items())
        )
        (self.folder / "ssh_config").write_text(
            f"Host *\nIdentityFile {self.folder / 'id'}\nUserKnownHostsFile {known_hosts}\n"
            "StrictHostKeyChecking yes\nBatchMode yes\nLogLevel ERROR\n"
        )
        for key, pair in pairs.items():
            one = self.described[key]
            ipv4 = [f"{one.ipv4}/8"] if key in DUAL_STACK else []
            self.hosts[key] = self.segment.host(
                one.name, base, *ipv4, f"{one.ipv6}/32", login=[self.login.public], key=pair
            )
        for key, host in self.hosts.items():
            host.wait_until_up()
            for letter, volume in zip("bcd", self.described[key].volumes, strict=False):
                file = self.folder / f"{'-'.join(key)}-{volume.name}.raw"
                with file.open("wb") as made:
                    made.truncate(volume.size_gib * 2**30)
                host.attach(file, f"/dev/vd{letter}", volume.id)

    def _catalogue(self) -> Path:
        """Copy the city's catalogue with other services, whose bastion watches them."""
        folder = self.folder / "catalogue"
        source = Path(catalogue.__file__).parent
        folder.mkdir()
        shutil.copytree(source / "sites", folder / "sites")
        for site, name_servers in NAME_SERVERS.items():
            file = folder / "sites" / f"{site}.yaml"
            about = yaml.safe_load(file.read_text()) | {"name_servers": name_servers}
            file.write_text(yaml.safe_dump(about, allow_unicode=True, sort_keys=False))
        shutil.copytree(SERVICES, folder / "services")
        for name in ("targets", "factors"):
            shutil.copy(source / f"{name}.yaml", folder)
        city = yaml.safe_load((source / "city.yaml").read_text())
        city["listens"] = [one for one in city["listens"] if one["id"] == "ssh"]
        city["watchers"] = ["operations/bastion"]
        (folder / "city.yaml").write_text(yaml.safe_dump(city, allow_unicode=True))
        return folder

    def _write_inventory(self, outputs: Outputs) -> None:
        folder = self.folder / outputs.site
        folder.mkdir()
        (folder / "outputs.json").write_text(outputs.model_dump_json())
        content = {
            "plugin": "citydc",
            "outputs": str(folder / "outputs.json"),
            "catalogue": str(self.folder / "catalogue"),
            "ssh_config": str(self.folder / "ssh_config"),
        }
        (folder / "citydc.yaml").write_text(yaml.safe_dump(content))


@contextmanager
def base(folder: Path) -> Iterator[Path]:
    """Give the hosts' tree with the packages of all services in it, as an image has them."""
    found = folder / "tree"
    packages = {
        package
        for file in PLAYBOOKS.glob("roles/*/vars/debian-12.yml")
        for name, value in yaml.safe_load(file.read_text()).items()
        if name.endswith("_packages")
        for package in value
    } | {"chrony"}
    command.run("cp", "--archive", tree.ensure(print), found)
    shutil.copy("/etc/resolv.conf", found / "etc/resolv.conf")
    command.run(
        "chroot", found, "/bin/sh", stdin=INSTALL.format(packages=" ".join(sorted(packages)))
    )
    (found / "etc/resolv.conf").unlink()
    try:
        yield found
    finally:
        shutil.rmtree(found)
