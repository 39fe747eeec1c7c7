"""
The lab's exporters: their files, their commands, and where Prometheus finds them.

Energy and capacity run on the machine, beside the devices and the clouds' APIs.  Uptime and
recovery run where monitoring hosts would stand, in a namespace of each site (`Place`).
"""

import json
import re
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import yaml

import catalogue
from lab import files
from lab.certificates import certify
from lab.monitoring import servers
from lab.monitoring.running import Server
from lab.monitoring.servers import FIRST
from lab.openstack.sites import HOST
from lab.plant.places import FIRST_PORT
from playbooks import placement

if TYPE_CHECKING:
    from lab.openstack.observing import Place

CITYDC = str(Path(sys.executable).with_name("citydc"))
CATALOGUE = Path(catalogue.__file__).parent
ENERGY, CAPACITY = FIRST + 3, FIRST + 4  # of the main site's ports
UPTIME, RECOVERY = 9812, 9814  # in a site's place
READ_S = 10  # how often devices are read
PROBE_S, PROBE_TIMEOUT_S = 10, 6
USER = "citydc"
AUTHORITY = Path("authority", "authority.crt")  # among the hosts' secrets
ACCOUNT = "monitor"  # of databases
PASSWORD = Path("postgresql", ACCOUNT)
LAB_ADDRESS = re.compile(rf'(\blab: "{re.escape(HOST)}:)(\d+)"')


@dataclass(frozen=True)
class Ground:
    """What the exporters of a lab stand on."""

    home: Path
    port: int
    outputs: Mapping[str, Mapping[str, Any]]
    """Of the stacks that are deployed, by site."""
    places: "Mapping[str, Place]"
    """By site; none without real hosts."""
    secrets: Path
    """Of the hosts (docs/services-on-hosts.md)."""
    devices: Path
    """What the devices ask for."""
    clouds: Path
    """The lab's clouds.yaml."""
    prometheus: str


@dataclass
class Exporters:
    """What runs, how it is scraped, and what does not run and why."""

    servers: list[Server] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)


def exporters(ground: Ground) -> Exporters:
    """Write the files that the exporters read, and return them."""
    found = Exporters()
    folder = ground.home / "monitoring"
    files.make_folder(folder)
    _energy(ground, folder, found)
    outputs = _outputs(ground, folder)
    if not outputs:
        found.lacking["capacity, uptime, recovery"] = "nothing is deployed"
        return found
    given = tuple(word for path in outputs for word in ("--outputs", str(path)))
    _capacity(ground, found, given, outputs)
    authority = ground.secrets / AUTHORITY
    if not ground.places:
        found.lacking["uptime, recovery"] = "servers boot nothing: there is nobody to ask"
    elif not authority.exists():
        found.lacking["uptime, recovery"] = "no host has been configured"
    else:
        house = _House(ground, folder, found, given, outputs)
        house.uptime()
        house.recovery()
    return found


def _outputs(ground: Ground, folder: Path) -> list[Path]:
    paths = []
    for site, one in ground.outputs.items():
        path = folder / f"outputs-{site}.json"
        files.write(path, json.dumps(one))
        paths.append(path)
    return paths


def _energy(ground: Ground, folder: Path, found: Exporters) -> None:
    address = f"{HOST}:{ground.port + ENERGY}"
    command = [
        *(CITYDC, "exporter", "energy", "--profile", "lab", "--listen", address),
        *("--ledger", str(folder / "energy.sqlite"), "--interval", str(READ_S)),
        *("--timeout", str(READ_S - 1)),
    ]
    if ground.port != FIRST_PORT:
        command += ["--catalogue", str(_catalogue(ground, folder))]
    found.servers.append(
        Server(
            "exporter-energy",
            f"http://{address}/-/healthy",
            tuple(command),
            reads=(ground.devices,),
            environment={"CITYDC_DEVICE_CREDENTIALS": str(ground.devices)},
        )
    )
    found.jobs["citydc-energy"] = servers.at(address)


def _catalogue(ground: Ground, folder: Path) -> Path:
    """Return a copy of the city's catalogue whose devices are at this lab's ports."""

    def moved(match: re.Match[str]) -> str:
        return f'{match[1]}{int(match[2]) - FIRST_PORT + ground.port}"'

    copy = folder / "catalogue"
    shutil.rmtree(copy, ignore_errors=True)
    for path in CATALOGUE.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        files.write(copy / path.relative_to(CATALOGUE), LAB_ADDRESS.sub(moved, text))
    return copy


def _capacity(
    ground: Ground, found: Exporters, given: tuple[str, ...], outputs: list[Path]
) -> None:
    address = f"{HOST}:{ground.port + CAPACITY}"
    found.servers.append(
        Server(
            "exporter-capacity",
            f"http://{address}/-/healthy",
            (
                *(CITYDC, "exporter", "capacity", *given, "--listen", address),
                *("--prometheus", f"http://{ground.prometheus}"),
            ),
            reads=(*outputs, ground.clouds),
            environment={"OS_CLIENT_CONFIG_FILE": str(ground.clouds)},
        )
    )
    found.jobs["citydc-capacity"] = servers.at(address)


class _House:
    """The exporters in the sites' places; they have TLS, and let in whom they know."""

    def __init__(
        self,
        ground: Ground,
        folder: Path,
        found: Exporters,
        given: tuple[str, ...],
        outputs: list[Path],
    ) -> None:
        self._ground, self._folder, self._found = ground, folder, found
        self._given, self._outputs = given, outputs
        self._authority = folder / "authority.pem"
        self._trusted = folder / "trusted.pem"
        self._password = folder / "password"
        self._web = folder / "web.yaml"
        self._prepare()

    def uptime(self) -> None:
        """Add the two observers, each the other's peer."""
        targets = []
        for site, place in self._ground.places.items():
            observer = self._folder / f"observer-{site}.yaml"
            files.write(observer, yaml.safe_dump(self._observer(site), sort_keys=False))
            words = ("--observer", str(observer))
            state = ("--state", str(self._folder / f"uptime-{site}.sqlite"))
            self._add(f"exporter-uptime-{site}", "uptime", place, UPTIME, (*words, *state))
            targets.append(_at(place, UPTIME))
        self._scrape("citydc-uptime", targets)

    def recovery(self) -> None:
        """Add the exporter of replication, in main's place."""
        place, password = self._ground.places["main"], self._ground.secrets / PASSWORD
        words: tuple[str, ...] = ("--authority", str(self._ground.secrets / AUTHORITY))
        if password.exists():
            words += ("--user", ACCOUNT, "--password-file", str(password))
        else:
            self._found.lacking["replication"] = f"the hosts have no account {ACCOUNT} yet"
        self._add("exporter-recovery", "recovery", place, RECOVERY, words)
        self._scrape("citydc-recovery", [_at(place, RECOVERY)])

    def _prepare(self) -> None:
        """Have a certificate for the places' addresses, a password, and the web configuration."""
        certificate, named = self._folder / "certificate.pem", self._folder / "addresses"
        wanted = [str(one.address) for one in self._ground.places.values()]
        if not named.exists() or named.read_text().split() != wanted:
            certify(self._authority, certificate, "exporters of the lab", wanted)
            files.write(self._password, secrets.token_urlsafe(32))
            hashed = bcrypt.hashpw(self._password.read_bytes(), bcrypt.gensalt(10)).decode()
            tls = {"cert_file": str(certificate), "key_file": str(certificate)}
            web = {"tls_server_config": tls, "basic_auth_users": {USER: hashed}}
            files.write(self._web, yaml.safe_dump(web))
            files.write(named, "\n".join(wanted))
        hosts = (self._ground.secrets / AUTHORITY).read_text()
        files.write(self._trusted, hosts + self._authority.read_text())

    def _observer(self, site: str) -> dict[str, Any]:
        """Return observer.yaml: the routers prove the observer's path to both sites."""
        known = catalogue.load()
        service = known.services["operations"]
        part = next(one for one in service.components if one.id == "monitoring")
        sites = [known.sites[one] for one in self._ground.places]
        told: dict[str, Any] = {
            "site": site,
            "interval_s": PROBE_S,
            "timeout_s": PROBE_TIMEOUT_S,
            "authority": str(self._trusted),
            "self_checks": placement.self_checks(sites, service, part),
        }
        for other, place in self._ground.places.items():
            if other != site:
                told["peer"] = {
                    "site": other,
                    "url": f"https://{_at(place, UPTIME)}",
                    "user": USER,
                    "password_file": str(self._password),
                }
        return told

    def _add(
        self, name: str, exporter: str, place: "Place", port: int, words: tuple[str, ...]
    ) -> None:
        address = _at(place, port)
        self._found.servers.append(
            Server(
                name,
                f"https://{address}/-/healthy",
                (
                    *("/usr/bin/nsenter", f"--net=/run/netns/{place.namespace}"),
                    *(CITYDC, "exporter", exporter, *self._given, *words),
                    *("--listen", address, "--web-config", str(self._web)),
                ),
                reads=(
                    *self._outputs,
                    self._web,
                    self._trusted,
                    *(Path(one) for one in words if one.endswith(".yaml")),
                ),
                authority=self._authority,
                user=(USER, self._password.read_text()),
            )
        )

    def _scrape(self, job: str, targets: list[str]) -> None:
        self._found.jobs[job] = {
            "scheme": "https",
            "tls_config": {"ca_file": str(self._authority)},
            "basic_auth": {"username": USER, "password_file": str(self._password)},
            "static_configs": [{"targets": targets}],
        }


def _at(place: "Place", port: int) -> str:
    return f"[{place.address}]:{port}"
