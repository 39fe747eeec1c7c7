"""
The main job on the lab, from nothing to a summary: `make demo`.

Each step is a verb of the command line, run as a user would.
"""

import os
import secrets
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import catalogue
from catalogue.errors import BadInputError, CityDCError
from citydc import console, project
from infra import parity
from infra.graph import Graph
from infra.outputs import Outputs
from lab.control import Lab
from lab.engine import Engine
from policies import sources

CITYDC = Path(sys.executable).with_name("citydc")
SITES = ("main", "backup")
STEPS = {
    "The lab: two OpenStack sites on this machine": ("lab", "up"),
    "The catalogue: is it sound?": ("check",),
    "The main site": ("deploy", "main", "--yes"),
    "The backup site": ("deploy", "backup", "--yes"),
}


def main() -> int:
    """Run every step, then tell what there is; return the exit code of the first that fails."""
    place = project.find()
    keep_to_the_lab(place)
    seconds = {}
    for number, (title, step) in enumerate(STEPS.items(), 1):
        console.heading(f"{number}/{len(STEPS)}  {title}")
        began = time.monotonic()
        code = subprocess.run([CITYDC, *step], cwd=place.folder, check=False).returncode  # noqa: S603  our own command
        if code:
            return code
        seconds[" ".join(step[:2])] = time.monotonic() - began
    console.heading("What there is now")
    try:
        _summary(place, seconds)
    except CityDCError as problem:
        console.error(problem)
        return problem.exit_code
    return 0


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


def _summary(place: project.Project, seconds: dict[str, float]) -> None:
    engines = {
        site: Engine(place.folder, site, place.backend_url, place.passphrase()) for site in SITES
    }
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
    console.say("Took " + ", ".join(f"{step} {took:.1f} s" for step, took in seconds.items()) + ".")
    _next_steps()


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


def _next_steps() -> None:
    name = "PULUMI_CONFIG_PASSPHRASE_FILE"
    passphrase = f" {name}={os.environ[name]}" if name in os.environ else ""
    console.say(
        f"""
To look further:
    export PATH={CITYDC.parent}:$PATH{passphrase}
    citydc lab status        what runs, where, since when
    citydc preview main      nothing to change
    citydc drift main        after a change made by hand: what differs
    export OS_CLIENT_CONFIG_FILE={Lab.default().clouds_file}
    citydc lab down"""
    )


if __name__ == "__main__":
    sys.exit(main())
