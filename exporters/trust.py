"""Whom an exporter trusts, and what others know it by."""

import ssl
from pathlib import Path

from catalogue.errors import BadInputError


def trusting(authority: Path | None) -> ssl.SSLContext:
    """
    Return a context that trusts the authority in that file (default: the system's).

    Raise BadInputError if the file holds none.
    """
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise BadInputError(
            "the authority's certificate cannot be read",
            why=error.strerror or str(error),
            remedy="give a file with certificates in PEM",
            place=str(authority),
        ) from None


def password(file: Path) -> str:
    """Return the password in a file that nobody else may read.  Raise BadInputError if it can't."""
    try:
        mode = file.stat().st_mode & 0o777
        found = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            "the password cannot be read",
            why=str(getattr(error, "strerror", None) or "it is no text"),
            remedy="name a file that the exporter may read",
            place=str(file),
        ) from None
    if mode & 0o077:
        raise BadInputError(
            "the password is open to others",
            why=f"the file's mode is {mode:04o}",
            remedy=f"chmod 0600 {file}, and change the password",
            place=str(file),
        )
    return found
