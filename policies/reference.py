"""The reference of all rules, docs/policies.md: `python -m policies.reference` writes it."""

from pathlib import Path
from typing import Any

from policies.model import Rule, Topic
from policies.rules import RULES

PAGE = Path(__file__).parents[1] / "docs" / "policies.md"
HEAD = """\
# The policy gate

What must hold of a stack before it reaches the cloud, and after. Written by `python -m
policies.reference` from the rules themselves.

    citydc policy main                     # on the preview
    citydc policy main --state             # on what is deployed
    citydc policy main --plan FILE         # on what `citydc preview --save-plan FILE` saved
    citydc policy main --json --sarif main.sarif --junit main.xml
    citydc policy rules --json             # the rules with all that is said here
    pulumi preview --policy-pack policies  # the same rules, under the official CLI

The gate is closed (exit code 1) by any violation, by a rule that failed, by a value that a rule
needs and the preview cannot know, and by a waiver that does not hold. In a pipeline that judges
the state after the deploy, `--state-follows` lets unknown values pass the preview; they are shown
all the same.

Before the first deploy no id is known. Rules follow a reference by where its value comes from, so
that what refers to what is judged already. With the official CLI, `citydc policy` has only what
the CLI's events tell, which leaves that out: there the pack (`--policy-pack policies`) decides
more.

Where the ways to judge can differ: a preview has what the program declares, `--state` what the last
deploy left (drift is `citydc drift`'s matter), the pack what the provider answers, in which an
input that was left out can stand with the cloud's default. Whether a value is sealed in the state,
only `citydc policy` sees. The live cloud is not judged by itself yet.

A waiver in `policies/waivers.yaml` accepts findings for a time: rule, a pattern of resources
(URNs), owner, reason, expiry (a year at most), and where it is meant to match (`sites`,
`profiles`). Every report lists them. An expired waiver and one that matches nothing close the
gate.

Each rule has a failing and a passing fixture in `tests/unit/policies/fixtures/RULE/`. Which
changes of the real city no rule notices is in [policies-mutations.md](policies-mutations.md).

Clauses are cited where a rule serves them; no rule is a whole clause. TCVN 11930:2017 is cited by
the clauses of level 3.
"""
TITLES = {
    Topic.EXPOSURE: "Exposure: what can be reached from where",
    Topic.IPV6: "IPv6: both families everywhere, and equal",
    Topic.IDENTITY: "Identity: who may do what",
    Topic.ENCRYPTION: "Encryption: what is secret stays secret",
    Topic.ISOLATION: "Isolation: agencies do not meet but where declared",
    Topic.OWNERSHIP: "Ownership: everything says whose it is",
    Topic.RECOVERY: "Recovery: the other site can take over",
    Topic.CAPACITY: "Capacity: what is deployed fits machines, power and quotas",
    Topic.LIFECYCLE: "Lifecycle: what is there can be trusted, kept and replaced",
}


def page() -> str:
    """Return the reference in Markdown."""
    counts = "".join(f"| {topic.value} | {len(_of(topic))} |\n" for topic in Topic)
    table = f"\n| topic | rules |\n|---|---|\n{counts}| **all** | **{len(RULES)}** |\n"
    return HEAD + table + "".join(_section(topic) for topic in Topic)


def as_json(rule: Rule) -> dict[str, Any]:
    """Return a rule's data as `citydc policy rules --json` prints it."""
    about = rule.about
    return {
        "id": rule.id,
        "topic": about.topic.value,
        "severity": about.severity.value,
        "title": {"vi": about.title.vi, "en": about.title.en},
        "against": about.against,
        "remedy": about.remedy,
        "frameworks": [
            {"framework": one.framework, "clause": one.clause, "title": one.title}
            for one in about.frameworks
        ],
        "kinds": list(rule.kinds),
    }


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def _of(topic: Topic) -> list[Rule]:
    return [one for one in RULES if one.about.topic is topic]


def _section(topic: Topic) -> str:
    return f"\n## {TITLES[topic]}\n" + "".join(_entry(one) for one in _of(topic))


def _entry(rule: Rule) -> str:
    about = rule.about
    kinds = ", ".join(rule.kinds) if rule.kinds else "the whole stack"
    clauses = "; ".join(f"{one} ({one.title})" for one in about.frameworks)
    return (
        f"\n### {rule.id}\n"
        f"**{about.title.en}.** ({about.severity.value})\n"
        f"*{about.title.vi}.*\n\n"
        f"- Against: {about.against}\n"
        f"- Remedy: {about.remedy}\n"
        f"- Looks at: {kinds}\n"
        f"- Frameworks: {clauses}\n"
    )


if __name__ == "__main__":
    write()
