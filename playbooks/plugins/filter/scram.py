"""The filter `scram_verifier`: what PostgreSQL stores of a password (RFC 5802, RFC 7677)."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable

ITERATIONS = 4096
"""PostgreSQL's own number; a random password of 256 bits needs no more."""


def scram_verifier(password: str, name: str) -> str:
    """
    Return the SCRAM-SHA-256 verifier of a random password in ASCII.

    It is the same each time, so that a second run finds nothing to change: its salt follows from
    the password and the account's name, and is as good as random because the password is.
    """
    salt = hashlib.sha256(f"{name}\0{password}".encode()).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    server = _keyed(salted, b"Server Key")
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _keyed(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(data: bytes) -> str:
    return b64encode(data).decode()


class FilterModule:
    """Gives the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filters by name."""
        return {"scram_verifier": scram_verifier}
