"""Which engine runs a site's program, and with which credentials."""

import shutil
from dataclasses import dataclass

import catalogue
from catalogue import images
from catalogue.errors import BadInputError
from catalogue.model import Site
from citydc import credentials, project
from citydc.outcome import Engine, EngineName
from lab.control import Lab


@dataclass(frozen=True)
class Target:
    """A site, the cloud it is on, and the engine that works on it."""

    site: Site
    engine: Engine
    headline: str
    """Which engine, which stack, which cloud: the first line of what is printed."""
    lab: bool = False
    """Whether it is the lab's cloud."""


def target(site_id: str, wanted: EngineName | None) -> Target:
    """
    Make ready to work on a site's stack.

    The lab's clouds get the embedded engine, others the official CLI where it is on PATH; `wanted`
    overrides.  Raise BadInputError for an unsound catalogue, an unknown site, missing credentials
    or a missing passphrase.
    """
    place = project.find()
    site = known_site(place, site_id)
    lab = Lab.default()
    access = credentials.find(site.cloud, lab.clouds_file)
    name = wanted or (
        EngineName.PULUMI if shutil.which("pulumi") and not access.lab else EngineName.EMBEDDED
    )
    engine: Engine
    if name is EngineName.PULUMI:
        from citydc.official import Official

        if not shutil.which("pulumi"):
            raise BadInputError(
                "the official Pulumi CLI is not on PATH",
                remedy="install it, or leave out --engine pulumi",
            )
        engine = Official(place, site.id, site.cloud)
    else:
        from citydc.embedded import Embedded

        mirror = lab.mirror(access.auth_url) if access.lab else ""
        engine = Embedded(place, site.id, {images.MIRROR: mirror} if mirror else None)
    where = f"{access.auth_url} (the lab)" if access.lab else access.auth_url
    headline = f"engine: {engine.described} · stack: {site.id} · cloud: {site.cloud}, {where}"
    return Target(site, engine, headline, access.lab)


def known_site(place: project.Project, site_id: str) -> Site:
    """Return the site of this id from the catalogue that its stack names."""
    sites = catalogue.load(place.catalogue(site_id)).sites
    if site_id not in sites:
        raise BadInputError(
            f'the catalogue has no site "{site_id}"', remedy=f"name one of: {', '.join(sites)}"
        )
    return sites[site_id]
