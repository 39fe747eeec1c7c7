"""Noise that is a pure function of seed, name and time."""

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def lattice(seed: int, name: str, times: Array, period_s: int) -> Array:
    """Return smooth noise between -1 and 1 that changes its mind every `period_s` seconds."""
    place = times / period_s
    before = np.floor(place).astype(np.uint64)
    weight = (1 - np.cos(np.pi * (place - before))) / 2
    key = np.uint64(zlib.crc32(f"{seed} {name}".encode()))
    after = before + np.uint64(1)
    return np.asarray(_hash(before, key) * (1 - weight) + _hash(after, key) * weight)


def _hash(numbers: Array, key: np.uint64) -> Array:
    """Return a number between -1 and 1 for each (SplitMix64's finalizer)."""
    mixed = (numbers << np.uint64(32)) ^ key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(mixed / 2.0**63 - 1)
