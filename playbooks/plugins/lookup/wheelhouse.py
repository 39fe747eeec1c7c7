"""The lookup `wheelhouse`: the archive of packages that hosts install citydc from."""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from catalogue.errors import CityDCError
from playbooks import wheelhouse

DOCUMENTATION = """
name: wheelhouse
short_description: The path of an archive of citydc and all packages that its exporters need
description:
  - Makes it if it is missing; its name tells what it is made from.
options:
  _terms:
    description: The folder that archives are kept in.
"""


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """Gives the archive's path."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """Make the archive, unless it was made before.  Raise AnsibleLookupError."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [str(wheelhouse.ensure(Path(folder).resolve())) for folder in terms]
        except (CityDCError, OSError) as error:
            raise AnsibleLookupError(str(error)) from error
