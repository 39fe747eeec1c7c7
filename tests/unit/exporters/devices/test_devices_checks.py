"""The catalogue's devices against their profiles, and the file of their credentials."""

import shutil
from pathlib import Path

import pytest

import catalogue
from catalogue.errors import BadInputError
from exporters.devices import credentials
from exporters.devices.checks import RULES


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """Give a copy of the city's own catalogue."""
    folder = tmp_path / "city"
    shutil.copytree(catalogue.CITY, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.rmtree(folder / "checks")
    return folder


def test_devices_of_the_city_agree_with_their_profiles() -> None:
    """Every device of the catalogue can be read, and gives what its meters and sensors take."""
    assert catalogue.check(None, RULES) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "profile: abb-b23\n",
            "profile: abb-b32\n",
            'devices.meter-pv.profile: is "abb-b32", which is no profile — did you mean "abb-b23"',
        ),
        (
            "reads: {device: flow-water-intake}",
            "reads: {device: meter-pv}",
            "meters.water-intake.reads: names the device as a whole of meter-pv, which gives no",
        ),
        (
            "reads: {device: pdu-a1-a}",
            "reads: {device: pdu-a1-a, channel: outlet}",
            "meters.pdu-a1-a.reads: names channel 'outlet' of pdu-a1-a",
        ),
        (
            "    device: pdu-a2-a\n    channel: sensor-1\n",
            "    device: meter-pv\n",
            "sensors.inlet-a2.device: names the device as a whole of meter-pv, which gives no",
        ),
        (
            "    credentials: ipmi\n",
            "",
            "devices.bmc-a2-1.credentials: is missing: ipmi answers nobody without",
        ),
    ],
)
def test_devices_that_do_not_agree_are_told(city: Path, old: str, new: str, said: str) -> None:
    """What a profile doesn't give is found by `citydc check`, with its place."""
    file = city / "sites" / "main.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    told = [str(one) for one in catalogue.check(city, RULES)]
    assert any(said in one for one in told), told
    with pytest.raises(catalogue.UnsoundCatalogueError):
        catalogue.load(city, RULES)


def test_credentials_are_read_from_a_file_that_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name stands for a user or a community; what is secret isn't shown."""
    file = tmp_path / "credentials.yaml"
    file.write_text("snmp-v2c:\n  community: hush-hush\nredfish: {username: a, password: b}\n")
    file.chmod(0o600)
    monkeypatch.setenv(credentials.VARIABLE, str(file))
    found = credentials.load()
    assert found["redfish"].username == "a"
    community = found["snmp-v2c"].community
    assert community
    assert community.get_secret_value() == "hush-hush"
    assert "hush-hush" not in f"{found}"


def test_credentials_that_others_may_read_are_refused(tmp_path: Path) -> None:
    """A file that the group can read is no file for secrets."""
    file = tmp_path / "credentials.yaml"
    file.write_text("a: {community: b}\n")
    file.chmod(0o640)
    with pytest.raises(BadInputError, match="chmod 600"):
        credentials.load(file)


@pytest.mark.parametrize(
    "text",
    ["a: {comunity: hush-hush}\n", "a: hush-hush\n", "a: {community: [hush-hush]}\n", "a: ["],
)
def test_unsound_credentials_are_told_without_them(tmp_path: Path, text: str) -> None:
    """What is wrong is told, what stands there is not."""
    file = tmp_path / "credentials.yaml"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(BadInputError, match="unsound") as refused:
        credentials.load(file)
    assert "hush-hush" not in str(refused.value)


def test_without_a_file_there_are_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices that ask for none can still be read."""
    monkeypatch.delenv(credentials.VARIABLE, raising=False)
    assert credentials.load() == {}
