"""What the stack is for: its site, its profile, its catalogue."""

from dataclasses import dataclass
from pathlib import Path

import pulumi

import catalogue
from catalogue import images
from catalogue.errors import BadInputError
from catalogue.model import Catalogue, Profile, Site

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Which site of which catalogue is declared, and for which size of cloud."""

    catalogue: Catalogue
    site: Site
    profile: Profile


def read() -> Settings:
    """Read the running stack's settings.  Raise BadInputError if they name what isn't there."""
    config = pulumi.Config("citydc")
    profile = profile_named(config.get("profile"))
    folder = config.get("catalogue")
    found = catalogue.load((_project() / folder).resolve() if folder else None)
    found = images.pinned(found, pulumi.get_stack(), config.get_object(images.KEY))
    if profile is Profile.LAB:
        found = images.mirrored(found, pulumi.get_stack(), config.get(images.MIRROR))
    return Settings(found, _site(found, pulumi.get_stack()), profile)


def _project() -> Path:
    """Return the folder that Pulumi.yaml lies in."""
    return Path(pulumi.runtime.settings.get_root_directory() or CHECKOUT)


def profile_named(text: str | None) -> Profile:
    """Return the profile that a stack's configuration names.  Raise BadInputError."""
    known = ", ".join(Profile)
    if text is None:
        raise BadInputError(
            "the stack has no profile",
            why="citydc:profile is not set in its configuration",
            remedy=f"`pulumi config set citydc:profile PROFILE`, one of: {known}",
        )
    try:
        return Profile(text)
    except ValueError:
        raise BadInputError(
            f'there is no profile "{text}"',
            why="citydc:profile in the stack's configuration names it",
            remedy=f"set it to one of: {known}",
        ) from None


def _site(found: Catalogue, stack: str) -> Site:
    if stack not in found.sites:
        raise BadInputError(
            f'there is no site "{stack}"',
            why="a stack is named for its site, and the catalogue has no file for this one",
            remedy=f"select one of the stacks: {', '.join(sorted(found.sites))}",
        )
    return found.sites[stack]
