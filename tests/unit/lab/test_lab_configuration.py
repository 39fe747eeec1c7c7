"""Configuration files of the projects."""

import configparser
from pathlib import Path

import pytest

from lab.openstack import configuration, credentials, sites
from lab.openstack.projects import swift
from lab.openstack.sites import CREDENTIALS, PROJECTS, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give a site with secrets and no files yet."""
    made = sites.load(tmp_path, 23000)[0]
    credentials.make(made.home / CREDENTIALS)
    return made


def read(path: Path) -> configparser.RawConfigParser:
    """Give what a configuration file says."""
    parser = configparser.RawConfigParser(default_section="")
    parser.read(path)
    return parser


def test_every_project_gets_its_file(site: Site) -> None:
    """Each project's configuration is there, with the paste files that OpenStack ships."""
    for project in PROJECTS:
        configuration.write(site, project)
    written = {path.name for path in site.etc.rglob("*.*")}
    assert {"keystone.conf", "glance-api.conf", "nova.conf", "api-paste.ini"} <= written


def test_service_authenticates_with_its_own_password(site: Site) -> None:
    """Services use the user `service`, whose password is not the administrator's."""
    configuration.write(site, "nova")
    found = read(site.etc / "nova/nova.conf")["keystone_authtoken"]
    assert found["password"] == site.credentials.service
    assert site.credentials.service != site.credentials.admin


def test_messages_stay_in_the_process(site: Site) -> None:
    """The bus is the one in the process, and databases are in the home."""
    configuration.write(site, "nova")
    found = read(site.etc / "nova/nova.conf")
    assert found["DEFAULT"]["transport_url"] == "inproc://"
    assert found["api_database"]["connection"] == f"sqlite:///{site.home}/db/nova_api.sqlite"


def test_later_layers_win() -> None:
    """A project's own options stand over the common ones."""
    text = configuration.text({"a": {"x": 1, "y": 2}}, {"a": {"x": 3}, "B": {"Key": "z"}})
    assert text == "[a]\nx = 3\ny = 2\n\n[B]\nKey = z\n\n"


def test_image_service_downloads_from_its_mirror_only(site: Site) -> None:
    """Web-download is limited to the site's mirror."""
    configuration.write(site, "glance")
    found = read(site.etc / "glance/glance-api.conf")["import_filtering_opts"]
    assert (found["allowed_hosts"], found["allowed_ports"]) == ("[127.0.0.1]", "[23090]")


def test_volumes_have_a_backend_per_zone(site: Site) -> None:
    """Each availability zone has volumes of its own."""
    configuration.write(site, "cinder")
    found = read(site.etc / "cinder/cinder.conf")
    assert found["DEFAULT"]["enabled_backends"] == "az1,az2"
    assert found["az2"]["backend_availability_zone"] == "az2"


def test_swift_checks_tokens_before_its_s3_interface(site: Site) -> None:
    """The order of the proxy's filters is what S3 needs, and none asks a cache server."""
    parser = configparser.RawConfigParser()
    parser.read_string(swift.texts(site)["proxy-server.conf"])
    pipeline = parser["pipeline:main"]["pipeline"].split()
    assert pipeline.index("authtoken") < pipeline.index("s3api") < pipeline.index("s3token")
    assert "cache" not in pipeline
