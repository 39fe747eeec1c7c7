"""The catalogue grows by files alone: a further site, a further service."""

import shutil
from pathlib import Path

import pytest

import catalogue

HERE = Path(__file__).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of the city's catalogue."""
    folder = tmp_path / "city"
    shutil.copytree(
        catalogue.CITY, folder, ignore=shutil.ignore_patterns("*.py", "*.inventory.yaml")
    )
    return folder


def test_third_site_is_one_more_file(copy: Path) -> None:
    """A green data centre of 2030 that stands in for the main site needs no other change."""
    shutil.copy(HERE / "third_site.yaml", copy / "sites" / "green.yaml")
    assert catalogue.check(copy) == []
    green = catalogue.load(copy).sites["green"]
    assert green.stands_in_for == "main"
    assert sum(node.gpus * node.count for rack in green.racks for node in rack.nodes) > 0


def test_third_site_must_keep_off_the_others_ranges(copy: Path) -> None:
    """What is wrong with a further site is told in its own file."""
    text = (HERE / "third_site.yaml").read_text(encoding="utf-8")
    copied = text.replace("ipv4: 10.60.0.0/16", "ipv4: 10.59.0.0/16").replace(
        "number: 3", "number: 2"
    )
    (copy / "sites" / "green.yaml").write_text(copied, encoding="utf-8")
    assert [(one.file.name, one.field) for one in catalogue.check(copy)] == [
        ("green.yaml", "number"),
        ("green.yaml", "ipv4"),
    ]


def test_service_is_one_more_file(copy: Path) -> None:
    """A further service needs no other change."""
    shutil.copy(HERE / "new_service.yaml", copy / "services" / "traffic.yaml")
    assert catalogue.check(copy) == []
    assert catalogue.load(copy).services["traffic"].number == 16


def test_service_taken_away_is_one_file_less(copy: Path) -> None:
    """A service that nobody names can be taken away."""
    (copy / "services" / "open-data.yaml").unlink()
    assert [one.field for one in catalogue.check(copy)] == [
        "components.gateway.listens.https.from.8"
    ]
