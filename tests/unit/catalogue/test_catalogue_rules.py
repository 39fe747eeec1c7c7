"""Each rule by its cases: files that say what to change in a sound catalogue and what is found."""

from pathlib import Path

import pytest
from catalogue_town import Town

import catalogue
from catalogue.checks import CHECKS, DERIVED
from catalogue.documents import read

CASES = Path(__file__).parent / "cases"
FILES = sorted(CASES.rglob("*.yaml"))
RULES = [*CHECKS, *DERIVED]


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Give a sound catalogue of one's own."""
    return Town(tmp_path / "town")


def expected(file: Path) -> list[str]:
    """Return the problems that a case expects: "file field: beginning of what is wrong"."""
    document, problems = read(file)
    assert document is not None
    assert not problems
    return list(document.data["problems"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_rule_finds_what_its_case_says_and_nothing_else(file: Path, town: Town) -> None:
    """A catalogue changed as the case says has exactly the problems that the case lists."""
    document, _ = read(file)
    assert document is not None
    for changed, edits in document.data["edits"].items():
        for path, value in edits.items():
            town.edit(changed, path, value)
    for copied, numbers in document.data.get("copies", {}).items():
        town.copy(copied, numbers)
    found = sorted(
        f"{one.file.relative_to(town.folder)} {one.field}: {one.what}"
        for one in catalogue.check(town.folder)
    )
    wanted = sorted(expected(file))
    assert len(found) == len(wanted), found
    for what, begin in zip(found, wanted, strict=True):
        assert what.startswith(begin), found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_has_a_failing_and_a_passing_case(rule: object) -> None:
    """A rule without both kinds of cases is not tested."""
    name = getattr(rule, "__name__", "")
    outcomes = {bool(expected(file)) for file in FILES if file.parent.name == name}
    assert outcomes == {True, False}


def test_every_case_belongs_to_a_rule() -> None:
    """A folder of cases is named for a rule that runs."""
    assert {file.parent.name for file in FILES} == {rule.__name__ for rule in RULES}
