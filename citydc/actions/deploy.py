"""`citydc deploy SITE`: make it so."""

from pathlib import Path
from typing import Annotated

import typer

from catalogue.errors import BadInputError
from citydc import console
from citydc.actions._options import EngineOption, JsonOption, SiteArgument, YesOption


def deploy(
    site: SiteArgument,
    *,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="Do what preview --save-plan saved, and nothing else; refuse if that has changed.",
        ),
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    engine: EngineOption = None,
) -> None:
    """
    Make SITE's cloud what the catalogue says, after showing what will change.

    A run that was interrupted is taken up where it ended.  Example: citydc deploy main --yes
    """
    from citydc.actions._confirm import confirm
    from citydc.actions._report import finish
    from citydc.engines import target

    found = target(site, engine)
    console.note(found.headline)
    saved = None
    if plan:
        from citydc import plans

        saved = plans.read(plan, found.engine)
        console.note(f"plan: {plan}, made {saved.made} at {saved.program or 'no commit'}")
    if not yes:
        if as_json:
            raise BadInputError(
                "--json needs --yes",
                why="the result would stand beside a preview and a question",
                remedy="look at `citydc preview --json`, then deploy with --yes --json",
            )
        if saved:
            outcome = saved.outcome()
        else:
            with console.Steps("previewing") as steps:
                outcome = found.engine.preview(steps)
        if outcome.errors:
            finish(outcome, console.FUTURE, as_json=as_json)
        console.changes(outcome, diff=False)
        console.summary(outcome, console.FUTURE)
        confirm(f"Deploy {site}?")
    with console.Steps("deploying") as steps:
        outcome = found.engine.deploy(steps, saved.plan if saved else None)
    finish(outcome, console.PAST, as_json=as_json)
