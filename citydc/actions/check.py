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

    Exit code 1 when there are problems.  Example: citydc check --json
    """
    import catalogue

    problems = catalogue.check(folder)
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
        console.say(_summary(folder, len(problems)))
    raise typer.Exit(int(bool(problems)))


def _summary(folder: Path | None, problems: int) -> str:
    import catalogue

    if problems:
        return f"{problems} problem{'s' if problems > 1 else ''}"
    found = catalogue.load(folder)
    return (
        f"The catalogue is sound: {len(found.sites)} sites, {len(found.services)} services,"
        f" {len(found.targets.targets)} targets, {len(found.factors.factors)} factors."
    )
