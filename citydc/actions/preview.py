"""`citydc preview SITE`: what would change."""

from pathlib import Path
from typing import Annotated

import typer

from citydc import console
from citydc.actions._options import EngineOption, JsonOption, SiteArgument


def preview(
    site: SiteArgument,
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Show every property.")] = False,
    save_plan: Annotated[
        Path | None,
        typer.Option(
            "--save-plan",
            metavar="FILE",
            help="Read the cloud too, and save what a deploy would do for deploy --plan.",
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Write it for a comment as well."),
    ] = None,
    as_json: JsonOption = False,
    engine: EngineOption = None,
) -> None:
    """
    Show what a deploy of SITE would change, by the program and the stack's state.

    Nothing is changed.  Example: citydc preview main --save-plan main.plan.json
    """
    from citydc.actions._report import finish, write
    from citydc.engines import target

    found = target(site, engine)
    console.note(found.headline)
    with console.Steps("previewing") as steps:
        if save_plan:
            outcome, plan = found.engine.plan(steps)
        else:
            outcome, plan = found.engine.preview(steps), None
    if save_plan and plan:
        from citydc import plans

        plans.write(save_plan, found.engine, plan)
    if markdown:
        from citydc.markdown import of_preview

        write(markdown, of_preview(outcome))
    finish(outcome, console.FUTURE, as_json=as_json, diff=diff)
