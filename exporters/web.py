"""
The web configuration file: TLS and basic auth, as Prometheus's exporter-toolkit has it.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md; of it
`tls_server_config` (cert_file, key_file, client_auth_type, client_ca_file, min_version) and
`basic_auth_users`.  What else it may say is refused rather than passed over.
"""

import hashlib
import hmac
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import bcrypt
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from catalogue.errors import BadInputError

_NOBODY = bcrypt.hashpw(b"", bcrypt.gensalt(10)).decode()
_REMEMBERED = 100


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(_Part):
    """`tls_server_config`; paths are relative to the file that names them."""

    cert_file: Path
    key_file: Path
    client_auth_type: Literal[
        "NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"
    ] = "NoClientCert"
    client_ca_file: Path | None = None
    min_version: Literal["TLS12", "TLS13"] = "TLS12"


class WebConfig(_Part):
    """The whole file."""

    tls_server_config: Tls | None = None
    basic_auth_users: dict[str, str] = {}
    """Names and bcrypt hashes of their passwords."""


def read(file: Path) -> WebConfig:
    """Return the file's content, its paths made absolute.  Raise BadInputError if it is faulty."""
    try:
        found = WebConfig.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _faulty(file, " ".join(str(error).split())) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _faulty(file, f"{where}: {first['msg']}") from None
    for name, hashed in found.basic_auth_users.items():
        try:
            bcrypt.checkpw(b"", hashed.encode())
        except ValueError:
            raise _faulty(file, f"basic_auth_users.{name} is no bcrypt hash") from None
    tls = found.tls_server_config
    if tls is None:
        return found
    paths = {
        name: (file.parent / path).absolute()
        for name in ("cert_file", "key_file", "client_ca_file")
        if (path := getattr(tls, name)) is not None
    }
    return found.model_copy(update={"tls_server_config": tls.model_copy(update=paths)})


def _faulty(file: Path, why: str) -> BadInputError:
    return BadInputError(
        "the web configuration cannot be used",
        why=why,
        remedy="write it as exporter-toolkit's documentation of web configurations says",
        place=str(file),
    )


def context(tls: Tls) -> ssl.SSLContext:
    """Return a server's TLS context.  Raise BadInputError if its files cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = (
        ssl.TLSVersion.TLSv1_3 if tls.min_version == "TLS13" else ssl.TLSVersion.TLSv1_2
    )
    load(made, tls)
    return made


def load(made: ssl.SSLContext, tls: Tls) -> None:
    """
    Read the certificate and key anew: connections from now on use them.

    Raise BadInputError if they cannot be used.
    """
    try:
        made.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.client_ca_file:
            made.load_verify_locations(tls.client_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BadInputError(
            "the TLS certificate or key cannot be used",
            why=str(error),
            remedy="correct tls_server_config in the web configuration",
            place=str(tls.cert_file),
        ) from error
    if tls.client_auth_type == "RequireAndVerifyClientCert":
        made.verify_mode = ssl.CERT_REQUIRED
    elif tls.client_auth_type == "VerifyClientCertIfGiven":
        made.verify_mode = ssl.CERT_OPTIONAL


@dataclass
class Users:
    """Who may come in.  What bcrypt has judged is remembered, for it is slow by design."""

    hashes: dict[str, str]
    _judged: dict[bytes, bool] = field(default_factory=dict)

    def remembered(self, name: str, password: str) -> bool | None:
        """Return what was judged before, if it was."""
        return self._judged.get(self._key(name, password))

    def admit(self, name: str, password: str) -> bool:
        """Return whether the password is that user's; an unknown user takes as long."""
        hashed = self.hashes.get(name, _NOBODY)
        secret = password.encode()[:72]  # all that bcrypt takes
        sound = bcrypt.checkpw(secret, hashed.encode()) and name in self.hashes
        if len(self._judged) >= _REMEMBERED:
            self._judged.clear()
        self._judged[self._key(name, password)] = sound
        return sound

    def _key(self, name: str, password: str) -> bytes:
        text = "\0".join((name, self.hashes.get(name, ""), password))
        return hmac.digest(_NOBODY.encode(), text.encode(), hashlib.sha256)
