"""What lab hosts are made of, computed without a machine to run them on."""

import ipaddress
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from hypothesis import given
from hypothesis import strategies as st

from catalogue.errors import OutsideError
from lab.hosts import command, connect, keys, machine, networkd, registry, tree, uplink


def test_interface_with_fixed_addresses_ignores_advertisements() -> None:
    """Addresses, gateways, routes and name servers are written; nothing else gives any."""
    text = networkd.file(
        networkd.Interface(
            "02:00:00:00:00:01",
            1442,
            addresses=("10.9.0.10/24", "fd09::10/64"),
            gateways=("10.9.0.1", "fd09::1"),
            routes=(networkd.Route("10.254.0.0/16", "10.9.0.2"),),
            name_servers=("fd09::53",),
        )
    )
    lines = text.splitlines()
    assert {"MACAddress=02:00:00:00:00:01", "MTUBytes=1442", "IPv6AcceptRA=no"} <= set(lines)
    assert {"Address=10.9.0.10/24", "Address=fd09::10/64", "DNS=fd09::53"} <= set(lines)
    assert {"Gateway=10.9.0.1", "Gateway=fd09::1"} <= set(lines)
    where = lines.index("[Route]")
    assert lines[where + 1 : where + 3] == ["Destination=10.254.0.0/16", "Gateway=10.9.0.2"]


def test_advertised_interface_listens_to_advertisements() -> None:
    """An interface whose network advertises takes addresses and routes from there."""
    text = networkd.file(networkd.Interface("02:00:00:00:00:01", advertised=True))
    assert "IPv6AcceptRA=yes\n" in text
    assert "Address=" not in text.replace("MACAddress=", "")


def test_resolver_names_each_server_once() -> None:
    """Two interfaces with the same name server give one line."""
    one = networkd.Interface("02:00:00:00:00:01", name_servers=("10.0.0.53", "fd00::53"))
    other = networkd.Interface("02:00:00:00:00:02", name_servers=("fd00::53",))
    assert networkd.resolver((one, other)) == "nameserver 10.0.0.53\nnameserver fd00::53\n"


def test_key_pairs_are_openssh_halves_of_one_another() -> None:
    """The private half opens, and its public half is the one that is told."""
    pair = keys.make()
    private = load_ssh_private_key(pair.private.encode(), password=None)
    assert private.public_key() == load_ssh_public_key(pair.public.encode())
    assert pair != keys.make()


def test_open_connection_is_handed_on() -> None:
    """What ssh gets is the connection itself, from the address that was asked for."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as door:
        ours, theirs = socket.socketpair()
        port = door.getsockname()[1]
        subprocess.run(
            [sys.executable, "-I", str(connect.__file__), "::1", "::1", str(port)],
            stdout=theirs.fileno(),
            check=True,
        )
        _, (handed,), _, _ = socket.recv_fds(ours, 1, 1)
        with door.accept()[0] as far, socket.socket(fileno=handed) as near:
            far.sendall(b"SSH-2.0")
            assert near.recv(7) == b"SSH-2.0"
        ours.close()
        theirs.close()


def test_tree_is_named_by_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package is another tree; the same recipe is the same tree."""
    before = tree.digest()
    assert tree.digest() == before
    monkeypatch.setattr(tree, "PACKAGES", (*tree.PACKAGES, "cowsay"))
    assert tree.digest() != before


def test_tree_that_is_there_is_taken_without_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is built, installed or locked when the tree is there."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (tmp_path / tree.digest()).mkdir()
    assert tree.ensure(cache=tmp_path) == tmp_path / tree.digest()


def test_tree_without_root_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who can't build it is told so, and nothing is left."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(OutsideError, match="root"):
        tree.ensure(cache=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left_by_a_kill", [False, True])
def test_interrupted_build_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, left_by_a_kill: bool
) -> None:
    """A build that fails leaves no tree and no part of one, nor what a killed one had left."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("lab.packages.ensure", lambda *_: None)
    part = tmp_path / f"{tree.digest()}.part"

    def interrupt(*_words: object, **_more: object) -> str:
        part.mkdir()
        raise KeyboardInterrupt

    if left_by_a_kill:
        (part / "etc").mkdir(parents=True)
    monkeypatch.setattr(tree, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tree.ensure(cache=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@given(st.integers(min_value=1, max_value=uplink.MOST - 1))
def test_links_have_prefixes_of_their_own(number: int) -> None:
    """No two links share a prefix, and each end is in its link's."""
    link, other = uplink.Link(number), uplink.Link(number % (uplink.MOST - 1) + 1)
    for prefix, ends in zip(
        (link.ipv4, link.ipv6), zip(link.end(1), link.end(2), strict=True), strict=True
    ):
        assert all(ipaddress.ip_address(end) in ipaddress.ip_network(prefix) for end in ends)
    assert not ipaddress.ip_network(link.ipv4).overlaps(ipaddress.ip_network(other.ipv4))
    assert not ipaddress.ip_network(link.ipv6).overlaps(ipaddress.ip_network(other.ipv6))
    assert len(link.interface) < 16


def test_link_lets_only_answers_in() -> None:
    """What comes to a lab unasked is dropped on the machine, in both families."""
    text = uplink.rules(uplink.Link(7), "citydc-1")
    assert 'oifname "citydc-up7" ct state != { established, related } drop' in text
    assert "table inet citydc-1 {" in text


def test_settings_of_the_machine_come_back_with_the_last_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwarding and watches are what they were before, once no link is left, and not sooner."""
    settings = {"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0"}
    settings |= {"net/ipv6/conf/eth0/accept_ra": "1", "fs/inotify/max_user_instances": "128"}
    for name, value in settings.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(value)
    interfaces = {"eth0", "citydc-up1"}
    monkeypatch.setattr(uplink, "SYSCTL", tmp_path)
    monkeypatch.setattr(uplink, "SETTINGS", tmp_path / "before.json")
    monkeypatch.setattr(machine, "REGISTRY", tmp_path / "registry")
    monkeypatch.setattr(machine, "NAMESPACES", tmp_path / "namespaces")
    monkeypatch.setattr(uplink, "succeeds", lambda *_: True)
    monkeypatch.setattr(uplink, "_interfaces", lambda: interfaces)

    def now() -> dict[str, str]:
        return {name: (tmp_path / name).read_text() for name in settings}

    uplink._forward()
    during = now()
    assert list(during.values()) == ["1", "1", "2", "4096"]
    uplink.remove("citydc-other")
    assert now() == during
    interfaces.remove("citydc-up1")
    uplink.remove("citydc-last")
    assert now() == settings


def test_things_of_dead_processes_and_gone_folders_are_left_over(tmp_path: Path) -> None:
    """What belongs to a process is left when it ends, also when its number is taken again."""
    me = psutil.Process()
    mine = {"owner": [me.pid, me.create_time()], "belongs_to": None}
    assert not registry.is_left(mine)
    assert registry.is_left({"owner": [me.pid, me.create_time() - 1], "belongs_to": None})
    assert registry.is_left({"owner": [2**22 + 1, 0.0], "belongs_to": None})
    assert not registry.is_left({"owner": None, "belongs_to": str(tmp_path)})
    assert registry.is_left({"owner": None, "belongs_to": str(tmp_path / "gone")})


def test_sweep_removes_only_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process and other folders have stays."""
    removed: list[str] = []
    monkeypatch.setattr(registry, "REGISTRY", tmp_path)
    monkeypatch.setattr(registry, "remove", removed.append)
    registry.register("citydc-mine", mortal=True)
    registry.register("citydc-kept", folder=tmp_path)
    registry.register("citydc-gone", folder=tmp_path / "gone")
    registry.register("citydc-part", belongs_to=tmp_path)
    (tmp_path / ".forwarding.json").write_text(json.dumps({}))
    (tmp_path / "run").mkdir()
    registry.sweep()
    assert removed == ["citydc-gone"]


def test_program_that_fails_is_told_with_its_words() -> None:
    """The error has the command and what it said."""
    with pytest.raises(command.CommandError, match="no luck") as told:
        command.run("sh", "-c", "echo no luck >&2; exit 3")
    assert told.value.what.startswith("sh -c")


def test_program_that_is_missing_is_told() -> None:
    """A missing program is an error of the same kind, so that callers need to know one."""
    with pytest.raises(command.CommandError, match="is missing"):
        command.run("no-such-program-here")
