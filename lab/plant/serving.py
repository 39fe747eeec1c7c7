"""The process in which all devices of a site answer."""

import asyncio
import socket
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

import catalogue
from catalogue.model import Site
from exporters.devices import credentials
from exporters.devices.credentials import Credentials
from exporters.devices.profile import (
    IpmiProfile,
    ModbusProfile,
    NutProfile,
    PrometheusProfile,
    RedfishProfile,
    SnmpProfile,
    named,
)
from lab import files
from lab.openstack import processes
from lab.openstack.sites import HOST
from lab.plant import places
from lab.plant.instruments import Instrument
from lab.plant.record import STEP_S, Record
from lab.plant.simulators import ipmi, modbus, nut, prometheus, redfish, snmp
from lab.plant.truth import Truth

LEGACY = "redfish-legacy"
LOOK_S = 1
NONE = Credentials()


def serve(home: Path, name: str, first_port: int) -> None:
    """
    Answer for every device of a site of the catalogue, until this process is killed.

    `home` is the lab's, and `first_port` the lab's first.
    """
    processes.set_name(f"devices-{name}")
    folder = places.folder(home, name)
    files.make_folder(folder)
    processes.log_to(folder / "log")
    Plant(home, first_port, catalogue.load().sites[name]).run()


class Plant:
    """The devices of a site, each at its port."""

    def __init__(self, home: Path, first_port: int, site: Site) -> None:
        self._site, self._first = site, first_port
        self._folder, self._certificate = places.folder(home, site.id), home / places.CERTIFICATE
        self._given = credentials.load(home / places.CREDENTIALS)
        self._record = Record(self._folder)
        self._record.make(time.time())
        self._truth = Truth(site, self._record.origin, step_s=STEP_S, events=self._record.overloads)

    def run(self) -> None:
        """Answer, until this process is killed."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        units: dict[int, list[modbus.Unit]] = defaultdict(list)
        agents, bmcs = [], []
        controllers: dict[int, redfish.Controller] = {}
        targets: dict[int, prometheus.Target] = {}
        clock = time.time
        async with asyncio.TaskGroup() as tasks:
            for device in self._site.devices:
                found = named(device.profile)
                instrument = Instrument(self._site, device, self._truth)
                port = places.port_of(device, self._first)
                given = self._given.get(device.credentials or "", NONE)
                match found:
                    case ModbusProfile():
                        units[port].append(modbus.Unit(instrument, found))
                    case SnmpProfile():
                        agents.append(snmp.Agent(port, instrument, found, given))
                    case RedfishProfile():
                        legacy = device.profile == LEGACY
                        controllers[port] = redfish.Controller(instrument, legacy, given)
                    case IpmiProfile():
                        bmcs.append(ipmi.Controller(port, instrument, given, clock))
                    case NutProfile():
                        folder = self._folder / device.id
                        tasks.create_task(nut.serve(folder, port, instrument, given, clock))
                    case PrometheusProfile():
                        targets[port] = prometheus.Target(instrument, found)
            for port, several in units.items():
                tasks.create_task(modbus.serve(port, several, clock))
            engine = snmp.start(agents, clock)
            ipmi.start(bmcs)
            redfish_app = redfish.app(controllers, clock)
            tasks.create_task(_serve(redfish_app, controllers, self._certificate))
            tasks.create_task(_serve(prometheus.app(targets, clock), targets))
            tasks.create_task(self._look())
        del engine  # it was needed as long as the tasks

    async def _look(self) -> None:
        """Let happen what the record says, as soon as it says so."""
        seen = None
        while True:
            changed = self._record.path.stat().st_mtime_ns
            if changed != seen:
                self._truth.happen(self._record.overloads)
            self._truth.forget(time.time())
            seen = changed
            await asyncio.sleep(LOOK_S)


async def _serve(app: Starlette, ports: Iterable[int], certificate: Path | None = None) -> None:
    sockets = [socket.create_server((HOST, port), backlog=64) for port in ports]
    file = str(certificate) if certificate else None
    config = uvicorn.Config(app, log_level="error", ssl_keyfile=file, ssl_certfile=file)
    await uvicorn.Server(config).serve(sockets)
