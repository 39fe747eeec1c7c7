"""How the verbs that work on a stack end."""

from pathlib import Path

import typer

from catalogue.errors import OutsideError
from citydc import console
from citydc.outcome import Outcome


def finish(
    outcome: Outcome, words: dict[str, str], *, as_json: bool, diff: bool = False, found: int = 0
) -> None:
    """
    Print the outcome; exit by the worst of its errors, else with `found` if anything changed.

    `words` says of each kind of change what became, or will become, of the resource.
    """
    if as_json:
        console.print_json(outcome.as_json())
    else:
        # What was done, the preview has listed; what an error cut short would mislead.
        if words is not console.PAST and not outcome.errors:
            console.changes(outcome, diff=diff)
        console.summary(outcome, words)
    for problem in outcome.errors:
        console.error(problem)
    if outcome.errors:
        raise typer.Exit(max(one.exit_code for one in outcome.errors))
    if outcome.changed and found:
        raise typer.Exit(found)


def write(path: Path, text: str) -> None:
    """Write a report to a file.  Raise OutsideError if it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutsideError("the report cannot be written", why=str(error)) from error
