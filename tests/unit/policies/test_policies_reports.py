"""What pipelines and people read of the gate."""

import json
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator
from policy_town import stack, view
from test_policies_gate import broken, changed, waiver

from policies import gate, reference, reports
from policies.gate import Report
from policies.rules import RULES
from policies.view import UNKNOWN

RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "message", "locations", "level"],
    "properties": {
        "ruleIndex": {"type": "integer", "minimum": 0, "maximum": len(RULES) - 1},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "kind": {"enum": ["open", "fail"]},
        "message": {"type": "object", "required": ["text"]},
    },
}


def closed() -> Report:
    """Return a report with a violation."""
    return gate.judge(view(broken()))


def undecided() -> Report:
    """Return a report with a value unknown."""
    return gate.judge(view(changed("shop-store-1-data", "Volume", volumeType=UNKNOWN)))


def waived() -> Report:
    """Return a report whose one violation is waived."""
    return gate.judge(view(broken()), [waiver()])


@pytest.mark.parametrize(
    "report", [closed(), undecided(), waived()], ids=["closed", "unknown", "waived"]
)
def test_sarif_has_a_result_for_each_finding(report: Report) -> None:
    """With its rule, level and resource; what is open has no level, as SARIF asks."""
    run = json.loads(json.dumps(reports.sarif(report)))["runs"][0]
    assert len(run["tool"]["driver"]["rules"]) == len(RULES)
    (result,) = run["results"]
    Draft202012Validator(RESULT).validate(result)
    assert RULES[result["ruleIndex"]].id == result["ruleId"] == "encryption-volume"
    assert (result["level"] == "none") == (result.get("kind") == "open")
    assert bool(result.get("suppressions")) == bool(report.waived)


@pytest.mark.parametrize(
    ("report", "counts"),
    [
        (gate.judge(view(stack())), ("0", "0")),
        (closed(), ("1", "0")),
        (undecided(), ("1", "0")),
        (waived(), ("0", "1")),
    ],
    ids=["open", "closed", "unknown", "waived"],
)
def test_junit_has_a_case_for_each_rule(report: Report, counts: tuple[str, str]) -> None:
    """And one for the waivers; failures and skips are counted."""
    suite = ET.fromstring(reports.junit(report)).find("testsuite")  # noqa: S314 - our own text
    assert suite is not None
    assert len(suite.findall("testcase")) == len(RULES) + 1 == int(suite.attrib["tests"])
    told = [one.attrib["name"] for one in suite.iter("property")]
    assert told == [f"waiver {one.rule}" for one in report.waivers]
    assert (suite.attrib["failures"], suite.attrib["skipped"]) == counts


def test_json_has_the_promised_shape() -> None:
    """passed, rules, violations with rule, severity, urn, message, and waived."""
    told = closed().as_json()
    assert told["passed"] is False
    assert told["rules"] == len(RULES)
    assert told["violations"] == [
        {
            "rule": "encryption-volume",
            "severity": "high",
            "urn": told["violations"][0]["urn"],
            "message": "is of the type standard, not luks",
        }
    ]
    assert told["waived"] == []


def test_the_written_reference_is_the_rules() -> None:
    """`python -m policies.reference` writes it."""
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), (
        "docs/policies.md is stale: run `python -m policies.reference`"
    )


def test_rules_are_listed_with_their_data() -> None:
    """As `citydc policy rules --json` prints them."""
    told = reference.as_json(RULES[0])
    assert told["id"] == RULES[0].id
    assert told["title"]["vi"]
    assert told["frameworks"][0].keys() == {"framework", "clause", "title"}
