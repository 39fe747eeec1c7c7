"""Golden images in the stacks' configuration, which `catalogue.images` reads."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit, urlunsplit

import yaml

import catalogue
from catalogue import images
from catalogue.errors import BadInputError, OutsideError
from catalogue.problems import suggestion
from citydc import project
from infra.settings import profile_named
from lab.hosts.images import STEM, Image


class Stack:
    """A site's stack.  Raise BadInputError for a site without one, or without such an image."""

    def __init__(self, site_id: str) -> None:
        place = project.find()
        known = catalogue.load(place.catalogue(site_id))
        if site_id not in known.sites:
            raise BadInputError(
                f'the catalogue has no site "{site_id}"',
                remedy=suggestion(site_id, known.sites, "site"),
            )
        found = [one for one in known.sites[site_id].images if one.id == STEM]
        if not found:
            raise BadInputError(
                f'the site "{site_id}" has no image "{STEM}"',
                why="the golden image takes its place",
                remedy="describe it in the site's file",
            )
        self.file = place.stack_file(site_id)
        self._source = found[0].source.of(profile_named(place.setting(site_id, "profile")))

    def take(self, image: Image) -> None:
        """Have the stack take the image, from where the site's image lies.  Raise OutsideError."""
        content = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        parts = urlsplit(self._source)
        path = PurePosixPath(parts.path).with_name(f"{image.name}.raw")
        source = urlunsplit(parts._replace(path=str(path)))
        pins = content["config"].setdefault(f"{project.NAME}:{images.KEY}", {})
        pins[STEM] = {"source": source, "sha512": image.sha512}
        new = self.file.with_name(f".{self.file.name}.new")
        try:
            new.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
            new.replace(self.file)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise OutsideError(f"{self.file} cannot be written", why=str(error)) from error
