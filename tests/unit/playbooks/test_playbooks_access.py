"""The folder from which hosts are reached."""

import json
import stat
from pathlib import Path

import pytest
import yaml

from infra.outputs import Outputs
from playbooks import access
from playbooks.access import Way

OUTPUTS = Outputs.model_validate(
    {
        "schema_version": 1, "site": "main", "profile": "lab", "projects": {}, "jump_host": None,
        "endpoints": [], "networks": [], "buckets": [],
        "hosts": [
            {
                "name": name, "id": "h", "site": "main", "zone": "az1", "agency": "finance",
                "service": "lgsp", "component": "gateway", "tier": "web", "role": "server",
                "recovery_tier": "active", "security_level": 3, "personal_data": True,
                "ipv4": "10.0.0.16", "ipv6": "fd00::10", "image": "debian-12",
                "image_user": "debian", "flavor": "general-large", "power": power,
            }
            for name, power in (("a-1", "on"), ("a-2", "off"))
        ],
    }
)  # fmt: skip


def _prepare(folder: Path) -> access.Access:
    variables = ({"rollback_seconds": 9}, {"a-1": {"ipv6_profile": "slaac"}})
    return access.prepare(folder, OUTPUTS, Path("/city"), Way(), variables)


def test_folder_is_whole_and_the_users_alone(tmp_path: Path) -> None:
    """Inventory, SSH's files and variables are there, and nobody else reads them."""
    found = _prepare(tmp_path / "main")
    assert stat.S_IMODE(found.folder.stat().st_mode) == 0o700
    plugin = yaml.safe_load(found.inventory.read_text())
    assert plugin["catalogue"] == "/city"
    assert Outputs.model_validate_json(Path(plugin["outputs"]).read_text()) == OUTPUTS
    own = json.loads((found.folder / "host_vars/a-1.json").read_text())
    assert own == {"rollback_seconds": 9, "ipv6_profile": "slaac"}
    files = [one for one in found.folder.rglob("*") if one.is_file()]
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    assert [one.name for one in found.hosts] == ["a-1"]


def test_known_hosts_are_kept(tmp_path: Path) -> None:
    """What is known of hosts outlives a second run; variables that were taken back do not."""
    found = _prepare(tmp_path / "main")
    found.known_hosts.write_text("a-1 ssh-ed25519 AAAA\n")
    access.prepare(found.folder, OUTPUTS, None, Way(), ({}, {}))
    assert found.known_hosts.read_text() == "a-1 ssh-ed25519 AAAA\n"
    assert json.loads((found.folder / "host_vars/a-1.json").read_text()) == {}


def test_sockets_of_somebody_else_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that others may enter could hold their sockets."""
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o755)
    monkeypatch.setattr(access, "SOCKETS", sockets)
    with pytest.raises(PermissionError, match="not this user's alone"):
        _prepare(tmp_path / "main")
