"""What is measured is a city like any other."""

from pathlib import Path

import catalogue
from benchmarks import synthetic


def test_synthetic_city_is_sound(tmp_path: Path) -> None:
    """The check that every deployment begins with finds nothing in the largest that is measured."""
    synthetic.write(tmp_path / "city", 265, "http://127.0.0.1/image")
    assert catalogue.check(tmp_path / "city") == []
