"""`citydc deploy SITE`: make it so."""

from catalogue.errors import BadInputError
from citydc import console
from citydc.actions._options import EngineOption, JsonOption, SiteArgument, YesOption


def deploy(
    site: SiteArgument,
    *,
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
    if not yes:
        if as_json:
            raise BadInputError(
                "--json needs --yes",
                why="the result would stand beside a preview and a question",
                remedy="look at `citydc preview --json`, then deploy with --yes --json",
            )
        with console.Steps("previewing") as steps:
            outcome = found.engine.preview(steps)
        if outcome.errors:
            finish(outcome, console.FUTURE, as_json=as_json)
        console.changes(outcome, diff=False)
        console.summary(outcome, console.FUTURE)
        confirm(f"Deploy {site}?")
    with console.Steps("deploying") as steps:
        outcome = found.engine.deploy(steps)
    finish(outcome, console.PAST, as_json=as_json)
