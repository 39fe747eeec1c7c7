"""Every role is told what its argument specification asks for, on every host of the city."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

import catalogue
import playbooks
from catalogue.model import Profile
from infra import offline
from infra.outputs import Outputs
from infra.settings import Settings
from playbooks import placement

ROLES = Path(playbooks.__file__).parent / "roles"


def _specification(role: str) -> dict[str, Any]:
    file = ROLES / role / "meta" / "argument_specs.yml"
    found: dict[str, Any] = yaml.safe_load(file.read_text())["argument_specs"]["main"]["options"]
    return found


@pytest.mark.parametrize("site", ["main", "backup"])
def test_placement_gives_each_role_what_it_needs(site: str) -> None:
    """Without a database, or without servers behind a proxy, too."""
    known = catalogue.load()
    graph = offline.run(Settings(known, known.sites[site], Profile.LAB))
    placed = placement.placed(Outputs.model_validate(graph.outputs), known)
    roles = {role for one in placed.values() for role in one.roles}
    specifications = {role: _specification(role) for role in roles}
    for name, one in placed.items():
        for role in one.roles:
            wanted = specifications[role]
            given = {key: value for key, value in one.variables.items() if key in wanted}
            errors = ArgumentSpecValidator(wanted).validate(given).error_messages
            assert not errors, f"{name}, {role}"
