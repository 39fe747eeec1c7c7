"""The lookup `secret`: a secret that the operator gave, or one made once and kept in a folder."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: secret
short_description: A secret by its name, made once if nobody gave it
description:
  - Takes it from the variable C(secrets_given), else from the folder C(secrets_folder), where it is
    made if it is missing. Folders are made with mode 0700, files with 0600.
options:
  _terms:
    description: The secret's name, a path below the folder.
"""


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """Gives 43 random characters that need no quotes anywhere."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """Return the secrets.  Raise AnsibleLookupError if the folder is open to others."""
        self.set_options(var_options=variables, direct=kwargs)
        given = self._templar.template(variables["secrets_given"])
        folder = Path(self._templar.template(variables["secrets_folder"]))
        return [given[name] if name in given else _kept(folder, name) for name in terms]


def _kept(folder: Path, name: str) -> str:
    """Return the secret that lies in the folder, made now if there is none."""
    path = folder / name
    try:
        if not path.exists():
            _make(path)
        if folder.stat().st_mode & 0o077:
            raise AnsibleLookupError(f"{folder} is open to others; remedy: chmod 700 {folder}")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise AnsibleLookupError(f"the secret {name} can't be kept in {folder}: {error}") from error


def _make(path: Path) -> None:
    """Make the secret, unless another process is first."""
    for folder in reversed(path.parents):
        folder.mkdir(mode=0o700, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))
    with contextlib.suppress(FileExistsError):
        os.link(new, path)
    new.unlink()
