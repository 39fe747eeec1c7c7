"""`citydc destroy SITE`: remove all that the state has."""

from citydc import console
from citydc.actions._options import EngineOption, JsonOption, SiteArgument, YesOption


def destroy(
    site: SiteArgument,
    *,
    yes: YesOption = False,
    as_json: JsonOption = False,
    engine: EngineOption = None,
) -> None:
    """
    Remove everything of SITE that citydc deployed, with the data in it.

    Protected resources (data, in the production profile) are refused before anything is removed.
    Example: citydc destroy backup --yes
    """
    from citydc.actions._confirm import confirm
    from citydc.actions._report import finish
    from citydc.engines import target

    found = target(site, engine)
    console.note(found.headline)
    if not yes:
        confirm(f"Remove all of {site}, with its data?")
    with console.Steps("removing") as steps:
        outcome = found.engine.destroy(steps)
    finish(outcome, console.PAST, as_json=as_json)
