"""
Measure how fast 1,000 devices of mixed protocols are read, and what memory that takes.

    python -m benchmarks.devices

The devices are simulators that others wrote (pymodbus's server, pysnmp's agent, uvicorn for Redfish
and for an exporter), each answering after 50 to 300 ms, in processes of their own on loopback.
"first" is the first reading, with connections, sessions, TLS and tables; "then" the best of three
more: wall time, and in brackets the reader's CPU time, which other work leaves alone.  Where
Debian's prometheus-snmp-exporter is on PATH, it reads the same agents, told in the last row.
"""

import asyncio
import ipaddress
import json
import multiprocessing
import random
import resource
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvicorn
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from benchmarks.snmp_agent import COMMUNITY, agent
from catalogue.model import Address, Device
from exporters.devices import DeviceError, opened
from exporters.devices.credentials import Credentials
from exporters.devices.profile import Object, named

DELAY = (0.05, 0.3)
PATIENCE = 60.0
"""Seconds that a device has here, so that a busy machine shows as time, not as faults."""
TIMES = 3
FIRST_PORT = 26500
UNITS = 4
"""Modbus units behind one address, as behind a gateway."""
SHARES = {"modbus": 0.45, "snmp": 0.3, "redfish": 0.15, "prometheus": 0.1}
SIZES = (250, 500, 1000)
MEBI = 1024
OUTLETS = 30
_INDEX = {"labelname": "index", "type": "gauge"}


@dataclass(frozen=True)
class Measured:
    """What reading so many devices took: seconds, MiB, and why some could not be read."""

    first: tuple[float, float]
    then: tuple[float, float]
    memory: float
    faults: list[str]


def main() -> None:
    """Measure, and print a Markdown table."""
    with tempfile.TemporaryDirectory(prefix="citydc-bench-") as folder:
        certificate = _certificate(Path(folder))
        spawned = multiprocessing.get_context("spawn")
        counts = {name: int(SIZES[-1] * share) for name, share in SHARES.items()}
        simulators = [
            spawned.Process(target=one, args=(counts, str(certificate)), daemon=True)
            for one in (_simulate_modbus, _simulate_snmp, _simulate_web)
        ]
        for one in simulators:
            one.start()
        time.sleep(15)
        try:
            _row("devices", "first, s", "then, s", "MiB at most", "could not be read")
            _row(*["---"] * 5)
            for size in SIZES:
                with spawned.Pool(1) as pool:
                    found: Measured = pool.apply(_measured, (size, str(certificate)))
                first, then = (f"{wall:.1f} ({cpu:.1f})" for wall, cpu in (found.first, found.then))
                _row(f"{size} mixed", first, then, f"{found.memory:.0f}", _told(found.faults))
            if program := shutil.which("prometheus-snmp-exporter"):
                _beside(program, Path(folder), counts["snmp"])
        finally:
            for one in simulators:
                one.terminate()


def _told(faults: list[str]) -> str:
    return "; ".join(f"{count} {why}" for why, count in Counter(faults).items()) or "none"


def _row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)  # noqa: T201 - the result


# -- reading --------------------------------------------------------------------------------------


def _measured(size: int, certificate: str) -> Measured:
    return asyncio.run(_all_read(size, certificate))


async def _all_read(size: int, certificate: str) -> Measured:
    known = {
        "snmp": Credentials(community=SecretStr(COMMUNITY)),
        "redfish": Credentials(username="reader", password=SecretStr("x"), ca=certificate),
    }
    clients = [
        opened(device, device.address.lab, known, timeout=PATIENCE) for device in _devices(size)
    ]

    async def read_all() -> tuple[float, float, list[DeviceError]]:
        began, used = time.perf_counter(), time.process_time()
        answers = await asyncio.gather(*(one.read() for one in clients), return_exceptions=True)
        faults = [one for one in answers if isinstance(one, DeviceError)]
        for one in answers:
            if isinstance(one, BaseException) and not isinstance(one, DeviceError):
                raise one
        return time.perf_counter() - began, time.process_time() - used, faults

    first = await read_all()
    later = [await read_all() for _ in range(TIMES)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBI
    await asyncio.gather(*(one.close() for one in clients))
    best = min(later, key=lambda one: one[0])
    faults = [str(fault) for one in (first, *later) for fault in one[2]]
    return Measured(first[:2], best[:2], memory, faults)


def _devices(size: int) -> list[Device]:
    """Return so many devices, shared among the protocols."""
    found = []
    for protocol, share in SHARES.items():
        for number in range(int(size * share)):
            profile, port = {
                "modbus": ("eastron-sdm630", _modbus_port(number)),
                "snmp": ("apc-rpdu2", _snmp_port(number)),
                "redfish": ("redfish", _web_port() + 1),
                "prometheus": ("kepler", _web_port()),
            }[protocol]
            found.append(
                Device(
                    id=f"{protocol}-{number}",
                    profile=profile,
                    address=Address(production="unused", lab=f"127.0.0.1:{port}"),
                    unit=str(number % UNITS + 1) if protocol == "modbus" else None,
                    credentials=protocol if protocol in {"snmp", "redfish"} else None,
                )
            )
    return found


def _modbus_port(number: int) -> int:
    return FIRST_PORT + number // UNITS


def _snmp_port(number: int) -> int:
    return FIRST_PORT + number


def _web_port() -> int:
    return FIRST_PORT + 400


# -- beside another reader ------------------------------------------------------------------------


def _beside(program: str, folder: Path, count: int) -> None:
    """Let Debian's exporter read the SNMP agents, all at once, and tell what it took."""
    columns = [point.oid.removesuffix(".1") for point in _objects()]
    module = {
        "walk": columns,
        "metrics": [
            {"name": f"m{number}", "oid": column, "type": "gauge", "indexes": [_INDEX]}
            for number, column in enumerate(columns)
        ],
        "version": 2,
        "auth": {"community": COMMUNITY},
        "timeout": f"{PATIENCE:.0f}s",
    }
    configuration = folder / "snmp.yml"
    configuration.write_text(yaml.safe_dump({"rpdu2": module}), encoding="utf-8")
    address = f"127.0.0.1:{_web_port() + 2}"
    with subprocess.Popen(  # noqa: S603 - what is measured
        [program, f"--config.file={configuration}", f"--web.listen-address={address}"],
        stderr=subprocess.DEVNULL,
    ) as process:
        time.sleep(3)
        seen = psutil.Process(process.pid)
        rounds = [asyncio.run(_scraped(address, count, seen)) for _ in range(1 + TIMES)]
        first, then = (f"{wall:.1f} ({cpu:.1f})" for wall, cpu in (rounds[0], min(rounds[1:])))
        memory = seen.memory_info().rss / MEBI / MEBI
        _row(f"{count} SNMP, snmp_exporter", first, then, f"{memory:.0f}", "none")
        process.terminate()


def _objects() -> list[Object]:
    return [point for point in named("apc-rpdu2").points if isinstance(point, Object)]


async def _scraped(address: str, count: int, seen: psutil.Process) -> tuple[float, float]:
    began, used = time.perf_counter(), sum(seen.cpu_times()[:2])
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(limits=limits, timeout=PATIENCE * 4, trust_env=False) as client:
        targets = [f"127.0.0.1:{_snmp_port(number)}" for number in range(count)]
        asked = [
            client.get(f"http://{address}/snmp", params={"target": one, "module": "rpdu2"})
            for one in targets
        ]
        for answer in await asyncio.gather(*asked):
            answer.raise_for_status()
    return time.perf_counter() - began, sum(seen.cpu_times()[:2]) - used


# -- the devices ----------------------------------------------------------------------------------


def _simulate_modbus(counts: dict[str, int], _: str) -> None:
    asyncio.run(_modbus(counts["modbus"]))


async def _modbus(count: int) -> None:
    async def late(*_: object) -> None:
        await asyncio.sleep(random.uniform(*DELAY))  # noqa: S311 - no secret

    for number in range(0, count, UNITS):
        units = [
            SimDevice(unit, simdata=[SimData(0, 120, 16544, DataType.REGISTERS)], action=late)
            for unit in range(1, UNITS + 1)
        ]
        server = ModbusTcpServer(units, address=("127.0.0.1", _modbus_port(number)))
        await server.serve_forever(background=True)
    await asyncio.Event().wait()


def _simulate_snmp(counts: dict[str, int], _: str) -> None:
    asyncio.run(_snmp(counts["snmp"]))


async def _snmp(count: int) -> None:
    rpdu2 = "1.3.6.1.4.1.318.1.1.26"
    objects: dict[str, int | str] = {
        f"{rpdu2}.4.3.1.5.1": 250,
        f"{rpdu2}.4.3.1.9.1": 170982,
        f"{rpdu2}.10.2.2.1.8.1": 239,
        f"{rpdu2}.10.2.2.1.10.1": 45,
    }
    for outlet in range(1, OUTLETS // 2 + 1):
        objects |= {f"{rpdu2}.9.4.3.1.7.{outlet}": 45, f"{rpdu2}.9.4.3.1.11.{outlet}": 10 * outlet}
    async with agent(objects, [_snmp_port(number) for number in range(count)], DELAY):
        await asyncio.Event().wait()


def _simulate_web(_: dict[str, int], certificate: str) -> None:
    asyncio.run(_web(certificate))


async def _web(certificate: str) -> None:
    plain = _server(_web_port())
    secure = _server(_web_port() + 1, ssl_certfile=certificate)
    await asyncio.gather(plain.serve(), secure.serve())


def _server(port: int, **more: Any) -> uvicorn.Server:
    settings = uvicorn.Config(
        _application, host="127.0.0.1", port=port, log_level="critical", lifespan="off", **more
    )
    return uvicorn.Server(settings)


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
        "PowerWatts": {"Reading": 374},
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


def _certificate(folder: Path) -> Path:
    """Return a file with a certificate for loopback, its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


if __name__ == "__main__":
    main()
