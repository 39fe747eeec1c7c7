"""The inventory plugin: a site's hosts, as the stack's outputs and the catalogue have them."""

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

import catalogue
from catalogue.errors import CityDCError
from infra.outputs import Outputs
from playbooks.inventory import inventory

DOCUMENTATION = """
name: citydc
short_description: The hosts of a site, by its stack's outputs
description:
  - Reads a file whose name ends in C(citydc.yaml); C(citydc inventory SITE) writes one.
options:
  plugin:
    description: Marks the file as this plugin's.
    required: true
    choices: [citydc]
  outputs:
    description: The stack's outputs, as C(pulumi stack output --json) prints them.
    required: true
    type: path
  catalogue:
    description: The catalogue's folder, else the city's own.
    type: path
  ssh_config:
    description: How the hosts are reached.
    type: path
"""


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Gives the hosts, groups and variables to Ansible."""

    NAME = "citydc"

    def verify_file(self, path: str) -> bool:
        """Return whether the file is this plugin's."""
        return bool(super().verify_file(path)) and path.endswith("citydc.yaml")

    def parse(self, found: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002  Ansible's
        """Fill the inventory.  Raise AnsibleParserError."""
        super().parse(found, loader, path, cache)
        self._read_config_data(path)
        folder = self.get_option("catalogue")
        outputs = Path(self.get_option("outputs"))
        try:
            known = catalogue.load(Path(folder) if folder else None)
            data = inventory(
                Outputs.model_validate(json.loads(outputs.read_text(encoding="utf-8"))), known
            )
        except (CityDCError, OSError, ValueError) as error:
            raise AnsibleParserError(f"{outputs}: {error}") from error
        places = {"citydc_outputs": str(outputs), "citydc_catalogue": folder or str(catalogue.CITY)}
        for name, value in {**data["all"]["vars"], **places}.items():
            found.set_variable("all", name, value)
        if self.get_option("ssh_config"):
            found.set_variable(
                "all", "ansible_ssh_extra_args", f"-F {self.get_option('ssh_config')}"
            )
        for host, variables in data["_meta"]["hostvars"].items():
            found.add_host(host)
            for name, value in variables.items():
                found.set_variable(host, name, value)
        for group, content in data.items():
            for host in content.get("hosts", ()):
                found.add_group(group)
                found.add_host(host, group=group)
