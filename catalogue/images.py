"""
Images that a site's stack takes instead of those that the catalogue names, or from elsewhere.

`citydc image build SITE` writes golden ones into the stack's configuration, as `citydc:images`.
Where a lab's mirror listens, citydc tells the stack as `citydc:mirror`.
"""

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import StringConstraints, TypeAdapter, ValidationError

from catalogue.errors import BadInputError
from catalogue.model import Catalogue, Id, Image, ImageSource, Model, Site, Text
from catalogue.problems import suggestion

KEY = "images"
MIRROR = "mirror"


class Pin(Model):
    """Where the image comes from, and what is in it."""

    source: Text
    sha512: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]

    def of(self, image: Image) -> Image:
        """Return the image as it is now, the same for every profile."""
        source = ImageSource(production=self.source, lab=self.source)
        return image.model_copy(update={"source": source, "sha512": self.sha512})


PINS = TypeAdapter(dict[Id, Pin])


def pinned(catalogue: Catalogue, site_id: str, given: Any) -> Catalogue:
    """
    Return the catalogue with the site's images as the stack's configuration has them.

    Raise BadInputError for what is no such configuration, or an image that the site has not.
    """
    site = catalogue.sites.get(site_id)
    if not given or site is None:
        return catalogue
    try:
        pins = PINS.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInputError(
            "citydc:images in the stack's configuration is unsound",
            why=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            remedy=f"citydc image build {site_id}",
        ) from error
    known = [one.id for one in site.images]
    for name in pins:
        if name not in known:
            raise BadInputError(
                f'the site "{site_id}" has no image "{name}"',
                why="citydc:images in the stack's configuration names it",
                remedy=suggestion(name, known, "image"),
            )
    images = [pins[one.id].of(one) if one.id in pins else one for one in site.images]
    return _with_images(catalogue, site, images)


def mirrored(catalogue: Catalogue, site_id: str, mirror: str | None) -> Catalogue:
    """Return the catalogue with the lab's images of the site fetched from a mirror (HOST:PORT)."""
    site = catalogue.sites.get(site_id)
    if not mirror or site is None:
        return catalogue
    images = []
    for one in site.images:
        lab = urlsplit(one.source.lab)._replace(netloc=mirror).geturl()
        both = one.source.lab == one.source.production  # a golden image is the lab's own
        source = ImageSource(production=lab if both else one.source.production, lab=lab)
        images.append(one.model_copy(update={"source": source}))
    return _with_images(catalogue, site, images)


def _with_images(catalogue: Catalogue, site: Site, images: list[Image]) -> Catalogue:
    changed = site.model_copy(update={"images": images})
    return catalogue.model_copy(update={"sites": {**catalogue.sites, site.id: changed}})
