"""Bare hosts on a segment, and a project whose stack's outputs name them."""

import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.resolver
import yaml
from lab_helpers import LIMIT_S, wait_for

from infra.outputs import Outputs
from lab.hosts import keys, machine
from lab.hosts.command import CommandError
from lab.hosts.host import Host
from lab.hosts.segment import Segment

CITYDC = Path(sys.executable).with_name("citydc")
GATEWAYS = ("10.58.0.1/24", "fd58::1/64")
NAME_SERVERS = tuple(map(str, dns.resolver.Resolver().nameservers))  # the machine's own
PARTS = {
    "lgsp-gateway-1": ("gateway", "web", "server"),
    "lgsp-registry-1": ("registry", "database", "primary"),
}
NUMBERS = {"lgsp-gateway-1": 11, "lgsp-registry-1": 12}


def addresses(name: str) -> tuple[str, str]:
    """Return a host's IPv4 and IPv6 address."""
    return f"10.58.0.{NUMBERS[name]}", f"fd58::{NUMBERS[name]}"


def flow(direction: str, port: int, *prefixes: str, protocol: str = "tcp") -> dict[str, Any]:
    """Return a flow as the firewall's variable has it."""
    networks = [ipaddress.ip_network(one) for one in prefixes]
    found = {
        f"ipv{version}": [str(one) for one in networks if one.version == version]
        for version in (4, 6)
    }
    return {
        "direction": direction,
        "protocol": protocol,
        "port": port,
        "peer": f"test-{port}",
        **found,
    }


# What this machine gives instead of the city's mirror, name servers and jump host.
OPERATOR = flow("ingress", 22, "10.58.0.1/32", "fd58::1/128")
OUTWARD = [
    flow("egress", 80, "0.0.0.0/0", "::/0"),
    *(
        flow("egress", 53, one, protocol=protocol)
        for one in NAME_SERVERS
        for protocol in ("tcp", "udp")
    ),
]
QUERY = [
    flow("ingress", 5432, "10.58.0.11/32", "fd58::11/128"),
    flow("egress", 5432, "10.58.0.12/32", "fd58::12/128"),
]
VARIABLES: dict[str, Any] = {
    "firewall_extra_flows": [OPERATOR, *OUTWARD, *QUERY],
    "rollback_seconds": 30,
}


BOOT_S = 900
"""How long a host that software emulates may take beside other work; idle it is half a minute."""
BANNER = """
import socket, sys
link = socket.create_connection((sys.argv[1], 22), 2)
link.settimeout(5)
sys.exit(link.recv(4) != b"SSH-")
"""


@dataclass
class Site:
    """The project, the segment, and the hosts by their names."""

    folder: Path
    segment: Segment
    hosts: dict[str, Host] = field(default_factory=dict)
    login: keys.KeyPair = field(default_factory=keys.make)

    def start(self, tree: Path, emulated: Collection[str] = ()) -> None:
        """Make the project and start the hosts, those with a kernel of their own by an image."""
        (self.folder / "Pulumi.yaml").write_text("name: citydc\nruntime: python\n")
        (self.folder / "Pulumi.main.yaml").write_text("config: {citydc:profile: lab}\n")
        (self.folder / "id").write_text(self.login.private)
        (self.folder / "id").chmod(0o600)
        self.set_variables(VARIABLES)
        self.set_outputs(list(PARTS))
        known = self.folder / ".state" / "hosts" / "main" / "known_hosts"
        known.parent.mkdir(parents=True)
        pairs = {name: keys.make() for name in PARTS}
        known.write_text("".join(f"{name} {pair.public}\n" for name, pair in pairs.items()))
        for name, pair in pairs.items():
            ipv4, ipv6 = addresses(name)
            about = (name, tree, f"{ipv4}/24", f"{ipv6}/64")
            login = [self.login.public]
            if name in emulated:
                self.segment.emulated(*about, login=login, key=pair, name_servers=NAME_SERVERS)
            else:
                self.hosts[name] = self.segment.host(
                    *about, login=login, key=pair, name_servers=NAME_SERVERS
                )
        for name in pairs:
            patience = BOOT_S if name in emulated else LIMIT_S
            wait_for(lambda: self._answers(addresses(name)[1]), patience)  # noqa: B023  at once

    def _answers(self, address: str) -> bool:
        try:
            self.segment.run(sys.executable, "-c", BANNER, address)
        except CommandError:
            return False
        return True

    def set_variables(self, variables: Mapping[str, Any]) -> None:
        """Set the site's own variables."""
        (self.folder / "hosts.main.yaml").write_text(yaml.safe_dump(dict(variables)))

    def set_outputs(
        self,
        names: Sequence[str],
        jump_host: str | None = None,
        ipv6: Mapping[str, str] | None = None,
    ) -> None:
        """
        Write the stack's outputs with these hosts, reached through the jump host if any.

        `ipv6` are addresses of hosts that are not at their usual ones.
        """
        parts = [
            (name, NUMBERS.get(name, 99), *PARTS.get(name, PARTS["lgsp-gateway-1"]))
            for name in names
        ]
        about = {"site": "main", "agency": "science-technology", "service": "lgsp"}
        outputs = Outputs.model_validate(
            {
                "schema_version": 1, "site": "main", "profile": "lab", "projects": {},
                "jump_host": jump_host, "endpoints": [], "buckets": [],
                "hosts": [
                    {
                        **about, "name": name, "id": name, "zone": "az1", "component": component,
                        "tier": "bastion" if name == jump_host else tier, "role": role,
                        "recovery_tier": "active",
                        "security_level": 3, "personal_data": True, "ipv4": f"10.58.0.{number}",
                        "ipv6": (ipv6 or {}).get(name, f"fd58::{number}"),
                        "image": "debian-12", "image_user": "debian",
                        "flavor": "general-large", "power": "on",
                    }
                    for name, number, component, tier, role in parts
                ],
                "networks": [
                    {
                        **about, "name": f"lgsp-{component}", "id": component,
                        "component": component, "ipv4": "10.58.0.0/24", "ipv6": "fd58::/64",
                    }
                    for component, _, _ in PARTS.values()
                ],
            }
        )  # fmt: skip
        (self.folder / "outputs.json").write_text(outputs.model_dump_json())

    def words(self, *arguments: str) -> list[str]:
        """Return the command line that runs citydc beside the hosts."""
        verb, *rest = arguments
        inside = ["nsenter", f"--net={machine.NAMESPACES / self.segment.name}"]
        files = ["--outputs", "outputs.json", "--key", "id"]
        return [*inside, str(CITYDC), verb, "main", *files, *rest]

    def start_citydc(self, *arguments: str) -> subprocess.Popen[str]:
        """Start citydc in a process group of its own."""
        return subprocess.Popen(
            self.words(*arguments),
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run citydc; return its code, output and errors."""
        process = self.start_citydc(*arguments)
        out, err = process.communicate()
        return process.returncode, out, err

    def result(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run citydc with --json, expecting its code; return what it printed."""
        found, out, err = self.run(*arguments, "--json")
        assert found == code, f"{arguments}: {found}\n{out[-4000:]}\n{err[-4000:]}"
        data: dict[str, Any] = json.loads(out)
        return data

    def ssh(self, name: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a host over a fresh connection."""
        config = self.folder / ".state/hosts/main/ssh_config"
        return subprocess.run(
            ["nsenter", f"--net={machine.NAMESPACES / self.segment.name}", "ssh",
             "-F", str(config), "-o", "ControlPath=none", "-o", "ConnectTimeout=5", name, command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
