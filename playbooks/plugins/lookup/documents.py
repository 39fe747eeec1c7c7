"""The lookup `documents`: a folder's YAML files, for a host to have them."""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: documents
short_description: The content of a folder's YAML files, by their paths in it
options:
  _terms:
    description: The folder.
"""


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """Gives a mapping of paths to texts."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        """Read the files.  Raise AnsibleLookupError if one can't be."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [
                {
                    str(file.relative_to(folder)): file.read_text(encoding="utf-8")
                    for file in sorted(Path(folder).rglob("*.yaml"))
                }
                for folder in terms
            ]
        except (OSError, UnicodeDecodeError) as error:
            raise AnsibleLookupError(f"{', '.join(terms)} can't be read: {error}") from error
