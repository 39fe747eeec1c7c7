"""Faulty files: each fault is told once, at its place, in words that help; nothing crashes."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from catalogue_town import BASE, Town
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import catalogue
from catalogue.documents import MAX_BYTES, read
from catalogue.errors import BadInputError
from catalogue.fields import _value

WEB = "services/web.yaml"
FILES = ["city.yaml", "targets.yaml", "factors.yaml", WEB, "services/batch.yaml", "sites/main.yaml"]


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Give a sound catalogue of one's own."""
    return Town(tmp_path / "town")


def said(town: Town) -> list[str]:
    """Return the problems as a user sees them, without the folder."""
    return [str(one).replace(f"{town.folder}/", "") for one in catalogue.check(town.folder)]


def faults() -> list[dict[str, Any]]:
    """Return the cases of faults.yaml."""
    document, problems = read(Path(__file__).parent / "faults.yaml")
    assert document is not None
    assert not problems
    return list(document.data["cases"])


@pytest.mark.parametrize("case", faults(), ids=lambda case: case["new"].strip()[:30])
def test_fault_is_told_at_its_place_in_plain_words(town: Town, case: dict[str, Any]) -> None:
    """A fault gives lines that say where, what, and what to do, and no others."""
    town.replace(case["file"], case["old"], case["new"])
    assert said(town) == case["wanted"]


def test_files_that_lack_or_cannot_be_read_are_told_once_each(town: Town) -> None:
    """A missing, misnamed or unreadable file has one problem and no consequences elsewhere."""
    (town.folder / "city.yaml").unlink()
    (town.folder / "cities.yaml").write_text("id: town\n", encoding="utf-8")
    (town.folder / "factors.yaml").write_bytes(b"\xff\xfe" + "factors: []".encode("utf-16-le"))
    (town.folder / "targets.yaml").write_text("# nothing yet\n", encoding="utf-8")
    (town.folder / WEB).rename(town.folder / "services/web.yml")
    (town.folder / "services/batch.yaml").unlink()
    (town.folder / "services/batch.yaml").symlink_to("nowhere.yaml")
    (town.folder / "services/.hidden.yaml").write_text("junk: [", encoding="utf-8")
    (town.folder / "services/more.yaml").mkdir()
    (town.folder / "services/large.yaml").write_text("#" * (MAX_BYTES + 1), encoding="utf-8")
    (town.folder / "services/list.yaml").write_text("- id: list\n", encoding="utf-8")
    assert said(town) == [
        "cities.yaml:1:1: is not read here — move it into sites/ or services/, or remove it",
        "city.yaml:1:1: is missing — create it",
        "factors.yaml:1:1: is not UTF-8 text — save it as UTF-8",
        "services/batch.yaml:1:1: is a link that leads nowhere — remove the link or its fault",
        "services/large.yaml:1:1: is larger than 4 MiB — a file describes one thing; split it",
        "services/list.yaml:1:1: is not a list of fields — write fields, such as `id: ...`",
        "services/more.yaml:1:1: is not a file — put a YAML file here",
        "services/web.yml:1:1: is not read, for its name's ending — rename it to web.yaml",
        "targets.yaml:1:1: is empty — write fields, such as `id: ...`",
    ]


def test_file_that_this_user_may_not_read_is_told(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's refusal is told as it is."""
    reading = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "batch.yaml":
            raise PermissionError(13, "Permission denied")
        return reading(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert said(town) == [
        "services/batch.yaml:1:1: can't be read: Permission denied — let this user read it"
    ]


@pytest.mark.parametrize("lost", ["sites", "services"])
def test_folder_that_is_missing_or_empty_is_told_once(town: Town, lost: str) -> None:
    """Without a folder nothing that would be in it is missed one by one."""
    shutil.rmtree(town.folder / lost)
    remedy = "create this folder with its files"
    assert said(town) == [f"{lost}:1:1: is no folder that can be read — {remedy}"]
    (town.folder / lost).mkdir()
    remedy = f"describe one of the {lost} in a file here"
    assert said(town) == [f"{lost}:1:1: has no .yaml files — {remedy}"]


def test_load_of_no_catalogue_says_which_folder_was_meant(tmp_path: Path) -> None:
    """A path that leads nowhere is bad input, not a crash."""
    with pytest.raises(BadInputError) as caught:
        catalogue.load(tmp_path / "nowhere")
    assert f"{tmp_path}/nowhere:1:1: is no folder that can be read" in str(caught.value)
    assert caught.value.exit_code == 2


def test_load_of_an_unsound_catalogue_raises_with_all_problems(town: Town) -> None:
    """The error carries each problem and prints one a line."""
    town.replace(WEB, "growth: 0.2", "growth: much")
    town.replace("services/batch.yaml", "agency: police", "agency: polce")
    with pytest.raises(catalogue.UnsoundCatalogueError, match="has 2 problems") as caught:
        catalogue.load(town.folder)
    assert [one.field for one in caught.value.problems] == ["agency", "growth"]
    assert len(str(caught.value).splitlines()) == 4


def test_byte_order_marks_and_windows_line_ends_are_no_fault(town: Town) -> None:
    """Files saved by other systems' editors read the same."""
    raw = (town.folder / WEB).read_bytes()
    (town.folder / WEB).write_bytes(b"\xef\xbb\xbf" + raw.replace(b"\n", b"\r\n"))
    assert said(town) == []


def break_numbers(file: Path) -> list[tuple[Path, int, int]]:
    """Put a letter before every number of a file and return where."""
    document, _ = read(file)
    assert document is not None
    places = sorted(
        place
        for steps, place in document.values.items()
        if type(_value(document.data, steps)) in {int, float}
    )
    lines = file.read_text(encoding="utf-8").split("\n")
    for line, column in reversed(places):
        text = lines[line - 1]
        lines[line - 1] = f"{text[: column - 1]}x{text[column - 1 :]}"
    file.write_text("\n".join(lines), encoding="utf-8")
    shifted, _ = read(file)
    assert shifted is not None
    return sorted(
        (file, *shifted.values[steps])
        for steps, place in document.values.items()
        if place in places
    )


def test_hundreds_of_broken_fields_give_as_many_problems(tmp_path: Path) -> None:
    """Every broken number of all the city's files is told, once, and nothing follows from it."""
    folder = tmp_path / "city"
    shutil.copytree(
        catalogue.CITY, folder, ignore=shutil.ignore_patterns("*.py", "*.inventory.yaml")
    )
    broken = [place for file in sorted(folder.rglob("*.yaml")) for place in break_numbers(file)]
    problems = catalogue.check(folder)
    assert len(broken) > 500
    assert [(one.file, one.line, one.column) for one in problems] == broken


JUNK: list[Any] = [None, True, -1, 1.5, "", "junk", [], {}, ["junk"], {"junk": 1}, [[]], [{}]]
PATHS = [
    (name, steps)
    for name in FILES
    for document, _ in [read(BASE / name)]
    if document
    for steps in document.values
    if steps
]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.sampled_from(PATHS), junk=st.sampled_from(JUNK))
def test_junk_anywhere_is_told_and_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str, tuple[Any, ...]], junk: Any
) -> None:
    """Whatever stands in place of a value, `check` says something or takes it for sound."""
    town = Town(tmp_path_factory.mktemp("junk") / "town")
    town.edit(place[0], ".".join(map(str, place[1])), junk)
    for problem in catalogue.check(town.folder):
        assert problem.what
        assert problem.remedy
        assert problem.line >= 1
    shutil.rmtree(town.folder)
