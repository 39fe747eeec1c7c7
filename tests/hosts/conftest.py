"""
The hosts under test, by the inventory; what they answer is asked once, all hosts at a time.

    pytest tests/hosts -c tests/hosts/pytest.ini
        --inventory=main.citydc.yaml --ssh-config=ssh_config
"""

import base64
import gzip
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import testinfra
from asked import SCRIPT

import playbooks
from playbooks import verification
from playbooks.behaviours import Answer
from playbooks.controls import Control, register

PLAYBOOKS = Path(playbooks.__file__).parent
AT_ONCE = 12
CONTAINER = "systemd-detect-virt --container --quiet"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the inventory and where the evidence goes; `--ssh-config` is testinfra's own."""
    parser.addoption("--inventory", required=True)
    parser.addoption("--limit-hosts", default="")
    parser.addoption("--evidence")


class Hosts:
    """What the inventory knows of the hosts, and what they answered."""

    def __init__(self, config: pytest.Config) -> None:
        self.ssh_config = config.getoption("--ssh-config")
        self.variables = _inventory(config.getoption("--inventory"))
        limit = config.getoption("--limit-hosts")
        self.names = [one for one in limit.split(",") if one] or sorted(self.variables)
        self.answers: dict[str, dict[str, Answer]] = {}
        self.owned: dict[str, bool] = {}
        self.unreachable: dict[str, str] = {}
        self.records: list[dict[str, Any]] = []

    def controls(self, name: str) -> list[Control]:
        """Return the controls that are enforced on a host."""
        level = self.variables[name]["citydc_host"]["security_level"]
        return verification.applicable(register(), level)

    def ask_all(self) -> None:
        """Ask every host."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._ask, self.names))

    def _ask(self, name: str) -> None:
        host = testinfra.get_host(f"ssh://{name}", ssh_config=self.ssh_config, sudo=True)
        try:
            self.owned[name] = host.run(CONTAINER).rc != 0
            commands = verification.commands(
                self.controls(name), self.variables[name], owned=self.owned[name]
            )
            packed = base64.b64encode(gzip.compress(json.dumps(commands).encode())).decode()
            done = host.run("python3 -c %s %s", SCRIPT, packed)
            answers = json.loads(done.stdout)
        except (RuntimeError, ValueError):
            self.unreachable[name] = self._why(name)
            return
        self.answers[name] = {command: Answer(*answers[command]) for command in commands}

    def _why(self, name: str) -> str:
        """Return SSH's last word on a host that does not answer."""
        words = ["ssh", "-F", self.ssh_config, name, "sudo -n true"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return (done.stderr.strip().splitlines() or ["it does not answer as expected"])[-1]


def _inventory(file: str) -> dict[str, dict[str, Any]]:
    """Return each host's variables, as Ansible has them."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-inventory"),
            *("-i", file, "--playbook-dir", PLAYBOOKS, "--list"),
        ],
        env={**os.environ, "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, dict[str, Any]] = _plain(json.loads(done.stdout))["_meta"]["hostvars"]
    return found


def _plain(value: Any) -> Any:
    """Return a value without Ansible's marks of texts that are no templates."""
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


HOSTS = pytest.StashKey[Hosts]()


def pytest_configure(config: pytest.Config) -> None:
    """Ask the hosts before the tests are listed, since the tests depend on the hosts."""
    hosts = config.stash[HOSTS] = Hosts(config)
    hosts.ask_all()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of every control on every host."""
    hosts = metafunc.config.stash[HOSTS]
    cases = [(name, control) for name in hosts.names for control in hosts.controls(name)]
    ids = [f"{name}-{control.id}" for name, control in cases]
    metafunc.parametrize(("name", "control"), cases, ids=ids)


@pytest.fixture
def hosts(request: pytest.FixtureRequest) -> Hosts:
    """Give all hosts."""
    return request.config.stash[HOSTS]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the evidence."""
    hosts, file = session.config.stash[HOSTS], session.config.getoption("--evidence")
    if file:
        found = {"records": hosts.records, "unreachable": hosts.unreachable}
        Path(file).write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
