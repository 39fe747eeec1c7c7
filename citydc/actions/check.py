"""`citydc check`: whether the catalogue is sound."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from citydc import console
from citydc.actions._options import JsonOption


def check(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--catalogue", metavar="FOLDER", help="Another catalogue than the project's own."
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """
    Read the whole catalogue and report every problem at once, with file:line:column.

    The catalogue is the one that the project's stack files name; when they name several, all are
    read.  Exit code 1 when there are problems.  Example: citydc check --json
    """
    import catalogue
    from citydc import project
    from exporters.devices.checks import RULES

    folders = [folder] if folder else project.find().catalogues
    problems = [one for each in folders for one in catalogue.check(each, RULES)]
    if as_json:
        console.print_json(
            {
                "sound": not problems,
                "problems": [asdict(one) | {"file": str(one.file)} for one in problems],
            }
        )
    else:
        for one in problems:
            console.say(str(one))
        if problems:
            console.say(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}")
        else:
            console.say("\n".join(map(_summary, folders)))
    raise typer.Exit(int(bool(problems)))


def _summary(folder: Path | None) -> str:
    import catalogue

    found = catalogue.load(folder)
    return (
        f"The catalogue is sound: {len(found.sites)} sites, {len(found.services)} services,"
        f" {len(found.targets.targets)} targets, {len(found.factors.factors)} factors."
    )
