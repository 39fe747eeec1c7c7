"""
The main job on the lab, from nothing to a summary: `make demo`.

Each step is a verb of the command line, run as a user would.
"""

import concurrent.futures
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import catalogue
from catalogue.errors import BadInputError, CityDCError
from citydc import console, imaging, project
from infra import parity
from infra.graph import Graph
from infra.outputs import Outputs
from lab import deployed
from lab.control import Lab
from lab.engine import Engine
from playbooks.inventory import inventory
from policies import sources

CITYDC = Path(sys.executable).with_name("citydc")
SITES = ("main", "backup")
PATIENCE_S = 120
LAB = {
    "The lab: two OpenStack sites on this machine": ("lab", "up"),
    "The catalogue: is it sound?": ("check",),
}
IMAGE = {"The image that hosts start from": ("image", "build", *SITES)}
DEPLOY = {
    "The main site": ("deploy", "main", "--yes"),
    "The backup site, meanwhile": ("deploy", "backup", "--yes"),
}
CONFIGURE = {
    "The main site's hosts, hardened and with their services": ("configure", "main"),
    "The backup site's hosts": ("configure", "backup"),
}
VERIFY = {
    "The main site's hosts: has each every control?": ("verify", "main"),
    "The backup site's hosts: has each every control?": ("verify", "backup"),
}
MONITOR = {"Meters, probes and alerts": ("lab", "monitor")}
ALARM = {"Two alerts: an overloaded UPS, and a service that is stopped": ("lab", "alarm")}
FIGURES = {"What is measured": ("lab", "figures", "--wait", "180")}


def main() -> int:
    """Run every step, then tell what there is; return the exit code of the first that fails."""
    place = project.find()
    keep_to_the_lab(place)
    steps = Steps(place)
    try:
        steps.run(LAB)
        real_hosts = Lab.default().has_hosts
        if real_hosts:
            steps.run(IMAGE)
        steps.run_together(DEPLOY)
        if real_hosts:
            _hosts(place, steps)
        steps.run(MONITOR)
        _alarm(steps)
        steps.run(FIGURES)
        console.heading("What there is now")
        _summary(place, steps.seconds, real_hosts=real_hosts)
    except StepError as failed:
        return failed.code
    except CityDCError as problem:
        console.error(problem)
        return problem.exit_code
    return 0


class StepError(Exception):
    """A step has failed, and has told why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Steps:
    """The steps so far, with the seconds that each took."""

    place: project.Project
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, steps: Mapping[str, Sequence[str]]) -> None:
        """Run the steps under their titles.  Raise StepError for the first that fails."""
        for title, words in steps.items():
            self._heading(title)
            self._note(words, self._run(words))

    def run_together(self, steps: Mapping[str, Sequence[str]]) -> None:
        """
        Run steps that don't need each other at once: the first in sight, the others told after it.

        Raise StepError for the first that failed, when all have ended.
        """
        first, *others = steps
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = {title: pool.submit(self._run, steps[title], PIPE) for title in others}
            self.run({first: steps[first]})
            for title, done in running.items():
                self._heading(title)
                console.say(done.result().output.rstrip())
                self._note(steps[title], done.result())

    def _heading(self, title: str) -> None:
        console.heading(f"{len(self.seconds) + 1}  {title}")

    def _run(self, words: Sequence[str], output: int | None = None) -> "_Ended":
        began = time.monotonic()
        done = subprocess.run(  # noqa: S603  our own command
            [CITYDC, *words],
            cwd=self.place.folder,
            stdout=output,
            stderr=output and STDOUT,
            text=True,
            check=False,
        )
        return _Ended(done.returncode, done.stdout, time.monotonic() - began)

    def _note(self, words: Sequence[str], ended: "_Ended") -> None:
        if ended.code:
            raise StepError(ended.code)
        self.seconds[" ".join(words[:2])] = ended.seconds


@dataclass(frozen=True)
class _Ended:
    """A step that has ended: its exit code, what it said if that was not shown, its seconds."""

    code: int
    output: str
    seconds: float


def _hosts(place: project.Project, steps: Steps) -> None:
    """Configure the hosts unless that has been done, and verify them in any case."""
    record = place.folder / ".state" / "hosts" / "configured"
    wanted = _fingerprint(place)
    if record.exists() and record.read_text() == wanted:
        console.say("\nThe hosts were configured by these playbooks: they are only verified.")
        for site, outputs in deployed.outputs(place).items():
            names = [host["name"] for host in outputs["hosts"] if host["power"] == "on"]
            wait_for_ssh(record.parent / site / "ssh_config", names)
    else:
        steps.run(CONFIGURE)
    record.unlink(missing_ok=True)
    steps.run(VERIFY)
    record.write_text(wanted)


def wait_for_ssh(config: Path, hosts: Iterable[str]) -> None:
    """Wait, not for ever, until the hosts let in: they may just be booting."""
    deadline = time.monotonic() + PATIENCE_S

    def wait(host: str) -> None:
        words = ["ssh", "-F", str(config), host, "true"]
        while time.monotonic() < deadline:
            done = subprocess.run(words, stdin=DEVNULL, capture_output=True, check=False)  # noqa: S603  (ssh)
            if not done.returncode:
                return
            time.sleep(0.5)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(wait, hosts))


def _alarm(steps: Steps) -> None:
    """Put the alerts to the test, once in a lab's life."""
    record = Lab.default().home / "monitoring" / "alarmed"
    if record.exists():
        console.say(
            "\nThe alerts fired and were resolved before: citydc lab alarm tries them again."
        )
        return
    steps.run(ALARM)
    record.touch()


def _fingerprint(place: project.Project) -> str:
    """Return what stands for all that the hosts are configured by."""
    found = hashlib.sha256(imaging.digest().encode())
    for site in SITES:
        known = catalogue.load(place.catalogue(site))
        hosts = inventory(Outputs.model_validate(deployed.engine(place, site).outputs()), known)
        own = place.folder / f"hosts.{site}.yaml"
        found.update(json.dumps(hosts, sort_keys=True).encode())
        found.update(own.read_bytes() if own.exists() else b"")
    return found.hexdigest()


def keep_to_the_lab(place: project.Project) -> None:
    """Let the steps have the lab's clouds and state only: never those of the user's shell."""
    given = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
    for name in list(os.environ):
        if name.startswith(("OS_", "PULUMI_")):
            del os.environ[name]
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(Lab.default().clouds_file)
    if given is None:
        os.environ["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase(place))
    else:
        os.environ["PULUMI_CONFIG_PASSPHRASE"] = given


def _passphrase(place: project.Project) -> Path:
    """Return the file with the lab's passphrase, made the first time."""
    file = place.folder / ".state" / "lab-passphrase"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    except OSError as error:
        raise BadInputError(
            f"{file} cannot be written", why=error.strerror or str(error), remedy="free some space"
        ) from error
    return file


def _summary(place: project.Project, seconds: dict[str, float], *, real_hosts: bool) -> None:
    engines = {site: deployed.engine(place, site) for site in SITES}
    outputs = {site: Outputs.model_validate(engine.outputs()) for site, engine in engines.items()}
    graphs = {site: graph(engine) for site, engine in engines.items()}
    city = catalogue.load().city
    found = parity.compare(graphs["main"], graphs["backup"], city.recovery)
    hosts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for site, one in outputs.items():
        for host in one.hosts:
            hosts[site, host.service].append(host.name.removeprefix(f"{host.service}-"))
    console.table(
        ("service", "recovery tier", "hosts at main", "hosts at backup", "missing at backup"),
        [
            (
                one.service,
                one.tier,
                ", ".join(hosts["main", one.service]) or "-",
                ", ".join(hosts["backup", one.service]) or "-",
                ", ".join(one.missing) or "nothing",
            )
            for one in found
        ],
    )
    _addresses(outputs)
    missing = sum(len(one.missing) for one in found)
    total = sum(len(one.hosts) for one in outputs.values())
    sizes = ", ".join(f"{len(one.resources)} at {site}" for site, one in graphs.items())
    console.say(f"{len(found)} services on {total} hosts; resources: {sizes}.")
    console.say(f"Parity: {missing or 'nothing'} missing at the backup site.")
    for site in SITES if real_hosts else ():
        console.say(_verified(place.folder / ".state" / "hosts" / site / "evidence.json"))
    console.say("Took " + ", ".join(f"{step} {took:.1f} s" for step, took in seconds.items()) + ".")
    _next_steps(real_hosts=real_hosts)


def _verified(evidence: Path) -> str:
    records = json.loads(evidence.read_text(encoding="utf-8"))["records"]
    hosts = {one["host"] for one in records}
    written = sum(one["proof"] == "written" for one in records)
    return (
        f"Hosts of {evidence.parent.name}: {len(hosts)} answer SSH over IPv6, with every control:"
        f" {len(records)} checks passed, {written} as written, the kernel being another's."
    )


def graph(engine: Engine) -> Graph:
    """Return a stack's state as plain data."""
    return sources.of_checkpoint(engine.export_state()["deployment"])


def _addresses(outputs: dict[str, Outputs]) -> None:
    console.say()
    console.table(
        ("host", "site", "zone", "IPv4", "IPv6"),
        [
            (host.name, site, host.zone, str(host.ipv4), str(host.ipv6))
            for site, one in outputs.items()
            for host in one.hosts
        ],
    )
    console.say()


def _next_steps(*, real_hosts: bool) -> None:
    name = "PULUMI_CONFIG_PASSPHRASE_FILE"
    passphrase = f" {name}={os.environ[name]}" if name in os.environ else ""
    hosts = "    ssh -F .state/hosts/main/ssh_config lgsp-gateway-1\n" if real_hosts else ""
    console.say(
        f"""
To look further:
    export PATH={CITYDC.parent}:$PATH{passphrase}
    citydc lab status        what runs, where, since when
    citydc lab figures       what is measured now
    citydc preview main      nothing to change
    citydc drift main        after a change made by hand: what differs
{hosts}    export OS_CLIENT_CONFIG_FILE={Lab.default().clouds_file}
    citydc lab down"""
    )


if __name__ == "__main__":
    sys.exit(main())
