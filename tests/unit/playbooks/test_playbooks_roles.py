"""The roles' own contract: every variable is declared, explained and has its default."""

from pathlib import Path

import pytest
import yaml

from catalogue.errors import BadInputError
from playbooks import variables

PLAY = yaml.safe_load((variables.PLAYBOOKS / "site.yml").read_text())
ROLES = sorted(
    {variables.PLAYBOOKS / "roles" / one["role"] for part in PLAY for one in part.get("roles", ())}
)


@pytest.mark.parametrize("role", ROLES, ids=lambda one: one.name)
def test_role_is_whole(role: Path) -> None:
    """It has argument specs, a README, and each of its defaults is declared with words."""
    assert (role / "README.md").is_file()
    options = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"][
        "main"
    ].get("options", {})
    assert all(one.get("description") and one.get("type") for one in options.values())
    file = role / "defaults" / "main.yml"
    defaults = (yaml.safe_load(file.read_text()) or {}) if file.is_file() else {}
    prefix = f"{role.name.replace('-', '_')}_"
    assert set(defaults) == {name for name, one in options.items() if not one.get("required")}
    assert all(name.startswith(prefix) for name in options)
    for name, one in options.items():
        if "default" in one:
            assert defaults[name] == one["default"], name


def test_known_variables_are_accepted(tmp_path: Path) -> None:
    """Those for all hosts and those of single ones come back apart."""
    file = tmp_path / "hosts.main.yaml"
    file.write_text("ssh_max_auth_tries: 2\nhosts:\n  a-1: {ipv6_profile: ipv6-only}\n")
    shared, single = variables.read(file, ["a-1"])
    assert (shared, single) == ({"ssh_max_auth_tries": 2}, {"a-1": {"ipv6_profile": "ipv6-only"}})
    assert variables.read(tmp_path / "none.yaml", ["a-1"]) == ({}, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ssh_max_auth_trys: 2", 'did you mean "ssh_max_auth_tries"'),
        ("hosts: {b-1: {}}", 'no host "b-1"'),
        ("hosts: {a-1: {ipv6_profil: x}}", 'did you mean "ipv6_profile"'),
        ("hosts: [a-1]", "no variables"),
        ("- a", "no variables"),
        ("a: [", "cannot be read"),
    ],
)
def test_unknown_variables_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """The message has the file, what is wrong, and the nearest name."""
    file = tmp_path / "hosts.main.yaml"
    file.write_text(text)
    with pytest.raises(BadInputError) as error:
        variables.read(file, ["a-1"])
    assert said in str(error.value)
    assert str(file) in str(error.value)
