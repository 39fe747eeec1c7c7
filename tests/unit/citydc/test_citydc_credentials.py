"""Which cloud the credentials lead to."""

import os
from pathlib import Path

import pytest
import yaml

from catalogue.errors import BadInputError
from citydc import credentials


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def _clouds(path: Path, **auth_urls: str) -> Path:
    clouds = {name: {"auth": {"auth_url": url}} for name, url in auth_urls.items()}
    path.write_text(yaml.safe_dump({"clouds": clouds}))
    return path


def _lab(path: Path) -> Path:
    return _clouds(path, main="http://127.0.0.1:1/v3")


def test_ordinary_clouds_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clouds.yaml that the user named wins over OS_AUTH_URL and the running lab."""
    file = _clouds(tmp_path / "c.yaml", main="https://city/v3")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    monkeypatch.setenv("OS_AUTH_URL", "https://elsewhere/v3")
    found = credentials.find("main", _lab(tmp_path / "lab.yaml"))
    assert found == credentials.Access("https://city/v3", str(file), lab=False)


def test_environment_comes_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an entry in a clouds.yaml, OS_AUTH_URL and its fellows count."""
    monkeypatch.setenv("OS_AUTH_URL", "https://elsewhere/v3")
    found = credentials.find("main", _lab(tmp_path / "lab.yaml"))
    assert (found.auth_url, found.lab) == ("https://elsewhere/v3", False)


def test_running_lab_comes_last_and_is_made_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab's clouds.yaml is used, here and in what is started from here."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "")
    lab = _lab(tmp_path / "lab.yaml")
    found = credentials.find("main", lab)
    assert found.lab
    assert os.environ["OS_CLIENT_CONFIG_FILE"] == str(lab)


def test_lab_is_known_by_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary clouds.yaml that leads to the lab's address leads to the lab."""
    lab = _lab(tmp_path / "lab.yaml")
    file = _clouds(tmp_path / "c.yaml", main="http://127.0.0.1:1/v3/")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    assert credentials.find("main", lab).lab


def test_no_credentials_is_bad_input_with_a_remedy(tmp_path: Path) -> None:
    """No entry, no variables, no lab: the error names the cloud and what to do."""
    with pytest.raises(BadInputError) as caught:
        credentials.find("main", tmp_path / "no lab")
    assert '"main"' in caught.value.what
    assert "lab up" in caught.value.remedy


def test_clouds_file_that_is_not_there_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named file that does not exist is not passed over in silence."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "gone.yaml"))
    with pytest.raises(BadInputError, match="does not exist"):
        credentials.find("main", tmp_path / "no lab")


@pytest.mark.parametrize("text", ["clouds: {", "clouds: {main: 5}", "[1]", "clouds: [1]"])
@pytest.mark.parametrize("whose", ["the user's", "the lab's"])
def test_broken_clouds_file_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, whose: str
) -> None:
    """Bad YAML in clouds.yaml, or something else than clouds: one clear error with its place."""
    file = tmp_path / "c.yaml"
    file.write_text(text)
    if whose == "the user's":
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    with pytest.raises(BadInputError) as caught:
        credentials.find("main", file if whose == "the lab's" else tmp_path / "no lab")
    assert caught.value.place == str(file)
