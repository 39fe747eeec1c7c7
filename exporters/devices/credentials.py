"""What devices ask for before they are read: a file outside the catalogue that only we may read."""

import os
import ssl
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from catalogue.documents import Document, read
from catalogue.errors import BadInputError
from catalogue.fields import checked
from catalogue.model import Model
from exporters.trust import trusting

VARIABLE = "CITYDC_DEVICE_CREDENTIALS"
_OTHERS = 0o077


class Credentials(Model):
    """What one name in the file stands for; which parts are needed is the protocol's matter."""

    username: str | None = None
    password: SecretStr | None = None
    """Of SNMP v3: for authentication."""
    community: SecretStr | None = None
    """Of SNMP v2c; a username means v3."""
    authentication: Literal["md5", "sha1", "sha224", "sha256", "sha384", "sha512"] = "sha256"
    privacy: Literal["des", "aes128", "aes192", "aes256"] = "aes128"
    privacy_password: SecretStr | None = None
    ca: str | None = None
    """A file with the certificates of the authority that signed the device's; default: the
    system's authorities."""


def load(file: Path | None = None) -> dict[str, Credentials]:
    """
    Return the credentials in `file` (default: that of CITYDC_DEVICE_CREDENTIALS) by their names.

    Without a file there are none.  Raise BadInputError if others may read it or it is unsound.
    """
    given = os.environ.get(VARIABLE)
    file = file or (Path(given) if given else None)
    if file is None:
        return {}
    if file.exists() and file.stat().st_mode & _OTHERS:
        what = f"the devices' credentials in {file} can be read by others"
        raise BadInputError(what, remedy=f"chmod 600 {file}")
    document, problems = read(file)
    found = {}
    wrong = [f"line {problem.line}" for problem in problems]
    for name, data in document.data.items() if document else ():
        part = Document(file, data if isinstance(data, dict) else {}, {}, {}, set())
        one, faults = checked(part, Credentials)
        wrong += [f"{name}.{fault.field}" for fault in faults]
        if not isinstance(data, dict):
            wrong.append(str(name))
        elif one is not None:
            found[str(name)] = one
    if wrong:
        what = f"the devices' credentials in {file} are unsound"
        raise BadInputError(what, why=f"wrong: {', '.join(wrong)}", remedy="see docs/devices.md")
    return found


@cache
def trust(authority: str | None) -> ssl.SSLContext:
    """Return the TLS context that trusts that authority's file (default: the system's)."""
    return trusting(Path(authority) if authority else None)
