"""Two observers in networks of their own: what they see, tell each other, and count."""

import json
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt
import pytest
import yaml
from certificates import Authority
from lab_helpers import wait_for

from lab.hosts import machine, registry

SERVER = """
import http.server, socket, ssl, sys, threading
certificate, *addresses = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind = "read-write" if self.server.server_address[0][-2:] == "10" else "read-only"
        body = ('{"database": "%s"}' % kind).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    def finish_request(self, request, client):
        Page(context.wrap_socket(request, server_side=True), client, self)
    def handle_error(self, request, client):
        pass
class Server6(Server):
    address_family = socket.AF_INET6
for address in addresses:
    one = (Server6 if ":" in address else Server)((address, 443), Page)
    threading.Thread(target=one.serve_forever).start()
"""
NET4, NET6 = "198.51.100.", "2001:db8:6::"
PLACES = {"main": 10, "backup": 11}
OBSERVERS = {"main": 21, "backup": 22}
PORT = 29812
PASSWORD = secrets.token_urlsafe()
NAMES = {site: f"lgsp.{site}.dc.hanoi.gov.vn" for site in PLACES}


@dataclass
class Field:
    """A bridge with a service at two sites on it, and an observer on each of two cables."""

    folder: Path
    middle: str
    authority: Authority
    spaces: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, space: str, *command: str | Path) -> None:
        """Start a program in a network namespace."""
        log = (self.folder / f"{name}.log").open("ab")
        self.running[name] = subprocess.Popen(
            ["nsenter", f"--net={machine.NAMESPACES / space}", sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()

    def observe(self, site: str) -> None:
        """Start a site's observer."""
        program = Path(sys.executable).with_name("citydc")
        outputs = [part for one in PLACES for part in ("--outputs", self.folder / f"{one}.json")]
        self.start(
            site, self.spaces[site], program, "exporter", "uptime", *outputs,
            "--observer", self.folder / f"{site}.yaml", "--state", self.folder / f"{site}.sqlite",
            "--listen", f"{NET4}{OBSERVERS[site]}:{PORT}",
            "--web-config", self.folder / f"{site}.web.yaml",
        )  # fmt: skip

    def kill(self, name: str) -> None:
        """End a program at once."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def cable(self, site: str, *, plugged: bool) -> None:
        """Plug an observer's cable in, or pull it out of the bridge."""
        machine.inside(
            self.middle, "ip", "link", "set", f"to-{site}",
            *(("master", "bridge") if plugged else ("nomaster",)),
        )  # fmt: skip

    def seconds(self, site: str, family: str) -> dict[str, int]:
        """Return what an observer counted for the service."""
        found = re.findall(
            rf'^citydc_availability_seconds_total{{family="{family}",service="lgsp",'
            r'state="(\w+)"} (\S+)$',
            self.metrics(site),
            re.MULTILINE,
        )
        return {state: int(float(number)) for state, number in found}

    def metrics(self, site: str) -> str:
        """Return an observer's metrics, or nothing where it does not answer."""
        script = (
            "import httpx, ssl, sys; print(httpx.get(sys.argv[1], auth=('peer', sys.stdin.read()),"
            " verify=ssl.create_default_context(cafile=sys.argv[2]), trust_env=False).text)"
        )
        url = f"https://{NET4}{OBSERVERS[site]}:{PORT}/metrics"
        done = subprocess.run(
            ["nsenter", f"--net={machine.NAMESPACES / self.spaces[site]}", sys.executable,
             "-c", script, url, self.authority.file],
            input=PASSWORD, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout


def lay(made: Field) -> None:
    """Make the bridge with the service's addresses and the gateways, and the observers' cables."""
    middle = made.middle
    for space in (middle, *made.spaces.values()):
        registry.register(space, mortal=True)
        machine.make_namespace(space)
    machine.inside(middle, "ip", "link", "add", "bridge", "type", "bridge")
    for place in (1, *PLACES.values()):
        plug(middle, "bridge", place)
    for site, place in OBSERVERS.items():
        there = ("netns", made.spaces[site])
        machine.inside(
            middle, "ip", "link", "add", f"to-{site}", "type", "veth", "peer", "name", "net", *there
        )
        machine.inside(middle, "ip", "link", "set", f"to-{site}", "up")
        made.cable(site, plugged=True)
        plug(made.spaces[site], "net", place)


def plug(space: str, interface: str, place: int) -> None:
    """Give an interface its addresses."""
    for net, length in ((NET4, 24), (NET6, 64)):
        nodad = ("nodad",) if ":" in net else ()
        address = f"{net}{place}/{length}"
        machine.inside(space, "ip", "address", "add", address, "dev", interface, *nodad)
    machine.inside(space, "ip", "link", "set", interface, "up")


def write(made: Field) -> None:
    """Write what the exporters are given: one port of one service at both sites."""
    (made.folder / "password").write_text(PASSWORD)
    (made.folder / "password").chmod(0o600)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    for site, other in (("main", "backup"), ("backup", "main")):
        pair = made.authority.issue(f"{NET4}{OBSERVERS[site]}")
        port = {
            "service": "lgsp", "component": "gateway", "name": "https", "protocol": "tcp",
            "port": 443, "ipv4": [f"{NET4}{PLACES[site]}"], "ipv6": [f"{NET6}{PLACES[site]}"],
            "public_ipv4": None, "dns_names": [NAMES["main"]],
        }  # fmt: skip
        outputs = {
            "schema_version": 1, "site": site, "profile": "lab", "projects": {}, "hosts": [],
            "endpoints": [port],
        }  # fmt: skip
        (made.folder / f"{site}.json").write_text(json.dumps(outputs))
        observer = {
            "site": site,
            "interval_s": 5,
            "timeout_s": 4,
            "connect_timeout_s": 1,
            "authority": str(made.authority.file),
            "self_checks": [
                {"id": f"gateway-{version}", "kind": "icmp", "address": f"{net}1",
                 "reaches": ["main", "backup"]}
                for version, net in enumerate((NET4, NET6))
            ],
            "peer": {
                "site": other,
                "url": f"https://{NET4}{OBSERVERS[other]}:{PORT}",
                "user": "peer",
                "password_file": str(made.folder / "password"),
            },
        }  # fmt: skip
        web = {
            "tls_server_config": {"cert_file": str(pair), "key_file": str(pair)},
            "basic_auth_users": {"peer": hashed},
        }
        (made.folder / f"{site}.yaml").write_text(yaml.safe_dump(observer))
        (made.folder / f"{site}.web.yaml").write_text(yaml.safe_dump(web))


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Give the field, with everything running."""
    folder = tmp_path_factory.mktemp("observers")
    middle = machine.new_name("citydc")
    spaces = {site: machine.new_name("citydc") for site in OBSERVERS}
    made = Field(folder, middle, Authority(folder), spaces)
    try:
        lay(made)
        write(made)
        certificate = made.authority.issue(NAMES["main"])
        addresses = [f"{net}{place}" for place in PLACES.values() for net in (NET4, NET6)]
        (folder / "server.py").write_text(SERVER)
        made.start("server", middle, folder / "server.py", certificate, *addresses)
        for site in OBSERVERS:
            made.observe(site)
        yield made
    finally:
        for name in list(made.running):
            made.kill(name)
        for space in [*made.spaces.values(), middle]:
            registry.remove(space)


def test_what_two_observers_count(observed: Field) -> None:
    """
    Good in both families; one family lost; a cable pulled out; an observer killed.

    The backup site's page only reads, so that the main site alone serves.
    """
    both = [(site, family) for site in OBSERVERS for family in ("ipv4", "ipv6")]
    wait_for(lambda: all(observed.seconds(*one).get("good", 0) >= 5 for one in both))
    assert all(observed.seconds(*one)["bad"] == 0 for one in both)
    for site, other in (("main", "backup"), ("backup", "main")):
        assert f'citydc_observer_peer_up{{observer="{site}",peer="{other}"}} 1.0' in (
            observed.metrics(site)
        )

    service = f"{NET6}{PLACES['main']}/64"
    machine.inside(observed.middle, "ip", "address", "del", service, "dev", "bridge")
    wait_for(lambda: all(observed.seconds(site, "ipv6")["bad"] >= 5 for site in OBSERVERS))
    assert all(observed.seconds(site, "ipv4")["bad"] == 0 for site in OBSERVERS)
    machine.inside(observed.middle, "ip", "address", "add", service, "dev", "bridge", "nodad")

    observed.cable("backup", plugged=False)
    observed.kill("main")
    before = wait_for(lambda: observed.seconds("backup", "ipv4"))
    wait_for(lambda: observed.seconds("backup", "ipv4")["unknown"] >= before["unknown"] + 10)
    observed.observe("main")
    mended = wait_for(lambda: observed.seconds("main", "ipv4"))
    wait_for(lambda: observed.seconds("main", "ipv4")["good"] >= mended["good"] + 5)
    observed.cable("backup", plugged=True)
    for site in OBSERVERS:
        counted = observed.seconds(site, "ipv4")
        assert counted["bad"] == 0, "a cut cable and a killed observer accuse nobody"
        assert counted["unknown"] > 5
