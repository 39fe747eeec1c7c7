"""`citydc configure SITE`: the playbooks, on every host of a site."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citydc import console
from citydc.actions._options import (
    DirectOption,
    JsonOption,
    KeyOption,
    LimitOption,
    OutputsOption,
    SiteArgument,
)

if TYPE_CHECKING:
    from citydc.configuring import Run


def configure(
    site: SiteArgument,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Say what would be changed, and change nothing.")
    ] = False,
    limit: LimitOption = None,
    tags: Annotated[
        str | None, typer.Option("--tags", metavar="TAGS", help="Only these roles, with base.")
    ] = None,
    outputs: OutputsOption = None,
    key: KeyOption = None,
    direct: DirectOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Harden SITE's hosts and give them their services, over SSH.

    A host that fails does not keep the others from going on.
    Example: citydc configure main --check --limit service_lgsp
    """
    from citydc import configuring, hosts
    from playbooks.access import Way

    fleet = hosts.fleet(site, outputs, Way(_absolute(key), direct))
    fleet.chosen(limit)
    with console.HostSteps() as steps:
        run = configuring.run(fleet.access, configuring.Wish(check, limit, tags), steps.step)
    if as_json:
        console.print_json(run.as_json())
    else:
        _show(run)
    raise typer.Exit(run.exit_code)


def _absolute(path: Path | None) -> Path | None:
    return path.resolve() if path else None


def _show(run: "Run") -> None:
    from citydc import configuring

    for host, changes in configuring.by_host(run.changes).items():
        console.say(f"{host}: {'would change' if run.check else 'changed'}")
        for one in changes:
            console.say(f"  {one.task}")
    console.table(
        ("host", "tasks", "changed", "failed", "reached"),
        [
            (
                name,
                str(counts["ok"] + counts["failed"]),
                str(counts["changed"]),
                str(counts["failed"]),
                "no" if counts["unreachable"] else "yes",
            )
            for name, counts in run.hosts.items()
        ],
    )
    for one in run.notices:
        console.say(f"{one.host}: {one.said}")
    for one in (*run.unreachable, *run.failures):
        console.err.print(f"{one.host}: {one.task}: {one.said}", markup=False, style="red")
    word = "to change" if run.check else "changed"
    good = sum(not one["failed"] and not one["unreachable"] for one in run.hosts.values())
    console.say(
        f"{run.site}: {good} of {len(run.hosts)} hosts done, {len(run.changes)} tasks {word}"
        f" ({run.seconds:.0f} s; {run.artifacts})"
    )
