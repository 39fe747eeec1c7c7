"""`citydc verify SITE`: whether every host has every control."""

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
    from citydc.verifying import Verification


def verify(
    site: SiteArgument,
    *,
    limit: LimitOption = None,
    outputs: OutputsOption = None,
    key: KeyOption = None,
    direct: DirectOption = False,
    as_json: JsonOption = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit's XML as well.")
    ] = None,
) -> None:
    """
    Look at SITE's hosts for every enforced control of the register; nothing is changed.

    Exit code 1 when a host lacks one, 3 when a host can't be reached.
    Example: citydc verify main --json --junit main.xml
    """
    from citydc import hosts, verifying
    from playbooks.access import Way

    fleet = hosts.fleet(site, outputs, Way(key.resolve() if key else None, direct))
    found = verifying.run(fleet.access, fleet.chosen(limit), junit)
    if as_json:
        console.print_json(found.as_json())
    else:
        _show(found)
    raise typer.Exit(found.exit_code)


def _show(found: "Verification") -> None:
    for one in found.failed:
        console.say(f"{one['host']}: {one['control']}")
        console.say(f"  expected {one['expected']}")
        console.say(f"  found    {one['found'] or 'nothing'}")
    for host, said in found.unreachable.items():
        console.err.print(f"{host}: not reached: {said}", markup=False, style="red")
    console.say(
        f"{found.site}: {found.controls} controls on {found.hosts} hosts, {found.passed} passed"
        f" ({found.written} of them as written, the kernel being another's),"
        f" {len(found.failed)} failed ({found.seconds:.0f} s; {found.evidence})"
    )
