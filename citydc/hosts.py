"""A site's hosts, made ready to be worked on: outputs, variables, keys, the folder for SSH."""

import json
import subprocess
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import ValidationError

import catalogue
from catalogue.errors import BadInputError, OutsideError
from catalogue.problems import suggestion
from citydc import console, hostkeys, project
from citydc.engines import Target, target
from infra.outputs import Outputs
from lab.control import Lab
from playbooks import access, variables
from playbooks.access import Access, Way
from playbooks.inventory import Inventory, inventory


@dataclass(frozen=True)
class Fleet:
    """A site's hosts, how they are reached, and what the inventory has of them."""

    access: Access
    inventory: Inventory

    def chosen(self, limit: str | None) -> list[str]:
        """
        Return the names of the hosts that a pattern means, as Ansible reads it; None is for all.

        Raise BadInputError for a pattern that means none.
        """
        groups = {name: one["hosts"] for name, one in self.inventory.items() if "hosts" in one}
        everyone = list(self.inventory["_meta"]["hostvars"])
        groups |= {"all": everyone, **{one: [one] for one in everyone}}
        if limit is None:
            return everyone
        found: set[str] = set()
        for part in limit.replace(":", ",").split(","):
            mark, name = (part[0], part[1:]) if part[:1] in {"!", "&"} else ("", part)
            meant = {
                host
                for group, hosts in groups.items()
                if fnmatchcase(group, name)
                for host in hosts
            }
            if not meant:
                raise BadInputError(
                    f'no host or group of the site is called "{name}"',
                    place="--limit",
                    remedy=suggestion(name, groups, "host"),
                )
            found = (
                found - meant if mark == "!" else found & meant if mark == "&" else found | meant
            )
        if not found:
            raise BadInputError("no host is left", place="--limit", why=f'"{limit}" means none')
        return [one for one in everyone if one in found]


def fleet(site_id: str, outputs_file: Path | None, way: Way) -> Fleet:
    """
    Make a site's hosts ready, by its stack's outputs or by a file that has them.

    Raise BadInputError for outputs, variables or keys that can't be used, OutsideError if the
    cloud does not answer.
    """
    place = project.find()
    given = place.catalogue(site_id)
    known = catalogue.load(given)
    if site_id not in known.sites:
        raise BadInputError(
            f'the catalogue has no site "{site_id}"',
            remedy=suggestion(site_id, known.sites, "site"),
        )
    if outputs_file:
        outputs = _of_file(outputs_file)
    else:
        found = target(site_id, None)
        outputs = _of_stack(found)
        way = _of_lab(way) if found.lab else way
    if outputs.site != site_id:
        raise BadInputError(
            f'the outputs are of the site "{outputs.site}"', place=str(outputs_file or "")
        )
    names = [one.name for one in outputs.hosts if one.power == "on"]
    if not names:
        raise BadInputError(
            f'the site "{site_id}" has no host that is on', remedy=f"citydc deploy {site_id}"
        )
    try:
        reached = access.prepare(
            place.folder / ".state" / "hosts" / site_id,
            outputs,
            given,
            way,
            variables.read(place.folder / f"hosts.{site_id}.yaml", names),
        )
    except OSError as error:
        raise OutsideError("the hosts' folder cannot be written", why=str(error)) from error
    cloud = None if outputs_file else known.sites[site_id].cloud
    _require_keys(reached, cloud)
    if outputs.jump_host and not way.direct:
        _open(reached, outputs.jump_host)
    return Fleet(reached, inventory(outputs, known))


def _of_lab(way: Way) -> Way:
    """Return how the lab's real hosts are reached.  Raise BadInputError if it has none."""
    lab = Lab.default()
    if not lab.has_hosts:
        raise BadInputError(
            "the lab's servers boot nothing",
            why="the lab was made without real hosts",
            remedy="citydc lab reset, then as root citydc lab up",
        )
    return replace(way, identity=way.identity or lab.login, proxy=lab.proxy_command)


def _open(reached: Access, jump: str) -> None:
    """Open the connection that all share, since sshd refuses many that begin at once."""
    words = ["ssh", "-F", str(reached.ssh_config), jump, "true"]
    nowhere = subprocess.DEVNULL
    subprocess.run(words, stdin=nowhere, stdout=nowhere, stderr=nowhere, check=False)  # noqa: S603  (ssh)


def _of_stack(found: Target) -> Outputs:
    from policies import sources

    console.note(found.headline)
    with console.Steps("reading") as steps:
        graph = sources.of_checkpoint(found.engine.checkpoint(steps, deployed=True))
    if not graph.outputs:
        raise BadInputError(
            f'the stack "{found.site.id}" is not deployed',
            remedy=f"citydc deploy {found.site.id}",
        )
    return Outputs.model_validate(graph.outputs)


def _of_file(file: Path) -> Outputs:
    try:
        return Outputs.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise BadInputError(
            "these are no outputs of a stack",
            place=str(file),
            why=" ".join(str(error).split())[:300],
            remedy="pulumi stack output --json > FILE",
        ) from error


def _require_keys(found: Access, cloud: str | None) -> None:
    """Learn the hosts' keys from the cloud; say for which there is none."""
    silent = (
        hostkeys.learn(found.known_hosts, found.hosts, cloud)
        if cloud
        else [one.name for one in hostkeys.missing(found.known_hosts, found.hosts)]
    )
    for name in silent:
        console.note(
            f"{name}: its SSH key is not known, so it is not connected to"
            f" (add it to {found.known_hosts})"
        )
