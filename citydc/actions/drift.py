"""`citydc drift SITE`: what differs from the state."""

from citydc import console
from citydc.actions._options import EngineOption, JsonOption, SiteArgument

WORDS = {"update": "changed by hand", "delete": "gone"}


def drift(
    site: SiteArgument,
    *,
    as_json: JsonOption = False,
    engine: EngineOption = None,
) -> None:
    """
    Show what SITE's cloud has that differs from the stack's state, such as changes made by hand.

    Nothing is changed; the next deploy repairs it.  Exit code 1 when something differs.
    Example: citydc drift main --json
    """
    from citydc.actions._report import finish
    from citydc.engines import target

    found = target(site, engine)
    console.note(found.headline)
    with console.Steps("reading") as steps:
        outcome = found.engine.drift(steps)
    finish(outcome, WORDS, as_json=as_json, diff=True, found=1)
