"""A lab of the tests' own: in a temporary home, on ports that nobody has."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_helpers import LabOfTests, new_lab

# The town of the policies' unit tests, which is made of the derivations' small city.
UNIT = Path(__file__).parents[1] / "unit"
sys.path += [str(UNIT / "policies"), str(UNIT / "catalogue_derived")]


def pytest_configure(config: pytest.Config) -> None:
    """Let openstacksdk warn of its own plans."""
    for name in ("RemovedInSDK50Warning", "RemovedInSDK60Warning"):
        config.addinivalue_line("filterwarnings", f"ignore::openstack.warnings.{name}")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabOfTests]:
    """Give a lab that is up, both sites; a test that stops a site starts it again."""
    made = new_lab(tmp_path_factory.mktemp("lab") / "home")
    made.up()
    yield made
    made.reset()


@pytest.fixture(scope="module")
def own_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabOfTests]:
    """Give a lab for tests that break it: up or not, as the test before left it."""
    made = new_lab(tmp_path_factory.mktemp("own") / "home")
    yield made
    made.reset()
