"""SSH key pairs, for hosts and for those who log in."""

from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class KeyPair(NamedTuple):
    """An Ed25519 key pair in OpenSSH's formats; `private` ends with a newline."""

    private: str
    public: str


def make() -> KeyPair:
    """Make a new pair."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    return KeyPair(private.decode(), public_of(key))


def public_of(key: Ed25519PrivateKey) -> str:
    """Give the public half: "ssh-ed25519 AAAA..."."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
    )
