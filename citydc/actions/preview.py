"""`citydc preview SITE`: what would change."""

from typing import Annotated

import typer

from citydc import console
from citydc.actions._options import EngineOption, JsonOption, SiteArgument


def preview(
    site: SiteArgument,
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Show every property.")] = False,
    as_json: JsonOption = False,
    engine: EngineOption = None,
) -> None:
    """
    Show what a deploy of SITE would change, by the program and the stack's state.

    Nothing is changed.  Example: citydc preview main --diff
    """
    from citydc.actions._report import finish
    from citydc.engines import target

    found = target(site, engine)
    console.note(found.headline)
    with console.Steps("previewing") as steps:
        outcome = found.engine.preview(steps)
    finish(outcome, console.FUTURE, as_json=as_json, diff=diff)
