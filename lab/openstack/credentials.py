"""A site's secrets, made at random when the site is."""

import base64
import dataclasses
import json
import secrets
from pathlib import Path
from typing import Self

from lab import files


def _word() -> str:
    return secrets.token_urlsafe(24)


def _key() -> str:
    """Give 32 random bytes as base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclasses.dataclass(frozen=True)
class Credentials:
    """The passwords and keys of one site; keys are 32 bytes as URL-safe base64."""

    admin: str = dataclasses.field(default_factory=_word, repr=False)
    service: str = dataclasses.field(default_factory=_word, repr=False)
    fernet: str = dataclasses.field(default_factory=_key, repr=False)
    credential: str = dataclasses.field(default_factory=_key, repr=False)
    barbican: str = dataclasses.field(default_factory=_key, repr=False)
    rndc: str = dataclasses.field(default_factory=_key, repr=False)
    swift: str = dataclasses.field(default_factory=_word, repr=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read them from the file."""
        return cls(**json.loads(path.read_text()))


def make(path: Path) -> None:
    """Write new ones to the file (0600), unless it is there."""
    if not path.exists():
        files.write(path, json.dumps(dataclasses.asdict(Credentials())))
