"""
The resource types that the engine knows, and the data sources.

KINDS: a Pulumi type token to its Kind.  INVOKES: a Pulumi function token to a function that
takes a Cloud and the arguments, and returns the result's properties.
"""

from . import (
    block_storage,
    compute,
    dns,
    identity,
    images,
    key_manager,
    load_balancer,
    networking,
    object_storage,
)
from .base import ApiError, Kind, StateError, Stray, agrees, renamed
from .invokes import INVOKES

_MODULES = (
    block_storage,
    compute,
    dns,
    identity,
    images,
    key_manager,
    load_balancer,
    networking,
    object_storage,
)

KINDS: dict[str, Kind] = {
    token: kind(token) for module in _MODULES for token, kind in sorted(module.KINDS.items())
}

__all__ = [
    "INVOKES",
    "KINDS",
    "ApiError",
    "Kind",
    "StateError",
    "Stray",
    "agrees",
    "renamed",
]
