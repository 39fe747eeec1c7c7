"""What the city runs, as data, and the typed model that reads it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from catalogue.checks import CHECKS, DERIVED
from catalogue.loading import Draft, drafted
from catalogue.model import Catalogue
from catalogue.problems import Problem, UnsoundCatalogueError

__all__ = ["CITY", "Catalogue", "Problem", "Rule", "UnsoundCatalogueError", "check", "load"]

CITY = Path(__file__).parent
"""The folder of the city's own catalogue."""


Rule = Callable[[Draft], Iterator[Problem]]
"""Something that the files must agree on."""


def check(folder: Path | None = None, more: Sequence[Rule] = ()) -> list[Problem]:
    """
    Return everything that is wrong with the catalogue in `folder` (default: the city's own).

    `more` are rules of those who use the catalogue and know what it names.
    """
    return _judged(folder, more)[1]


def load(folder: Path | None = None, more: Sequence[Rule] = ()) -> Catalogue:
    """
    Return the catalogue in `folder` (default: the city's own), judged by `more` rules too.

    Raise UnsoundCatalogueError, with all problems, if there is any.
    """
    draft, problems = _judged(folder, more)
    catalogue = draft.catalogue()
    if problems or catalogue is None:
        raise UnsoundCatalogueError(draft.folder, problems)
    return catalogue


def _judged(folder: Path | None, more: Sequence[Rule]) -> tuple[Draft, list[Problem]]:
    draft, problems = drafted(folder or CITY)
    seen = {(problem.file, problem.field) for problem in problems if problem.field}
    for rule in (*CHECKS, *more):
        problems += [one for one in rule(draft) if (one.file, one.field) not in seen]
    if not problems:
        problems = [one for rule in DERIVED for one in rule(draft)]
    return draft, sorted(set(problems))
