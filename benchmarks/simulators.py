"""
Devices to read: simulators that others wrote, on loopback, each answering after 50 to 300 ms.

pymodbus's server, pysnmp's agent, uvicorn for Redfish and for an exporter; and pyghmi's BMC, which
answers at once.  Each of them is a process with all devices of its kind.
"""

import asyncio
import json
import multiprocessing
import random
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psutil
import uvicorn
from pydantic import SecretStr
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from benchmarks.snmp_agent import COMMUNITY, agent
from catalogue.model import Address, Device
from exporters.devices.credentials import Credentials
from exporters.readings import Quantity
from lab.certificates import certify
from lab.plant.faults import Number
from lab.plant.instruments import Instrument
from lab.plant.simulators import ipmi

DELAY = (0.05, 0.3)
UNITS = 4
"""Modbus units behind one address, as behind a gateway."""
OUTLETS = 30
WATTS = 374
USER, PASSWORD = "reader", "r0-passw0rd"
LOGIN = Credentials(username=USER, password=SecretStr(PASSWORD))
MODBUS_PORT, SNMP_PORT = 26500, 26500
IPMI_PORT = 30000
WEB_PORT, SECURE_PORT = 30500, 30501
SPAWNED = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Simulators:
    """The simulators' processes, and what they are read with, by protocol."""

    processes: list[psutil.Process]
    credentials: dict[str, Credentials]


@contextmanager
def answering(counts: Mapping[str, int], folder: Path) -> Iterator[Simulators]:
    """Give so many devices of each protocol, answering; `folder` gets a certificate."""
    authority, certificate = folder / "authority.pem", folder / "certificate.pem"
    certify(authority, certificate, "benchmark authority", ["127.0.0.1"])
    all_up = SPAWNED.Barrier(5, timeout=300)
    processes = [
        SPAWNED.Process(target=_run, args=(serve, given, all_up), daemon=True)
        for serve, given in (
            (_serve_modbus, counts["modbus"]),
            (_serve_snmp, counts["snmp"]),
            (_serve_ipmi, counts["ipmi"]),
            (_serve_web, certificate),
        )
    ]
    for one in processes:
        one.start()
    try:
        all_up.wait()
        yield Simulators(
            [psutil.Process(one.pid) for one in processes],
            {
                "snmp": Credentials(community=SecretStr(COMMUNITY)),
                "redfish": LOGIN.model_copy(update={"ca": str(authority)}),
                "ipmi": LOGIN,
            },
        )
    finally:
        for one in processes:
            one.terminate()
            one.join()


def devices(counts: Mapping[str, int]) -> list[Device]:
    """Return so many devices of each protocol."""
    return [_device(protocol, number) for protocol, of in counts.items() for number in range(of)]


def _device(protocol: str, number: int) -> Device:
    profile, port = {
        "modbus": ("eastron-sdm630", MODBUS_PORT + number // UNITS),
        "snmp": ("apc-rpdu2", SNMP_PORT + number),
        "ipmi": ("dcmi", IPMI_PORT + number),
        "redfish": ("redfish", SECURE_PORT),
        "prometheus": ("kepler", WEB_PORT),
    }[protocol]
    return Device(
        id=f"{protocol}-{number}",
        profile=profile,
        address=Address(production="unused", lab=f"127.0.0.1:{port}"),
        unit=str(number % UNITS + 1) if protocol == "modbus" else None,
        credentials=protocol if protocol in {"snmp", "redfish", "ipmi"} else None,
    )


# -- each process ---------------------------------------------------------------------------------


def _run(
    serve: Callable[[Any, Barrier], Coroutine[Any, Any, None]], given: Any, all_up: Barrier
) -> None:
    asyncio.run(serve(given, all_up))


async def _serve_modbus(count: int, all_up: Barrier) -> None:
    async def late(*_: object) -> None:
        await asyncio.sleep(random.uniform(*DELAY))  # noqa: S311 - no secret

    for number in range(0, count, UNITS):
        units = [
            SimDevice(unit, simdata=[SimData(0, 120, 16544, DataType.REGISTERS)], action=late)
            for unit in range(1, UNITS + 1)
        ]
        server = ModbusTcpServer(units, address=("127.0.0.1", MODBUS_PORT + number // UNITS))
        await server.serve_forever(background=True)
    all_up.wait()
    await asyncio.Event().wait()


async def _serve_snmp(count: int, all_up: Barrier) -> None:
    rpdu2 = "1.3.6.1.4.1.318.1.1.26"
    objects: dict[str, int | str] = {
        f"{rpdu2}.4.3.1.5.1": 250,
        f"{rpdu2}.4.3.1.9.1": 170982,
        f"{rpdu2}.10.2.2.1.8.1": 239,
        f"{rpdu2}.10.2.2.1.10.1": 45,
    }
    for outlet in range(1, OUTLETS // 2 + 1):
        objects |= {f"{rpdu2}.9.4.3.1.7.{outlet}": 45, f"{rpdu2}.9.4.3.1.11.{outlet}": 10 * outlet}
    async with agent(objects, range(SNMP_PORT, SNMP_PORT + count), DELAY):
        all_up.wait()
        await asyncio.Event().wait()


class _Steady(Instrument):
    """A server that always takes the same power."""

    def __init__(self) -> None:
        pass

    def value(self, quantity: Quantity, channel: str, time: Number) -> float | None:  # noqa: ARG002
        """Return its power, in W."""
        return WATTS


async def _serve_ipmi(count: int, all_up: Barrier) -> None:
    ipmi.start(
        [
            ipmi.Controller(IPMI_PORT + number, _Steady(), LOGIN, time.time)
            for number in range(count)
        ]
    )
    all_up.wait()
    await asyncio.Event().wait()


async def _serve_web(certificate: Path, all_up: Barrier) -> None:
    sockets = [socket.create_server(("127.0.0.1", port)) for port in (WEB_PORT, SECURE_PORT)]
    all_up.wait()
    await asyncio.gather(
        _server().serve(sockets[:1]), _server(ssl_certfile=certificate).serve(sockets[1:])
    )


def _server(**more: Any) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(_application, log_level="critical", lifespan="off", **more)
    )


METRICS = 'kepler_node_platform_joules_total{mode="idle"} 20000\n' + "".join(
    f'kepler_container_joules_total{{container="{number}"}} 1.5\n' for number in range(1000)
)
ROOT = "/redfish/v1"
RESOURCES = {
    ROOT: {"Chassis": {"@odata.id": f"{ROOT}/Chassis"}},
    f"{ROOT}/Chassis": {"Members": [{"@odata.id": f"{ROOT}/Chassis/1"}]},
    f"{ROOT}/Chassis/1": {
        "EnvironmentMetrics": {"@odata.id": f"{ROOT}/Chassis/1/EnvironmentMetrics"},
        "ThermalSubsystem": {"@odata.id": f"{ROOT}/Chassis/1/ThermalSubsystem"},
    },
    f"{ROOT}/Chassis/1/EnvironmentMetrics": {
        "PowerWatts": {"Reading": WATTS},
        "EnergykWh": {"LifetimeReading": 25439},
    },
    f"{ROOT}/Chassis/1/ThermalSubsystem": {
        "ThermalMetrics": {"@odata.id": f"{ROOT}/Chassis/1/ThermalSubsystem/ThermalMetrics"}
    },
    f"{ROOT}/Chassis/1/ThermalSubsystem/ThermalMetrics": {
        "TemperatureSummaryCelsius": {"Intake": {"Reading": 24.5}}
    },
}


async def _application(
    scope: dict[str, Any],
    _: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer as a Redfish service and as an exporter, late."""
    await asyncio.sleep(random.uniform(*DELAY))  # noqa: S311 - no secret
    path = scope["path"]
    body = METRICS if path == "/metrics" else json.dumps(RESOURCES.get(path, {}))
    headers = []
    if scope["method"] == "POST":
        headers = [
            (b"x-auth-token", b"t"),
            (b"location", f"{ROOT}/SessionService/Sessions/1".encode()),
        ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
