"""Where the project is, where its state is and what opens it."""

from pathlib import Path

import pytest

from catalogue.errors import BadInputError
from citydc import project


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BACKEND_URL", "CONFIG_PASSPHRASE", "CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(f"PULUMI_{name}", raising=False)


def _made(folder: Path, name: str = "citydc") -> project.Project:
    (folder / "Pulumi.yaml").write_text(f"name: {name}\n")
    return project.Project(folder)


def test_project_is_found_from_a_folder_inside(tmp_path: Path) -> None:
    """The nearest folder above with a Pulumi.yaml named citydc is the project's."""
    _made(tmp_path)
    inside = tmp_path / "one" / "two"
    inside.mkdir(parents=True)
    assert project.find(inside).folder == tmp_path


def test_other_projects_are_passed_over(tmp_path: Path) -> None:
    """Another project's Pulumi.yaml does not count; the checkout's own is the last resort."""
    _made(tmp_path, name="other")
    assert project.find(tmp_path).folder == project.CHECKOUT


def test_state_lies_in_the_folder_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PULUMI_BACKEND_URL wins over `.state/`."""
    found = _made(tmp_path)
    assert found.backend_url == f"file://{tmp_path}/.state"
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    assert found.backend_url == "s3://bucket"


def test_catalogue_is_named_relative_to_the_project(tmp_path: Path) -> None:
    """A stack file may name another catalogue; without, it is citydc's own."""
    found = _made(tmp_path)
    found.stack_file("main").write_text("config:\n  citydc:catalogue: ours\n")
    found.stack_file("backup").write_text("config: {}\n")
    assert found.catalogue("main") == tmp_path / "ours"
    assert found.catalogue("backup") is None


def test_unknown_stack_names_the_known_ones(tmp_path: Path) -> None:
    """A site without stack file is bad input; the remedy names the stacks there are."""
    found = _made(tmp_path)
    found.stack_file("main").write_text("config: {}\n")
    with pytest.raises(BadInputError) as caught:
        found.catalogue("mian")
    assert "mian" in caught.value.what
    assert caught.value.remedy == "name one of: main"


@pytest.mark.parametrize("text", ["{", "- a\n", "\udcff"])
def test_unreadable_file_is_bad_input_with_its_place(tmp_path: Path, text: str) -> None:
    """Broken YAML, a list, bytes that are no UTF-8: one clear error that names the file."""
    file = tmp_path / "Pulumi.main.yaml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInputError) as caught:
        project.read_yaml(file)
    assert caught.value.place == str(file)


@pytest.mark.parametrize(
    "text", ["config: [a]\n", "config: 5\n", "config: {citydc:catalogue: [a]}\n"]
)
def test_settings_of_another_shape_are_bad_input(tmp_path: Path, text: str) -> None:
    """A configuration that is no mapping, a folder that is no text: told with the file."""
    found = _made(tmp_path)
    found.stack_file("main").write_text(text)
    with pytest.raises(BadInputError) as caught:
        found.catalogue("main")
    assert caught.value.place == str(found.stack_file("main"))
    assert caught.value.remedy


def test_passphrase_comes_from_the_variable_or_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable comes before the file; the file's last line end is not part of it."""
    found = _made(tmp_path)
    (tmp_path / "secret").write_text("from file\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "secret"))
    assert found.passphrase() == "from file"
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "given")
    assert found.passphrase() == "given"


def test_missing_passphrase_is_bad_input_with_a_remedy(tmp_path: Path) -> None:
    """Neither variable: the error says which to set."""
    with pytest.raises(BadInputError) as caught:
        _made(tmp_path).passphrase()
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" in caught.value.remedy


def test_passphrase_file_that_is_not_there_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cause is told, not a traceback."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "gone"))
    with pytest.raises(BadInputError, match="cannot be read"):
        _made(tmp_path).passphrase()
