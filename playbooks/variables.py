"""
The variables that the operators of a site set, judged by what the roles know.

A project's `hosts.SITE.yaml` has variables for all hosts of the site, and under `hosts` those of
single ones.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from catalogue.errors import BadInputError
from catalogue.problems import suggestion

PLAYBOOKS = Path(__file__).parent
SINGLE = "hosts"


def known() -> set[str]:
    """Return the names of all variables that the roles declare, and those of every host."""
    names = set(yaml.safe_load((PLAYBOOKS / "group_vars" / "all" / "hosts.yml").read_text("utf-8")))
    for file in PLAYBOOKS.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(file.read_text("utf-8"))["argument_specs"].values():
            names |= set(entry.get("options") or {})
    return names


def read(file: Path, hosts: Iterable[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """
    Return the variables of all hosts, and of single ones by name; none where there is no file.

    Raise BadInputError for a variable or host that isn't known.
    """
    if not file.is_file():
        return {}, {}
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInputError(
            "the file cannot be read", place=str(file), why=" ".join(str(error).split())
        ) from error
    if not isinstance(data, dict):
        raise BadInputError("the file holds no variables", place=str(file))
    single = data.pop(SINGLE, None) or {}
    names = set(hosts)
    if not isinstance(single, dict) or not all(isinstance(one, dict) for one in single.values()):
        raise BadInputError(
            "hosts holds no variables", place=str(file), remedy="write hosts: {NAME: {...}}"
        )
    for host in single:
        if host not in names:
            raise BadInputError(
                f'the site has no host "{host}"',
                place=str(file),
                remedy=suggestion(host, sorted(names), "host"),
            )
    for variables in (data, *single.values()):
        _judge(variables, file)
    return data, single


def _judge(variables: Mapping[str, Any], file: Path) -> None:
    names = known()
    for one in variables:
        if one not in names:
            raise BadInputError(
                f'no role has the variable "{one}"',
                place=str(file),
                remedy=suggestion(str(one), sorted(names), "variable"),
            )
