"""The reference of all rules, docs/policies.md: `python -m policies.reference` writes it."""

from pathlib import Path
from typing import Any

from policies.model import About, Rule, Topic
from policies.rules import RULES

PAGE = Path(__file__).parents[1] / "docs" / "policies.md"
HEAD = """\
# The policy gate

What must hold of a stack before it reaches the cloud, and after. Written by `python -m
policies.reference` from the rules themselves.

    citydc policy main                     # on the preview: what a deploy would make
    citydc policy main --state             # on the state: what the last deploy made
    citydc policy main --live              # on the cloud: what there is, made by hand or not
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

## Preview, state, live

The same rules judge all three. They differ where the three do: a preview has what the program
declares, `--state` what the last deploy left, `--live` what the cloud's services say now, read with
openstacksdk by the operator's own credentials. The pack has what the provider answers, in which an
input that was left out can stand with the cloud's default; whether a value is sealed in the state,
only `citydc policy` sees.

`--live` reads everything in the projects of the stack and in the operator's own, and what hangs on
that: somebody else's port on a network, a rule that an administrator put into a group, a floating
address, a role in an agency's project, given there or inherited, application credentials of who
has a role. What the state knows goes by its names, so that findings and waivers mean the same
resources. What no state knows goes by its name and id (`...:Port::NAME:ID`), is judged by all
rules like the rest, and is found by `ownership-stack` in any case.

Left alone is what the cloud makes by itself: the external network; ports of DHCP, of routers'
gateways, of floating addresses and of load balancers; a project's default group as neutron makes
it, while no port is in it (what is added to it is judged); SOA and NS records of a zone; keys that
cinder keeps in barbican; and other projects' objects, flavors, groups and users.

It cannot see: what only Pulumi knows (protection, which inputs are sealed, how providers reach the
cloud), a server's password, where an image came from; there the state's word stands, and the rule
says so below ("on the live cloud"). Neither does it read what objects hold (disks, objects,
payloads of secrets), EC2 keys, VPN and address groups (a rule for an address group counts as open
to all), and roles on the whole system. A port counts as DHCP's by its owner and by the name that
its agent gives it, which an administrator could forge.

The report of `--live` tells for each finding whether preview and state have it too, and lists what
only they have: a table column and a section, `also_on` and `elsewhere` in the JSON, `alsoOn` and
results of the kind `informational` in SARIF, `system-out` in JUnit. What only others have does not
close the gate:

    violations: 2
      high  live only       ownership-stack      by-hand:3c0e...  was made by hand: no state has it
      high  preview, state  encryption-volume    shop-store-1     is of the type standard, not luks
    not live, but elsewhere: 1
      high  preview         recovery-name-ttl    shop-a           has a TTL of 86400

A cloud that does not answer, or a service of it, or lists that are not whole: an error (exit code
3) and no decision. Credentials that are refused or lack the role `admin`, without which a cloud
hides what it has: exit code 2.

## Waivers

A waiver in `policies/waivers.yaml` accepts findings for a time: rule, a pattern of resources
(URNs), owner, reason, expiry (a year at most), and where it is meant to match (`sites`,
`profiles`, `on`: preview, state, live). Every report lists them. An expired waiver and one that
matches nothing close the gate.

## Rules

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
        "by_state": about.by_state,
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
        f"{_by_state(about)}"
        f"- Frameworks: {clauses}\n"
    )


def _by_state(about: About) -> str:
    return f"- On the live cloud: {about.by_state} as the state has it\n" if about.by_state else ""


if __name__ == "__main__":
    write()
