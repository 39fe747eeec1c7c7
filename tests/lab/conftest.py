"""A lab of the tests' own: in a temporary home, on ports that nobody has."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack.config
import pytest
from openstack.connection import Connection

from catalogue.errors import OutsideError
from lab.control import Lab
from lab.openstack import ports, sites

FIRST_PORT, LAST_PORT, STEP = 24000, 31000, 200


def pytest_configure(config: pytest.Config) -> None:
    """Let openstacksdk warn of its own plans."""
    for name in ("RemovedInSDK50Warning", "RemovedInSDK60Warning"):
        config.addinivalue_line("filterwarnings", f"ignore::openstack.warnings.{name}")


class LabOfTests(Lab):
    """A lab with connections to its clouds."""

    def cloud(self, name: str, **auth: Any) -> Connection:
        """Give a connection to a site: as the administrator, unless `auth` says otherwise."""
        config = openstack.config.OpenStackConfig(
            config_files=[str(self.clouds_file)], load_envvars=False
        )
        region = config.get_one(cloud=name)
        return openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            region_name=region.region_name,
            auth={**region.auth, **auth},
        )


def new_lab(home: Path) -> LabOfTests:
    """Give a lab that is not up yet, on ports that are free now."""
    shift = STEP * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in range(FIRST_PORT + shift, LAST_PORT, 4 * STEP):
        try:
            ports.check_free(sites.load(home, port))
        except OutsideError:
            continue
        return LabOfTests(home, port)
    raise AssertionError("no free ports for a lab")


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
