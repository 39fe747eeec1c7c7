"""Images that a stack's configuration names instead of the catalogue's."""

from typing import Any

import pytest
from small_city import small_city

from catalogue import images
from catalogue.errors import BadInputError
from catalogue.model import Profile

SUM = "5a" * 64
GOLDEN = "http://127.0.0.1:23090/debian-12-0123456789ab.raw"


def _pins(**more: Any) -> dict[str, Any]:
    return {"debian": {"source": GOLDEN, "sha512": SUM} | more}


@pytest.mark.parametrize("profile", Profile)
def test_pinned_image_is_named_for_its_content_and_has_its_checksum(profile: Profile) -> None:
    """In every profile, at that site alone; nothing else of the catalogue changes."""
    known = small_city()
    found = images.pinned(known, "main", _pins())
    (image,) = found.sites["main"].images
    assert image.id == "debian"
    assert image.name_of(profile) == "debian-12-0123456789ab"
    assert image.source.of(profile) == GOLDEN
    assert image.sha512_of(profile) == SUM
    assert found.sites["backup"] == known.sites["backup"]
    assert found.services == known.services


def test_image_of_the_catalogue_is_named_for_its_id() -> None:
    """Its checksum is that of the production image alone."""
    (image,) = small_city().sites["main"].images
    known = image.model_copy(update={"sha512": SUM})
    assert known.name_of(Profile.LAB) == "debian"
    assert known.sha512_of(Profile.LAB) is None
    assert known.sha512_of(Profile.PRODUCTION) == SUM


@pytest.mark.parametrize("given", [None, {}])
def test_catalogue_is_as_it_was_without_pins(given: object) -> None:
    """So is a stack's whose configuration says nothing of images."""
    known = small_city()
    assert images.pinned(known, "main", given) is known


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"debian-13": _pins()["debian"]}, 'has no image "debian-13"'),
        (_pins(sha512="5a"), "debian.sha512"),
        (_pins(url=GOLDEN), "debian.url"),
        ("debian", "dict"),
    ],
)
def test_unsound_pins_are_refused(given: object, said: str) -> None:
    """What is wrong is named."""
    with pytest.raises(BadInputError, match=said):
        images.pinned(small_city(), "main", given)


def test_lab_images_come_from_the_mirror_that_there_is() -> None:
    """Only the lab's, at that site alone; a golden image keeps its name and checksum."""
    known = small_city()
    plain = images.mirrored(known, "main", "127.0.0.1:29090")
    (image,) = plain.sites["main"].images
    (before,) = known.sites["main"].images
    assert image.source.lab.startswith("http://127.0.0.1:29090/")
    assert image.source.production == before.source.production
    assert image.name_of(Profile.LAB) == "debian"
    assert plain.sites["backup"] == known.sites["backup"]
    golden = images.mirrored(images.pinned(known, "main", _pins()), "main", "127.0.0.1:29090")
    (image,) = golden.sites["main"].images
    assert image.source.of(Profile.LAB) == GOLDEN.replace("23090", "29090")
    assert (image.name_of(Profile.LAB), image.sha512_of(Profile.LAB)) == (
        "debian-12-0123456789ab", SUM,
    )  # fmt: skip
