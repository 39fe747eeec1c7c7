"""Security levels, personal data, and what a cloud must offer for them."""

import base64
import binascii
from collections.abc import Iterator

from catalogue.loading import Draft
from catalogue.model import Capability
from catalogue.problems import Problem

PERSONAL_DATA_LEVEL = 2
"""Decree 85/2016/ND-CP, article 8: a system with personal data is of level 2 at least."""
ENCRYPTION_LEVEL = 4
"""From this level on, data at rest is encrypted."""

_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
)


def personal_data_is_protected(draft: Draft) -> Iterator[Problem]:
    """Ensure that a service with personal data has security level 2 or more."""
    for key, service in draft.services.items():
        if service.personal_data and service.security_level < PERSONAL_DATA_LEVEL:
            what = f"{service.security_level}, but the service holds personal data"
            remedy = f"write {PERSONAL_DATA_LEVEL} or more, by Decree 85/2016/ND-CP, article 8"
            yield draft.problem(f"services/{key}", ("security_level",), what, remedy)


def high_levels_are_encrypted(draft: Draft) -> Iterator[Problem]:
    """Where a service of level 4 or 5 keeps data, the cloud has encrypted volumes."""
    strict = [key for key, one in draft.services.items() if one.security_level >= ENCRYPTION_LEVEL]
    for name, site in draft.sites.items() if strict else ():
        if Capability.ENCRYPTED_VOLUMES not in site.capabilities:
            what = f"lack encrypted-volumes, which {strict[0]} needs for its security level"
            remedy = "add the capability when the cloud has an encrypted volume type"
            yield draft.problem(f"sites/{name}", ("capabilities",), what, remedy)


def capabilities_are_complete(draft: Draft) -> Iterator[Problem]:
    """Ensure that what a site describes is among its capabilities, and that these are described."""
    for name, site in draft.sites.items():
        key = f"sites/{name}"
        encrypted = Capability.ENCRYPTED_VOLUMES
        for capability, field, there in (
            (encrypted, "encrypted_volume_type", bool(site.encrypted_volume_type)),
            (Capability.VLAN_NETWORKS, "link", bool(site.link)),
            (Capability.GPU, "flavors", any(one.gpus for one in site.flavors)),
        ):
            if there and capability not in site.capabilities:
                what = f"lack {capability}, but {field} needs it"
                remedy = f"add {capability}, or change {field}"
                yield draft.problem(key, ("capabilities",), what, remedy)
        if encrypted in site.capabilities and not site.encrypted_volume_type:
            what = f"is missing, but the capabilities list {encrypted}"
            remedy = "name the cloud's encrypted volume type"
            yield draft.problem(key, ("encrypted_volume_type",), what, remedy)


def keys_are_public(draft: Draft) -> Iterator[Problem]:
    """Ensure that a site's SSH key is one that anyone may read."""
    for name, site in draft.sites.items():
        if not _is_public(site.public_key):
            remedy = 'write one line, such as the content of id_ed25519.pub: "ssh-ed25519 AAAA..."'
            if "PRIVATE" in site.public_key:
                what = "is a private key"
                remedy = "remove it, make a new pair, and write the public half here"
            else:
                what = "is no public SSH key"
            yield draft.problem(f"sites/{name}", ("public_key",), what, remedy)


def _is_public(text: str) -> bool:
    kind, _, rest = text.partition(" ")
    try:
        blob = base64.b64decode(rest.partition(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        return False
    name = kind.encode()
    return kind in _KEY_TYPES and blob.startswith(len(name).to_bytes(4, "big") + name)
