"""Amounts of what a site has, and of what servers take."""

from dataclasses import dataclass

MIB, GIB = 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class Room:
    """An amount of computing: threads, MiB of memory and GPUs."""

    vcpus: float = 0
    memory_mib: float = 0
    gpus: float = 0

    def __add__(self, other: "Room") -> "Room":
        return Room(
            self.vcpus + other.vcpus, self.memory_mib + other.memory_mib, self.gpus + other.gpus
        )

    def __sub__(self, other: "Room") -> "Room":
        return Room(
            self.vcpus - other.vcpus, self.memory_mib - other.memory_mib, self.gpus - other.gpus
        )

    def holds(self, other: "Room") -> bool:
        """Return whether the other amount fits into this."""
        left = self - other
        return min(left.vcpus, left.memory_mib, left.gpus) >= 0


@dataclass(frozen=True, slots=True)
class Node:
    """A compute node that takes servers."""

    limit: Room
    used: Room


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of something there is, and is taken."""

    resource: str
    """ "vcpus", "memory" (bytes), "gpus", "volumes" (bytes), "addresses", "power" (W)..."""
    scope: str
    """What it is of: "site", "agency", "pool", "network" or "rack"."""
    name: str
    """Which one; empty for the site."""
    used: float | None
    limit: float | None
    """None where there is none, as for a quota that is not limited."""
