"""Wrong settings and credentials give one clear error each."""

import contextvars
import json
import runpy
from pathlib import Path

import pulumi
import pytest
import yaml
from graphs import one
from pulumi.runtime import config
from pulumi.runtime import settings as runtime
from small_city import main

import infra
from catalogue.errors import BadInputError
from catalogue.model import Profile
from infra import credentials, offline, settings

AUTH = {
    "auth_url": "http://127.0.0.1:1/v3",
    "username": "admin",
    "password": "hush",
    "project_name": "admin",
    "user_domain_name": "Default",
    "project_domain_name": "Default",
}


def in_stack(stack: str, values: dict[str, str]) -> settings.Settings:
    """Return the settings that a stack with that configuration has."""

    def read() -> settings.Settings:
        runtime.configure(runtime.Settings(project="citydc", stack=stack))
        config.set_all_config({f"citydc:{name}": value for name, value in values.items()})
        return settings.read()

    return contextvars.copy_context().run(read)


def test_a_stack_is_named_for_its_site() -> None:
    """And its configuration says the profile."""
    found = in_stack("backup", {"profile": "production"})
    assert found.site.id == "backup"
    assert found.profile is Profile.PRODUCTION
    assert set(found.catalogue.sites) >= {"main", "backup"}


@pytest.mark.parametrize(
    ("stack", "values", "what"),
    [
        ("main", {}, "the stack has no profile"),
        ("main", {"profile": "huge"}, 'there is no profile "huge"'),
        ("dev", {"profile": "lab"}, 'there is no site "dev"'),
    ],
)
def test_wrong_settings_are_told_with_what_is_known(
    stack: str, values: dict[str, str], what: str
) -> None:
    """The remedy lists the profiles, or the sites."""
    with pytest.raises(BadInputError, match=what) as caught:
        in_stack(stack, values)
    assert ("main" if stack == "dev" else "lab") in caught.value.remedy


def test_a_stacks_images_take_the_place_of_the_catalogues() -> None:
    """The program uploads the golden image by its content's name, with its checksum."""
    pin = {"source": "http://127.0.0.1:23090/debian-12-0123456789ab.raw", "sha512": "5a" * 64}
    found = in_stack("main", {"profile": "lab", "images": json.dumps({"debian-12": pin})})
    declared = one(offline.run(found), "Image", "debian-12").inputs
    assert declared["name"] == "debian-12-0123456789ab"
    assert declared["imageSourceUrl"] == pin["source"]
    assert declared["properties"] == {"source_sha512": pin["sha512"]}


@pytest.mark.parametrize(("profile", "moved"), [("lab", True), ("production", False)])
def test_a_labs_images_come_from_its_mirror(profile: str, *, moved: bool) -> None:
    """Wherever the lab's ports are; production's come from where the catalogue says."""
    found = in_stack("main", {"profile": profile, "mirror": "127.0.0.1:29090"})
    declared = one(offline.run(found), "Image", "debian-12").inputs
    assert declared["imageSourceUrl"].startswith("http://127.0.0.1:29090/") is moved


def test_a_missing_catalogue_is_told(tmp_path: Path) -> None:
    """The folder that the stack names is looked for from the project's own."""
    with pytest.raises(BadInputError):
        in_stack("main", {"profile": "lab", "catalogue": str(tmp_path / "nowhere")})


def test_the_program_ends_with_a_run_error_and_its_text() -> None:
    """Pulumi shows a RunError without a traceback."""

    def run() -> None:
        runtime.configure(runtime.Settings(project="citydc", stack="dev"))
        config.set_all_config({"citydc:profile": "lab"})
        runpy.run_path(str(Path(infra.__file__).parent), run_name="__main__")

    with pytest.raises(pulumi.RunError, match='there is no site "dev"'):
        contextvars.copy_context().run(run)


@pytest.fixture
def clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only clouds.yaml that there is."""
    path = tmp_path / "clouds.yaml"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    for name in ("OS_CLOUD", "OS_AUTH_URL"):
        monkeypatch.delenv(name, raising=False)
    return path


def write(path: Path, entry: dict[str, object], name: str = "main") -> None:
    """Write a clouds.yaml with one entry."""
    path.write_text(yaml.safe_dump({"clouds": {name: entry}}))


def test_credentials_come_from_the_sites_entry(clouds: Path) -> None:
    """The region is the site's; the password shows in no representation."""
    write(clouds, {"auth": AUTH, "region_name": "elsewhere"})
    found = credentials.find(main())
    assert found.region == "main"
    assert found.auth["password"] == "hush"
    assert "hush" not in repr(found)


def test_credentials_come_from_the_environment_next(
    clouds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no entry is the site's."""
    write(clouds, {"auth": AUTH}, name="other")
    for name, value in AUTH.items():
        monkeypatch.setenv(f"OS_{name.upper()}", value)
    assert credentials.find(main()).auth["username"] == "admin"


@pytest.mark.parametrize(
    ("entry", "what", "why"),
    [
        ({"auth": {**AUTH, "password": ""}}, "incomplete", "without password"),
        ({"auth": {"auth_url": "http://127.0.0.1:1"}}, "incomplete", "username or user_id"),
        (
            {
                "auth_type": "v3applicationcredential",
                "auth": {
                    "auth_url": "http://127.0.0.1:1",
                    "application_credential_id": "1",
                    "application_credential_secret": "2",
                },
            },
            "application credential",
            "its own project only",
        ),
    ],
)
def test_unfit_credentials_are_told(
    clouds: Path, entry: dict[str, object], what: str, why: str
) -> None:
    """What is missing, or why an application credential will not do."""
    write(clouds, entry)
    with pytest.raises(BadInputError, match=what) as caught:
        credentials.find(main())
    assert why in caught.value.why


def test_a_file_that_is_no_clouds_file_is_told(clouds: Path) -> None:
    """With the shape that it must have."""
    clouds.write_text("clouds: {main: text}")
    with pytest.raises(BadInputError, match=r"clouds.yaml cannot be used"):
        credentials.find(main())


@pytest.mark.usefixtures("clouds")
def test_no_credentials_are_told() -> None:
    """With the entry that is looked for."""
    with pytest.raises(BadInputError, match='no credentials for the cloud "main"'):
        credentials.find(main())


@pytest.mark.usefixtures("clouds")
def test_os_cloud_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider would follow it instead of the agency's project."""
    monkeypatch.setenv("OS_CLOUD", "main")
    with pytest.raises(BadInputError, match="OS_CLOUD is set"):
        credentials.find(main())


def test_a_provider_works_in_the_project_it_is_given() -> None:
    """By id, without any of the operator's own project; never through a named cloud."""
    auth = {**AUTH, "project_id": ""}
    given = credentials.Credentials("main", auth, cacert_file=None, insecure=None)
    found = offline.record(lambda: _two(given))
    own, agency = found.resources[-2:]
    assert own.inputs["tenantName"] == "admin"
    assert agency.inputs["tenantId"] == "p1"
    assert not {"tenantName", "projectDomainName", "cloud"} & agency.inputs.keys()
    assert agency.inputs["region"] == "main"


def _two(given: credentials.Credentials) -> None:
    given.provider("own")
    given.provider("agency", project="p1")
