"""What no rule notices is known, and why."""

import pytest
from policy_town import stack, view

from policies import mutations
from policies.mutations import Mutation

EVERY = 16
"""One in so many is tried here; `python -m policies.mutations` tries all."""


def tried() -> list[Mutation]:
    """Return the mutations that are tried here."""
    return mutations.mutations(stack())[::EVERY]


def test_a_mutation_is_noticed_or_told_with_its_reason() -> None:
    """A small city's properties, changed one at a time."""
    known = mutations.reasons()
    untold = [
        str(one)
        for one in mutations.unnoticed(view(stack()), tried())
        if mutations.reason(one, known) is None
    ]
    assert untold == []


def test_the_page_gives_every_mutation_its_reason() -> None:
    """Nothing on it is without one, and it says how many were tried."""
    text = mutations.PAGE.read_text(encoding="utf-8")
    assert "Without a reason" not in text
    assert "mutations were tried" in text


@pytest.mark.parametrize("mutation", tried(), ids=str)
def test_a_mutation_changes_one_thing(mutation: Mutation) -> None:
    """One resource differs, or is gone; all others are the same."""
    before = stack()
    after = mutations.mutated(before, mutation)
    gone = len(before.resources) - len(after.resources)
    left = {one.urn: one for one in after.resources}
    changed = [one for one in before.resources if left.get(one.urn) != one]
    assert [one.urn for one in changed] == [mutation.urn]
    assert gone == (mutation.how == "removed" and not mutation.path)
