"""Small programs on the lab's main site, and the engine that applies them."""

import textwrap
from pathlib import Path
from typing import Any

import yaml
from lab_helpers import LabOfTests, mirror_of

from lab.engine import Engine

HEAD = """
import pulumi
import pulumi_openstack as osp

config = pulumi.Config()
site = osp.Provider(
    "site", auth_url=config.require("url"), user_name="admin",
    password=config.require_secret("password"), tenant_name="admin",
    user_domain_name="Default", project_domain_name="Default", region=config.require("region"))
here = pulumi.ResourceOptions(provider=site)
"""


def engine(
    folder: Path, lab: LabOfTests, program: str, *, parallel: int = 16, **config: Any
) -> Engine:
    """Give an engine for what a program makes with the options `here`, as the administrator."""
    site = yaml.safe_load(lab.clouds_file.read_text())["clouds"]["main"]
    (folder / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
    (folder / "__main__.py").write_text(HEAD + textwrap.dedent(program))
    config = {
        "url": site["auth"]["auth_url"],
        "password": site["auth"]["password"],
        "region": site["region_name"],
        "image": mirror_of(lab, "main"),
        **config,
    }
    state = (folder / "state").as_uri()
    return Engine(folder, "dev", state, "of the tests", config=config, parallel=parallel)
