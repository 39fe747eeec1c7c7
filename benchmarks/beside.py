"""Debian's exporters for SNMP and IPMI, to read the simulators that citydc reads."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from benchmarks.simulators import IPMI_PORT, PASSWORD, SNMP_PORT, USER, WATTS
from benchmarks.snmp_agent import COMMUNITY
from exporters.devices.profile import Object, named
from lab.packages import Need

NAMES = {"snmp": "prometheus-snmp-exporter", "ipmi": "prometheus-ipmi-exporter"}
EXPORTERS = Need(
    "the exporters that citydc is measured beside",
    (*NAMES.values(), "freeipmi-tools"),
    (*(f"/usr/bin/{name}" for name in NAMES.values()), "/usr/sbin/ipmi-dcmi"),
    tuple(f"{name}.service" for name in NAMES.values()),
)
ADDRESS = "127.0.0.1:30502"
MODULE = "measured"
PORTS = {"snmp": SNMP_PORT, "ipmi": IPMI_PORT}


@dataclass(frozen=True)
class Exporter:
    """An exporter that runs, and what it must say of each device of its protocol."""

    protocol: str
    process: psutil.Process
    patience: float
    """s"""

    async def scrape(self, count: int) -> int:
        """Have so many devices read, all at once; return how many were not."""
        first = PORTS[self.protocol]
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(
            limits=limits, timeout=self.patience, trust_env=False
        ) as client:
            asked = [
                client.get(
                    f"http://{ADDRESS}/{self.protocol}",
                    params={"target": f"127.0.0.1:{port}", "module": MODULE},
                )
                for port in range(first, first + count)
            ]
            answers = await asyncio.gather(*asked)
        expected = _expected(self.protocol)
        return sum(expected not in one.text for one in answers)


@contextmanager
def running(protocol: str, folder: Path, patience: float) -> Iterator[Exporter]:
    """Run the exporter for a protocol; a device has so many seconds."""
    configuration = folder / f"{protocol}.yml"
    module = _snmp_module(patience) if protocol == "snmp" else _ipmi_module(patience)
    configuration.write_text(yaml.safe_dump(module), encoding="utf-8")
    with subprocess.Popen(  # noqa: S603 - what is measured
        [
            f"/usr/bin/{NAMES[protocol]}",
            f"--config.file={configuration}",
            f"--web.listen-address={ADDRESS}",
        ],
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_for_answer()
            yield Exporter(protocol, psutil.Process(process.pid), patience)
        finally:
            process.terminate()


def _wait_for_answer() -> None:
    for _ in range(600):
        try:
            httpx.get(f"http://{ADDRESS}/", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"no exporter answers at {ADDRESS}")


def _columns() -> list[str]:
    points = named("apc-rpdu2").points
    return [one.oid.removesuffix(".1") for one in points if isinstance(one, Object)]


def _snmp_module(patience: float) -> dict[str, Any]:
    columns = _columns()
    index = {"labelname": "index", "type": "gauge"}
    return {
        MODULE: {
            "walk": columns,
            "metrics": [
                {"name": f"m{number}", "oid": column, "type": "gauge", "indexes": [index]}
                for number, column in enumerate(columns)
            ],
            "version": 2,
            "auth": {"community": COMMUNITY},
            "timeout": f"{patience:.0f}s",
        }
    }


def _ipmi_module(patience: float) -> dict[str, Any]:
    module = {
        "user": USER,
        "pass": PASSWORD,
        "driver": "LAN_2_0",
        "privilege": "user",
        "timeout": int(patience * 1000),
        "collectors": ["dcmi"],
    }
    return {"modules": {MODULE: module}}


def _expected(protocol: str) -> str:
    """Return what the answer has when a device was read to its end."""
    if protocol == "ipmi":
        return f"ipmi_dcmi_power_consumption_watts {WATTS}\n"
    return f"\nm{len(_columns()) - 1}{{"
