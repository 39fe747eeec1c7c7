"""Every rule has its data, bites what it must and leaves alone what it must."""

import re

import pytest
from policy_town import FIXTURES, fixture, fixture_view

from policies import gate
from policies.model import Rule, Topic
from policies.rules import RULES

VIETNAMESE = re.compile(r"[à-ỹÀ-Ỹ]")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_all_that_an_auditor_reads(rule: Rule) -> None:
    """Title in both languages, threat, remedy, at least one clause, and what the function does."""
    about = rule.about
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.id)
    assert about.topic.value == rule.check.__module__.removeprefix("policies.")
    assert VIETNAMESE.search(about.title.vi)
    for text in (about.title.en, about.against, about.remedy, rule.check.__doc__):
        assert text
        assert len(text) > 10
    assert about.against.endswith((".", "."))
    assert about.remedy.endswith(".")
    assert about.frameworks
    assert len(set(about.frameworks)) == len(about.frameworks)


def test_rules_are_many_and_named_once() -> None:
    """Sixty at least, some of every topic, and a folder of fixtures for each and no other."""
    ids = [one.id for one in RULES]
    assert len(ids) == len(set(ids)) >= 60
    assert {one.about.topic for one in RULES} == set(Topic)
    assert {one.name for one in FIXTURES.iterdir()} == set(ids)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_catches_its_failing_fixture(rule: Rule) -> None:
    """It says what the fixture expects, of whom it expects it, and nothing else."""
    data = fixture(rule.id, "fails")
    found = gate.find(fixture_view(data), [rule])
    assert not found.unknown
    assert not found.errors
    said = [{one.urn.rpartition("::")[2]: one.message} for one in found.violations]
    assert said
    assert said == data["expects"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_lets_its_passing_fixture_pass(rule: Rule) -> None:
    """The passing fixture differs in what is wrong, not in what the rule looks at."""
    found = gate.find(fixture_view(fixture(rule.id, "passes")), [rule])
    assert found == gate.Found()
