"""
How the hosts of a site are reached: over IPv6, by keys that are known, through the jump host.

`prepare` fills a folder that plain SSH and plain Ansible work with as well:

    ssh -F FOLDER/ssh_config lgsp-gateway-1
    ansible-playbook -i FOLDER/SITE.citydc.yaml playbooks/site.yml
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.outputs import Host, Outputs

SSH_PORT = 22
SOCKETS = Path(tempfile.gettempdir()) / f"citydc-{os.getuid()}"
"""Of shared connections: a short path, as sockets need."""
HEAD = """\
Host *
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    BatchMode yes
    ConnectTimeout 10
    ServerAliveInterval 15
    ControlMaster auto
    ControlPath {sockets}-%C
    ControlPersist 60
"""


@dataclass(frozen=True)
class Access:
    """The folder of a site's hosts."""

    folder: Path
    outputs: Outputs

    @property
    def inventory(self) -> Path:
        """The file that the inventory plugin reads."""
        return self.folder / f"{self.outputs.site}.citydc.yaml"

    @property
    def ssh_config(self) -> Path:
        """What ssh is called with."""
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The hosts' public keys, by their names."""
        return self.folder / "known_hosts"

    @property
    def hosts(self) -> list[Host]:
        """The hosts that are meant to run."""
        return [one for one in self.outputs.hosts if one.power == "on"]


@dataclass(frozen=True)
class Way:
    """
    Which private key logs in, and whether hosts are reached without the jump host.

    `proxy` is a command that connects to hosts (ssh's ProxyCommand, which passes the open socket).
    """

    identity: Path | None = None
    direct: bool = False
    proxy: str | None = None


def prepare(
    folder: Path,
    outputs: Outputs,
    catalogue: Path | None,
    way: Way,
    variables: tuple[Mapping[str, Any], Mapping[str, Mapping[str, Any]]],
) -> Access:
    """
    Write the folder, which is for the user alone, and return it; known hosts are kept.

    Raise OSError.
    """
    access = Access(folder, outputs)
    for one in (folder, SOCKETS):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = SOCKETS.stat()
    if about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise PermissionError(f"{SOCKETS} is not this user's alone: remove it")
    access.known_hosts.touch(mode=0o600)
    _write(folder / "outputs.json", outputs.model_dump_json(indent=2) + "\n")
    _write(access.ssh_config, ssh_config(outputs, folder, way))
    _write(
        access.inventory,
        yaml.safe_dump(
            {
                "plugin": "citydc",
                "outputs": str(folder / "outputs.json"),
                "ssh_config": str(access.ssh_config),
                **({"catalogue": str(catalogue)} if catalogue else {}),
            },
            sort_keys=False,
        ),
    )
    shared, single = variables
    own = folder / "host_vars"  # which come before the playbooks' own variables of groups
    own.mkdir(mode=0o700, exist_ok=True)
    for host in access.hosts:
        merged = {**shared, **single.get(host.name, {})}
        _write(own / f"{host.name}.json", json.dumps(merged, ensure_ascii=False, indent=2) + "\n")
    return access


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def ssh_config(outputs: Outputs, folder: Path, way: Way) -> str:
    """Return SSH's configuration for all hosts of a site, by name and by address."""
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    parts = [HEAD.format(folder=folder, sockets=SOCKETS / mark)]
    if way.identity:
        parts.append(f"    IdentityFile {way.identity}\n    IdentitiesOnly yes\n")
    jump = None if way.direct else outputs.jump_host
    for host in outputs.hosts:
        port = jump_port(outputs) if host.name == jump else SSH_PORT
        parts.append(
            f"\nHost {host.name} {host.ipv6}\n"
            f"    HostName {host.ipv6}\n"
            f"    HostKeyAlias {host.name}\n"
            f"    User {host.image_user}\n"
            f"    Port {port}\n"
        )
        if jump and host.name != jump:
            parts.append(f"    ProxyJump {jump}\n")
        elif way.proxy:
            parts.append(f"    ProxyCommand {way.proxy}\n    ProxyUseFdpass yes\n")
    return "".join(parts)


def jump_port(outputs: Outputs) -> int:
    """Return the port on which the jump host hears those outside."""
    jump = next(one for one in outputs.hosts if one.name == outputs.jump_host)
    ports = [
        one.port
        for one in outputs.endpoints
        if (one.service, one.component) == (jump.service, jump.component)
        and one.name.startswith("ssh")
    ]
    return ports[0] if ports else SSH_PORT
