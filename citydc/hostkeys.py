"""
The hosts' public keys, as the cloud knows them: from the console, which the host alone writes to.

At its first boot a host prints its public keys to the console, between two lines that cloud-init
made usual.  The console is read through the compute API, so a key is as trustworthy as the cloud's
credentials, and no key is accepted from whoever answers first.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import openstack
from openstack.exceptions import SDKException

from catalogue.errors import OutsideError
from infra.outputs import Host

BEGIN = "-----BEGIN SSH HOST KEY KEYS-----"
END = "-----END SSH HOST KEY KEYS-----"
KIND = "ssh-ed25519"
LINES = 2000


def missing(known_hosts: Path, hosts: Sequence[Host]) -> list[Host]:
    """
    Return the hosts without a key in the file, having removed those of servers that were replaced.

    A line that citydc wrote ends with the server's id; one that was added by hand has none.
    """
    ids = {one.name: one.id for one in hosts}
    lines = known_hosts.read_text("utf-8").splitlines()
    valid = [one for one in lines if one.strip() and _is_valid(one.split(), ids)]
    if valid != lines:
        known_hosts.write_text("".join(f"{one}\n" for one in valid), encoding="utf-8")
    known = {one.split()[0] for one in valid}
    return [one for one in hosts if one.name not in known]


def _is_valid(words: Sequence[str], ids: Mapping[str, str]) -> bool:
    name, *key = words
    return len(key) <= len(("kind", "key")) or ids.get(name, key[-1]) == key[-1]


def printed(console: str) -> str | None:
    """Return the Ed25519 key that a host printed last to its console, or None."""
    _, _, after = console.rpartition(BEGIN)
    block, found, _ = after.partition(END)
    keys = [line.split() for line in block.splitlines() if KIND in line] if found else []
    for words in keys:
        place = words.index(KIND) if KIND in words else -1
        if place >= 0 and len(words) > place + 1:
            return f"{KIND} {words[place + 1]}"
    return None


def learn(known_hosts: Path, hosts: Sequence[Host], cloud: str) -> list[str]:
    """
    Add to the file the keys that hosts without one printed; return the hosts that printed none.

    Raise OutsideError if the cloud does not answer.
    """
    silent = []
    wanted = missing(known_hosts, hosts)
    if not wanted:
        return []
    try:
        compute = openstack.connect(cloud=cloud).compute
        for host in wanted:
            said = compute.get_server_console_output(host.id, length=LINES)
            key = printed(str(said.get("output", "")))
            if key is None:
                silent.append(host.name)
            else:
                with known_hosts.open("a", encoding="utf-8") as file:
                    file.write(f"{host.name} {key} {host.id}\n")
    except SDKException as error:
        raise OutsideError(
            "the hosts' keys cannot be read from their consoles",
            why=str(error),
            place=f"cloud {cloud}",
            remedy=f"add them to {known_hosts} by hand, or correct the credentials",
        ) from error
    return silent
