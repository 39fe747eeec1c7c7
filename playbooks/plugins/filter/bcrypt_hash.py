"""The filter `bcrypt_hash`: what a web configuration stores of a password."""

import hashlib
from base64 import b64encode
from collections.abc import Callable

import bcrypt

ROUNDS = 10
"""Prometheus's own documentation takes it; a random password of 256 bits needs no more."""
_ORDINARY = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPTS = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def bcrypt_hash(password: str, name: str) -> str:
    """
    Return the bcrypt hash of a random password in ASCII.

    It is the same each time, so that a second run finds nothing to change: its salt follows from
    the password and the account's name, and is as good as random because the password is.
    """
    digest = hashlib.sha256(f"{name}\0{password}".encode()).digest()[:16]
    salt = b64encode(digest).rstrip(b"=").translate(bytes.maketrans(_ORDINARY, _BCRYPTS))
    return bcrypt.hashpw(password.encode("ascii"), b"$2b$%02d$%s" % (ROUNDS, salt)).decode()


class FilterModule:
    """Gives the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filters by name."""
        return {"bcrypt_hash": bcrypt_hash}
