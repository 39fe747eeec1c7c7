"""The city's own catalogue: complete by the Plan, sound, and small enough for the lab."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import catalogue
from catalogue import recovery
from catalogue.documents import read
from catalogue.loading import INVENTORY
from catalogue.model import Component, Profile, RecoveryTier

ROOT = catalogue.CITY.parent
FILES = [
    file
    for pattern in ("*.yaml", "sites/*.yaml", "services/*.yaml")
    for file in sorted(catalogue.CITY.glob(pattern))
    if not file.name.endswith(INVENTORY)
]


@pytest.fixture(scope="module")
def city() -> catalogue.Catalogue:
    """Give the city's catalogue."""
    return catalogue.load()


def test_citys_catalogue_is_sound() -> None:
    """Nothing is wrong with what the city runs on."""
    assert catalogue.check() == []


@pytest.mark.parametrize(
    ("service", "cites"),
    [
        ("lgsp", ["II.2.b"]),
        ("open-data", ["II.2.e"]),
        ("common-databases", ["I.3.2"]),
        ("documents", ["III.1.d"]),
        ("one-stop", ["III.1.d"]),
        ("reporting", ["III.1.d"]),
        ("ihanoi", ["III.1.d"]),
        ("cameras", ["II.3.c", "App. III.5"]),
        ("iot", ["II.1.dd", "II.3.a", "II.3.b"]),
        ("ai", ["II.4.b", "II.4.c"]),
        ("identity", ["II.4.a"]),
        ("signature", ["II.4.a"]),
        ("national-gateway", ["II.4.a"]),
        ("email", ["I.3.2"]),
        ("operations", ["III.5", "III.6"]),
    ],
)
def test_every_system_of_the_plan_is_a_service(
    city: catalogue.Catalogue, service: str, cites: list[str]
) -> None:
    """Each system that the Plan names has its file, which cites the Plan's parts."""
    found = city.services[service].cite
    assert found.startswith("58/KH-UBND ")
    assert [cite for cite in cites if cite not in found] == []


def test_lab_has_every_service_and_every_kind_of_tier(city: catalogue.Catalogue) -> None:
    """The lab's main site has 16 hosts, its backup site 8, and no kind of server is left out."""
    hosts = {
        site.id: {
            key: sum(recovery.standing(city, site, service, Profile.LAB).servers.values())
            for key, service in city.services.items()
        }
        for site in city.sites.values()
    }
    assert {site: sum(counts.values()) for site, counts in hosts.items()} == {
        "main": 16,
        "backup": 8,
    }
    assert min(hosts["main"].values()) == 1
    kinds = {
        part.tier if isinstance(part, Component) else "database"
        for service in city.services.values()
        for part in recovery.parts(service)
        if recovery.size(part, Profile.LAB)
    }
    assert kinds == {
        "web",
        "application",
        "worker",
        "broker",
        "gpu",
        "bastion",
        "infrastructure",
        "database",
    }


def test_every_recovery_tier_is_in_use(city: catalogue.Catalogue) -> None:
    """All four ways to stand at the backup site are there to be tried."""
    assert {one.recovery.tier for one in city.services.values()} == set(RecoveryTier)


def test_names_are_vietnamese_and_english(city: catalogue.Catalogue) -> None:
    """Vietnamese names have their diacritics, English ones are ASCII."""
    names = [
        one.name
        for group in (
            city.sites.values(),
            city.services.values(),
            city.city.agencies,
            city.city.outside,
            city.targets.targets,
            city.factors.factors,
        )
        for one in group
    ]
    assert [name.vi for name in names if name.vi.isascii()] == []
    assert [name.en for name in names if not name.en.isascii()] == []


@pytest.mark.parametrize(
    ("target", "indicator", "comparison", "value", "confidence"),
    [
        ("pue-viet-nam", "PUE", "<=", 1.4, "news"),
        ("pue-pact-cool", "PUE", "<=", 1.3, "official"),
        ("pue-pact-warm", "PUE", "<=", 1.4, "official"),
        ("wue-pact", "WUE", "<=", 0.4, "official"),
        ("pue-singapore", "PUE", "<=", 1.3, "official"),
        ("pue-germany-new", "PUE", "<=", 1.2, "official"),
        ("pdit-eu-reporting", "PDIT", ">=", 500, "official"),
        ("inlet-temperature-low", "inlet-temperature", ">=", 18, "official"),
        ("inlet-temperature-high", "inlet-temperature", "<=", 27, "official"),
        ("inlet-dew-point-high", "inlet-dew-point", "<=", 15, "official"),
        ("availability-tier-iii", "availability", ">=", 99.982, "news"),
        ("mobile-4g-download", "mobile-download-4g", ">=", 40, "official"),
        ("mobile-5g-download", "mobile-download-5g", ">=", 100, "official"),
    ],
)
def test_target_says_what_its_source_says(  # noqa: PLR0913, PLR0917 - one row of a table
    city: catalogue.Catalogue,
    target: str,
    indicator: str,
    comparison: str,
    value: float,
    confidence: str,
) -> None:
    """Targets have the values of their documents and say how sure these are."""
    found = next(one for one in city.targets.targets if one.id == target)
    assert found.indicator == indicator
    assert found.comparison == comparison
    assert math.isclose(found.value, value)
    assert found.source.confidence == confidence


def test_reference_availabilities_are_called_so(city: catalogue.Catalogue) -> None:
    """A Tier certifies a topology, so its availability is a reference only."""
    tiers = [one for one in city.targets.targets if one.id.startswith("availability-tier-")]
    assert len(tiers) == 4
    assert all(one.reference for one in tiers)


def test_grid_factors_are_those_published(city: catalogue.Catalogue) -> None:
    """There is a factor for each year that has an official one, and none made up."""
    factors = {one.year: one.value for one in city.factors.factors if one.unit == "tCO2/MWh"}
    assert factors == {2021: 0.7221, 2022: 0.6766, 2023: 0.6592}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_other_readers_of_yaml_read_the_same(file: Path) -> None:
    """YAML 1.1 readers don't turn our texts into truth values, dates or minutes."""
    document, problems = read(file)
    assert problems == []
    assert document is not None
    assert yaml.safe_load(file.read_text(encoding="utf-8")) == document.data


def test_files_are_clean_yaml() -> None:
    """Files keep to the style that yamllint is set to."""
    command = [sys.executable, "-m", "yamllint", "--strict", "catalogue", "tests/unit/catalogue"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0
