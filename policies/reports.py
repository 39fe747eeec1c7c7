"""A gate's decision in the forms that pipelines read: SARIF and JUnit."""

import re
from typing import Any
from xml.etree import ElementTree as ET

from policies.gate import Report
from policies.model import Finding, Rule
from policies.rules import RULES

LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.0", "low": "2.0"}
"""How code scanning sorts: CVSS's bands."""
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sarif(report: Report) -> dict[str, Any]:
    """Return the report as SARIF 2.1.0; what is waived is suppressed, with its reason."""
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "citydc policy",
                        "informationUri": "https://docs.openstack.org/security-guide/",
                        "rules": [_sarif_rule(one) for one in RULES],
                    }
                },
                "results": [
                    *[_sarif_result(one, report) for one in report.found.violations],
                    *[
                        {
                            **_sarif_result(finding, report),
                            "suppressions": [
                                {
                                    "kind": "external",
                                    "status": "accepted",
                                    "justification": f"{waiver.owner}, until {waiver.expiry}:"
                                    f" {waiver.reason}",
                                }
                            ],
                        }
                        for finding, waiver in report.waived
                    ],
                    *[
                        {**_sarif_result(one), "kind": "open", "level": "none"}
                        for one in report.found.unknown
                    ],
                    *[
                        {
                            **_sarif_result(finding),
                            "kind": "informational",
                            "level": "none",
                            "properties": {"onlyOn": where},
                        }
                        for finding, where in report.elsewhere
                    ],
                    *[_sarif_result(one) for one in (*report.found.errors, *report.waiver_faults)],
                ],
                "properties": {
                    "site": report.site,
                    "profile": report.profile,
                    "on": report.on,
                    "passed": report.passed,
                    "waivers": [one.as_json() for one in report.waivers],
                },
            }
        ],
    }


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    about = rule.about
    return {
        "id": rule.id,
        "shortDescription": {"text": about.title.en},
        "fullDescription": {"text": about.against},
        "help": {"text": about.remedy},
        "defaultConfiguration": {"level": LEVELS[about.severity.value]},
        "properties": {
            "tags": [about.topic.value, *map(str, about.frameworks)],
            "security-severity": SCORES[about.severity.value],
        },
    }


def _sarif_result(finding: Finding, report: Report | None = None) -> dict[str, Any]:
    """Return a finding; where the `report` compares sources, with where else it is found."""
    name = finding.urn.rpartition("::")[2]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": LEVELS[finding.severity],
        "message": {"text": f"{name}: {finding.message}"},
        "locations": [
            {"logicalLocations": [{"fullyQualifiedName": finding.urn, "kind": "resource"}]}
        ],
    }
    index = next((at for at, rule in enumerate(RULES) if rule.id == finding.rule), None)
    if index is not None:
        result["ruleIndex"] = index
    if report and report.others:
        result["properties"] = {"alsoOn": report.also_on(finding)}
    return result


def junit(report: Report) -> str:
    """Return the report as JUnit's XML: a case for each rule, skipped where all is waived."""
    root = ET.Element("testsuites", name="citydc policy")
    suite = ET.SubElement(root, "testsuite", name=f"{report.site} {report.on}")
    if report.waivers:
        properties = ET.SubElement(suite, "properties")
        for one in report.waivers:
            said = f"{one.resource}: {one.owner}, until {one.expiry}: {one.reason.strip()}"
            ET.SubElement(properties, "property", name=f"waiver {one.rule}", value=said)
    for rule in RULES:
        case = ET.SubElement(
            suite, "testcase", classname=f"policies.{rule.about.topic.value}", name=rule.id
        )
        _add(case, "error", "failed", _of(report.found.errors, rule))
        undecided = "skipped" if report.state_follows else "failure"
        failing = _of(report.found.violations, rule)
        _add(case, "failure", rule.about.title.en, failing)
        if not failing:
            _add(case, undecided, "unknown before the deployment", _of(report.found.unknown, rule))
        waived = [one for one, _ in report.waived if one.rule == rule.id]
        if not len(case):
            _add(case, "skipped", "waived", waived)
    case = ET.SubElement(suite, "testcase", classname="policies", name="waivers")
    _add(case, "failure", "waivers that do not hold", report.waiver_faults)
    if report.others:
        ET.SubElement(suite, "system-out").text = NOT_XML.sub("?", _compared(report))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        count = sum(one.find(tag) is not None for one in suite.iter("testcase"))
        suite.set(name, str(count))
    suite.set("tests", str(len(suite.findall("testcase"))))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _compared(report: Report) -> str:
    """Return what only some of the sources have, a line for each finding."""
    here = (*report.found.violations, *(finding for finding, _ in report.waived))
    lines = [
        (one, [report.on, *report.also_on(one)])
        for one in here
        if len(report.also_on(one)) < len(report.others)
    ]
    return "\n".join(
        f"only on {', '.join(where)}: {one.rule}: {one.urn}: {one.message}"
        for one, where in [*lines, *report.elsewhere]
    )


def _of(findings: list[Finding], rule: Rule) -> list[Finding]:
    return [one for one in findings if one.rule == rule.id]


def _add(case: ET.Element, tag: str, message: str, findings: list[Finding]) -> None:
    if findings:
        text = "\n".join(f"{one.urn}: {one.message}" for one in findings)
        one = ET.SubElement(case, tag, message=message)
        one.text = NOT_XML.sub("?", text)
