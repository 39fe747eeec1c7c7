"""
Measure how fast devices of mixed protocols are read, by one process and by shards.

    python -m benchmarks.devices            (some minutes)

The devices are simulators that others wrote (`benchmarks/simulators.py`), on the same machine.  The
energy exporter's collector reads them, each shard of it in a process of its own: up to a tenth all
at once, then all in a minute, each at the moment that it has in the exporter's interval.  "First"
is with connections, sessions, TLS and tables, "then" the best of three more.  Told is the wall
time, and in brackets the CPU's time of the readers + that of the simulators.  Debian's exporters
for SNMP and IPMI read the same devices, at once.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks import beside
from benchmarks.simulators import SPAWNED, Simulators, answering, devices
from exporters.devices import Reason, opened
from exporters.devices.credentials import Credentials
from exporters.energy.collecting import Collector, Target, in_shard, phase
from exporters.readings import Reading
from lab import packages

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

PATIENCE = 180.0
"""Seconds that a device has here, so that a busy machine shows as time, not as faults."""
ROUNDS = 4
SITE = "main"
SHARES = {"modbus": 0.45, "snmp": 0.3, "redfish": 0.15, "prometheus": 0.1}
CONTROLLERS = 60
MEBI = 1 << 20


@dataclass(frozen=True)
class Fleet:
    """Devices of each protocol, and how they are read."""

    what: str
    counts: Mapping[str, int]
    shards: int = 1
    seconds: int = 0
    """In which all are read, each at its moment; 0: all at once."""


@dataclass(frozen=True)
class Round:
    """What it took to read all devices once, in s: wall time, and the CPU's."""

    wall: float
    readers: float
    simulators: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} ({self.readers:.1f} + {self.simulators:.1f})"


@dataclass(frozen=True)
class Told:
    """What a shard tells at its end."""

    asked: Counter[str]
    """How often it read each device, or tried to."""
    faults: Counter[str]
    memory: int
    """Bytes."""


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.devices", description=__doc__)
    parser.add_argument("--devices", type=int, default=10_000, metavar="NUMBER")
    number = parser.parse_args().devices
    packages.ensure(beside.EXPORTERS, print)
    with tempfile.TemporaryDirectory(prefix="citydc-bench-") as folder:
        counts = {**_mixed(number), "ipmi": CONTROLLERS}
        with answering(counts, Path(folder)) as simulators:
            _row("devices", "reader", "first, s", "then, s", "MiB", "readings", "failed")
            _row(*["---"] * 7)
            for part in (40, 20, 10):
                _ours(Fleet("mixed", _mixed(number // part)), simulators)
            _ours(Fleet("mixed, in a minute", _mixed(number), shards=4, seconds=60), simulators)
            for protocol, count in (("snmp", counts["snmp"] // 10), ("ipmi", CONTROLLERS)):
                _ours(Fleet(protocol, {protocol: count}), simulators)
                _theirs(protocol, count, simulators, Path(folder))


def _mixed(number: int) -> dict[str, int]:
    return {protocol: round(number * share) for protocol, share in SHARES.items()}


def _row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)  # noqa: T201 - the result


def _figures(rounds: Sequence[Round]) -> tuple[Round, Round]:
    """Return the first round and the best of the others."""
    return rounds[0], min(rounds[1:], key=lambda one: one.wall)


def _measured(
    readers: Sequence[psutil.Process], simulators: Simulators, read: Callable[[], object]
) -> Round:
    began, ours, theirs = time.perf_counter(), _cpu(readers), _cpu(simulators.processes)
    read()
    wall = time.perf_counter() - began
    return Round(wall, _cpu(readers) - ours, _cpu(simulators.processes) - theirs)


def _cpu(processes: Sequence[psutil.Process]) -> float:
    """Return the CPU's time, in s, of processes and of those that they started and that ended."""
    return sum(sum(one.cpu_times()[:4]) for one in processes)


# -- citydc ---------------------------------------------------------------------------------------


def _ours(fleet: Fleet, simulators: Simulators) -> None:
    """Let the shards read the devices; end unless each is read by one of them, once a round."""
    together = SPAWNED.Barrier(fleet.shards + 1, timeout=2 * PATIENCE)
    results: SimpleQueue[Told] = SPAWNED.SimpleQueue()
    processes = [
        SPAWNED.Process(
            target=_run,
            args=(fleet, number, simulators.credentials, together, results),
            daemon=True,
        )
        for number in range(1, fleet.shards + 1)
    ]
    for one in processes:
        one.start()
    readers = [psutil.Process(one.pid) for one in processes]
    rounds = []
    for _ in range(ROUNDS):
        together.wait()
        rounds.append(_measured(readers, simulators, together.wait))
    told = [results.get() for _ in processes]
    for one in processes:
        one.join()
    _ensure_once(fleet, told)
    faults = sum((one.faults for one in told), Counter[str]())
    _row(
        f"{sum(fleet.counts.values()):,} {fleet.what}",
        "citydc" if fleet.shards == 1 else f"citydc, {fleet.shards} shards",
        *_figures(rounds),
        ", ".join(f"{one.memory / MEBI:.0f}" for one in told),
        f"{sum(one.asked.total() for one in told) - faults.total():,}",
        "; ".join(f"{count} {why}" for why, count in faults.items()) or 0,
    )


def _ensure_once(fleet: Fleet, told: Sequence[Told]) -> None:
    for device in devices(fleet.counts):
        name = f"{SITE}/{device.id}"
        found = [one.asked[name] for one in told if name in one.asked]
        if found != [ROUNDS]:
            sys.exit(f"{name} was read {found} times in {ROUNDS} rounds, shard by shard")


def _run(
    fleet: Fleet,
    number: int,
    known: Mapping[str, Credentials],
    together: Barrier,
    results: "SimpleQueue[Told]",
) -> None:
    logging.getLogger("exporters").setLevel(logging.ERROR)  # faults are counted
    results.put(asyncio.run(_read(fleet, number, known, together)))


async def _read(
    fleet: Fleet, number: int, known: Mapping[str, Credentials], together: Barrier
) -> Told:
    asked: Counter[str] = Counter()
    faults: Counter[str] = Counter()

    async def take(target: Target, _: Sequence[Reading]) -> None:
        asked[target.name] += 1

    def failed(target: Target, reason: Reason) -> None:
        asked[target.name] += 1
        faults[reason] += 1

    targets = [
        Target(SITE, device, opened(device, device.address.lab, known, timeout=PATIENCE))
        for device in devices(fleet.counts)
        if in_shard(f"{SITE}/{device.id}", (number, fleet.shards))
    ]
    collector = Collector(targets, take, failed, interval=0, timeout=PATIENCE)

    async def read(target: Target) -> None:
        await asyncio.sleep(phase(target.name) * fleet.seconds)
        await collector.read(target)

    for _ in range(ROUNDS):
        together.wait()
        await asyncio.gather(*map(read, targets))
        together.wait()
    memory = psutil.Process().memory_info().rss
    await collector.close()
    return Told(asked, faults, memory)


# -- others ---------------------------------------------------------------------------------------


def _theirs(protocol: str, count: int, simulators: Simulators, folder: Path) -> None:
    """Let Debian's exporter read the devices of a protocol, all at once."""
    with beside.running(protocol, folder, PATIENCE) as exporter:
        failed = []

        def scrape() -> None:
            failed.append(asyncio.run(exporter.scrape(count)))

        rounds = [_measured([exporter.process], simulators, scrape) for _ in range(ROUNDS)]
        memory = exporter.process.memory_info().rss
    _row(
        f"{count:,} {protocol}",
        beside.NAMES[protocol],
        *_figures(rounds),
        f"{memory / MEBI:.0f}",
        f"{count * ROUNDS - sum(failed):,}",
        sum(failed),
    )


if __name__ == "__main__":
    main()
