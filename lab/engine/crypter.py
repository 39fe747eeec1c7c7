"""Pulumi's passphrase secrets provider: PBKDF2-HMAC-SHA256 and AES-256-GCM."""

import base64
import binascii
import hmac
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from catalogue.errors import BadInputError

_ITERATIONS = 1_000_000


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Crypter:
    """
    Encrypts with the key that the passphrase and a stack's salt make.

    `salt` is a stack's encryptionsalt (None: a new one is made) and stays readable as `salt`.
    Raise BadInputError when the passphrase is not the salt's.
    """

    def __init__(self, passphrase: str, salt: str | None = None) -> None:
        if not passphrase:
            raise BadInputError(
                "the stack's passphrase is missing",
                remedy="set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
            )
        raw, check = _split(salt) if salt else (os.urandom(8), None)
        derived = PBKDF2HMAC(hashes.SHA256(), 32, raw, _ITERATIONS).derive(passphrase.encode())
        self._cipher = AESGCM(derived)
        self._digest_key = hmac.digest(derived, b"digest", "sha256")
        self._sealed: dict[str, str] = {}  # so that an unchanged secret keeps its ciphertext
        self._opened: dict[str, Any] = {}
        if check is not None and self._proves(check) is False:
            raise BadInputError(
                "the passphrase does not open this stack's secrets",
                why="it is not the one with which the stack was made",
                remedy="set PULUMI_CONFIG_PASSPHRASE (or the file of PULUMI_CONFIG_PASSPHRASE_FILE)"
                " to the stack's passphrase",
            )
        self.salt = salt or f"v1:{_text(raw)}:{self.encrypt('pulumi')}"

    def _proves(self, check: str) -> bool:
        try:
            return self.decrypt(check) == "pulumi"
        except BadInputError:
            return False

    def encrypt(self, plain: str) -> str:
        """Return the ciphertext ("v1:nonce:data") of a text."""
        nonce = os.urandom(12)
        return f"v1:{_text(nonce)}:{_text(self._cipher.encrypt(nonce, plain.encode(), None))}"

    def decrypt(self, text: str) -> str:
        """Return the text of a ciphertext.  Raise BadInputError if it is not this key's."""
        try:
            _, nonce, data = text.split(":")
            plain = self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(data), None)
            return plain.decode()
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise BadInputError(
                "a secret cannot be decrypted",
                why="its ciphertext is damaged or of another passphrase",
            ) from error

    def digest(self, text: str) -> str:
        """Return a digest of a text that only who has the key can make, or guess the text by."""
        return hmac.digest(self._digest_key, text.encode(), "sha256").hex()

    def encrypt_value(self, value: Any) -> str:
        """Return the ciphertext of a JSON value, the same as before for a value seen before."""
        plain = json.dumps(value, separators=(",", ":"), sort_keys=True)
        if plain not in self._sealed:
            self._sealed[plain] = self.encrypt(plain)
        return self._sealed[plain]

    def decrypt_value(self, text: str) -> Any:
        """Return the JSON value of a ciphertext.  Raise BadInputError if it is damaged."""
        if text not in self._opened:
            plain = self.decrypt(text)
            try:
                self._opened[text] = json.loads(plain)
            except ValueError as error:
                raise BadInputError("a secret is no JSON value", why=str(error)) from error
            self._sealed.setdefault(plain, text)
        return self._opened[text]


def _split(salt: str) -> tuple[bytes, str]:
    """Return the raw salt and the encrypted "pulumi" of an encryptionsalt ("v1:salt:v1:...")."""
    version, _, rest = salt.partition(":")
    raw, _, check = rest.partition(":")
    if version != "v1" or not check:
        raise _damaged_salt("it is not v1:SALT:v1:NONCE:TEXT")
    try:
        return base64.b64decode(raw, validate=True), check
    except ValueError as error:
        raise _damaged_salt(str(error)) from error


def _damaged_salt(why: str) -> BadInputError:
    return BadInputError(
        "the stack's encryption salt is damaged",
        why=why,
        remedy="put back an earlier version of the stack's file, or of its state",
    )
