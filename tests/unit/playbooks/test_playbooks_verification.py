"""Checks and behaviours, judged by answers that hosts gave."""

import json
from typing import Any

import pytest

from playbooks import behaviours, verification
from playbooks.behaviours import BEHAVIOURS, Answer
from playbooks.controls import Control

FLOWS = [
    {"direction": "ingress", "protocol": "tcp", "port": 22, "peer": "bastion",
     "ipv4": ["10.0.0.0/26"], "ipv6": ["fd00::/64"]},
    {"direction": "egress", "protocol": "tcp", "port": 443, "peer": "mirror",
     "ipv4": ["10.9.0.0/28"], "ipv6": ["fd09::/64"]},
]  # fmt: skip
HOST: dict[str, Any] = {
    "citydc_host": {
        "image_user": "debian", "tier": "web", "ipv4": "10.0.0.16", "ipv6": "fd00::10",
    },
    "citydc_flows": FLOWS,
}  # fmt: skip


def _control(*, owned_kernel: bool = False, **verify: Any) -> Control:
    return Control.model_validate(
        {
            "id": "some-control",
            "title": {"vi": "Điều", "en": "Thing"},
            "status": "enforced",
            "role": "base",
            "owned_kernel": owned_kernel,
            "verify": verify,
        }
    )


def _answer(text: str, error: str = "", code: int = 0) -> Answer:
    return Answer(text, error, code, "2026-01-01T00:00:00+00:00")


CASES = [
    ({"sysctl": {"net.a.b": "0"}}, "0", "1"),
    ({"sysctl": {"net.a.*.b": "0"}}, "net/a/x/b:0\nnet/a/y/b:0", "net/a/x/b:0\nnet/a/y/b:1"),
    ({"sysctl": {"net.a.*.b": "0"}}, "net/a/x/b:0", ""),
    ({"sshd": {"maxauthtries": "[1-3]"}}, "port 22\nmaxauthtries 3", "maxauthtries 6"),
    ({"sshd": {"maxauthtries": "[1-3]"}}, "maxauthtries 3", "port 22"),
    ({"packages": ["sudo"]}, "sudo installed", "sudo config-files"),
    ({"no_packages": ["cups"]}, "cups-common installed", "cups installed"),
    ({"active": ["a.service"]}, "active\nenabled", "active\ndisabled"),
    ({"active": ["a.service"]}, "active\nenabled", "failed\nenabled"),
    ({"off": ["a.target"]}, "masked\ninactive", "loaded\nactive"),
    ({"files": {"/a": "0640 root:adm"}}, "600 root:adm", "644 root:adm"),
    ({"files": {"/a": "0640 root:adm"}}, "640 root:adm", "640 root:root"),
    ({"files": {"/a": "0640 root:adm"}}, "640 root:adm", ""),
    ({"lines": {"/a": [r"deny\s*=\s*5"]}}, "# deny = 4\ndeny = 5", "# deny = 5"),
    ({"no_lines": {"/a": [".*Debian.*"]}}, "hello", "Debian 12"),
    ({"probes": [{"command": "x", "is": ""}]}, "", "found"),
    ({"probes": [{"command": "x", "matches": "^b$"}]}, "a\nb", "ab"),
    ({"probes": [{"command": "x", "lacks": "^b$"}]}, "ab", "a\nb"),
    ({"probes": [{"command": "x", "at_most": 3}]}, "3", "4"),
    ({"no_packages": ["cups"]}, "sudo installed", ""),
    ({"modules": ["hfs"]}, "install /bin/false", "insmod /lib/hfs.ko"),
    ({"audit": ["-w /etc/a -p wa -k x"]}, "-w /etc/a -p wa -k x", "-w /etc/b -p wa -k x"),
]


@pytest.mark.parametrize(("verify", "good", "bad"), CASES)
def test_check_tells_good_from_bad(verify: dict[str, Any], good: str, bad: str) -> None:
    """The good answer passes and the bad one fails, saying what was found."""
    control = _control(**verify)
    for text, passed in ((good, True), (bad, False)):
        answers = dict.fromkeys(verification.commands([control], HOST, owned=True), _answer(text))
        result = verification.judge(control, HOST, answers, owned=True)
        assert result.passed is passed
        assert result.proof == "applied"
        assert result.expected


@pytest.mark.parametrize(
    "verify",
    [
        {"probes": [{"command": "x", "is": ""}]},
        {"probes": [{"command": "x", "lacks": "y"}]},
        {"probes": [{"command": "x", "at_most": 3}]},
        {"no_packages": ["cups"]},
        {"modules": ["hfs"]},
        {"behaviour": "accounts"},
        {"behaviour": "listeners"},
        {"behaviour": "listener-families"},
        {"behaviour": "system-accounts"},
        {"behaviour": "firewall"},
    ],
    ids=str,
)
@pytest.mark.parametrize("failed", ["/bin/sh: 1: x: not found", "no answer within 120 s"])
def test_absence_is_not_proved_by_a_command_that_can_t_run(
    verify: dict[str, Any], failed: str
) -> None:
    """Who sees nothing has not seen that nothing is there."""
    control = _control(**verify)
    commands = verification.commands([control], HOST, owned=True)
    answers = dict.fromkeys(commands, _answer("", failed, 127))
    assert not verification.judge(control, HOST, answers, owned=True).passed


def test_answer_that_can_t_be_read_is_a_failure() -> None:
    """A judge that stumbles leaves a record that says so, not none."""
    control = _control(behaviour="firewall")
    answers = dict.fromkeys(verification.commands([control], HOST, owned=True), _answer("{"))
    result = verification.judge(control, HOST, answers, owned=True)
    assert (result.passed, "can't be read" in result.found) == (False, True)


def test_optional_file_may_be_missing() -> None:
    """A file that need not be there passes when it is not."""
    control = _control(files={"/a": "0600 root:root, if there"})
    answers = dict.fromkeys(verification.commands([control], HOST, owned=True), _answer(""))
    assert verification.judge(control, HOST, answers, owned=True).passed


def test_shared_kernel_is_judged_by_what_is_written() -> None:
    """A setting of the kernel is looked up in the files where the kernel is another's."""
    control = _control(owned_kernel=True, sysctl={"kernel.sysrq": "0"}, modules=["hfs"])
    written = {
        verification.SYSCTL_FILES: _answer("kernel.sysrq = 0"),
        verification.MODPROBE_FILES: _answer("install hfs /bin/false"),
    }
    result = verification.judge(control, HOST, written, owned=False)
    assert (result.passed, result.proof) == (True, "written")
    assert "sysctl -n kernel.sysrq" in verification.commands([control], HOST, owned=True)


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        (
            "-a always,exit -F arch=b64 -S mount -F auid>=1000 -F auid!=unset -k mounts",
            "-a always,exit -F arch=b64 -S mount -F auid>=1000 -F auid!=-1 -F key=mounts",
        ),
        (
            "-a always,exit -F path=/usr/bin/su -F perm=x -F auid!=unset -k privileged",
            "-a always,exit -S all -F path=/usr/bin/su -F perm=x -F auid!=-1 -F key=privileged",
        ),
        (
            "-a always,exit -F arch=b64 -S settimeofday,adjtimex -k t",
            "-a always,exit -F arch=b64 -S adjtimex,settimeofday -F key=t",
        ),
    ],
)
def test_audit_rule_is_known_as_auditctl_prints_it(written: str, printed: str) -> None:
    """Order and spelling don't tell rules apart."""
    assert verification.audit_fields(written) == verification.audit_fields(printed)
    assert verification.audit_fields(written) != verification.audit_fields(printed + "2")


def _match(field: str, right: Any, protocol: str = "ip6") -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": field}},
                      "right": right}}  # fmt: skip


def _known(left: dict[str, Any], right: Any, operator: str = "==") -> dict[str, Any]:
    return {"match": {"op": operator, "left": left, "right": right}}


def _rule(chain: str, *expressions: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {"chain": chain, "expr": [*expressions, {"accept": None}]}}


def _prefix(address: str, length: int) -> dict[str, Any]:
    return {"prefix": {"addr": address, "len": length}}


RULES = [
    _rule("input", _match("saddr", _prefix("10.0.0.0", 26)), _match("dport", 22, "tcp")),
    _rule("input", _match("saddr", _prefix("fd00::", 64)), _match("dport", 22, "tcp")),
    _rule("output", _match("daddr", _prefix("10.9.0.0", 28)), _match("dport", 443, "tcp")),
    _rule("output", _match("daddr", _prefix("fd09::", 64)), _match("dport", 443, "tcp")),
    _rule("input", _known({"meta": {"key": "iif"}}, "lo")),
    _rule("input", _known({"ct": {"key": "state"}}, ["established", "related"], "in")),
    _rule(
        "output",
        _match(
            "type",
            {
                "set": [
                    "destination-unreachable",
                    "echo-request",
                    "time-exceeded",
                    "parameter-problem",
                ]
            },
            "icmp",
        ),
    ),
    _rule(
        "output",
        _match("daddr", _prefix("fd00::", 64)),
        _known({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["syn", "ack"]]}, "ack"),
        _match("sport", 22, "tcp"),
    ),
    {"rule": {"chain": "input", "expr": [_known({"meta": {"key": "l4proto"}}, "ipv6-icmp"),
                                         {"jump": {"target": "icmpv6-in"}}]}},
]  # fmt: skip


def _verdict(name: str, variables: dict[str, Any], *texts: str) -> behaviours.Verdict:
    behaviour = BEHAVIOURS[name](variables)
    answers = {
        command: _answer(text) for command, text in zip(behaviour.commands, texts, strict=True)
    }
    return behaviour.judge(answers)


def _ruleset(*rules: dict[str, Any]) -> str:
    return json.dumps({"nftables": [{"metainfo": {}}, *rules]})


def test_firewall_is_the_flows() -> None:
    """The rules of the flows pass; a missing one and one by hand are named."""
    by_hand = _rule("input", _match("dport", {"set": [8080]}, "tcp"))
    assert _verdict("firewall", HOST, _ruleset(*RULES)).passed
    missing = _verdict("firewall", HOST, _ruleset(*RULES[1:]))
    assert missing == (False, "missing ingress tcp 22 10.0.0.0/26")
    extra = _verdict("firewall", HOST, _ruleset(*RULES, by_hand))
    assert extra == (False, "also ingress tcp 8080 any")


@pytest.mark.parametrize(
    "rule",
    [
        _rule("input"),
        _rule("input", _match("saddr", _prefix("10.66.0.0", 16), "ip")),
        _rule("input", _match("dport", {"range": [1, 65535]}, "tcp")),
        _rule("input", _match("sport", 22, "tcp")),
        _rule("input", _known({"meta": {"key": "iifname"}}, "eth0")),
        _rule(
            "input",
            _known({"payload": {"protocol": "ip", "field": "saddr"}}, "10.0.0.1", "!="),
            _match("dport", 22, "tcp"),
        ),
        {"rule": {"chain": "input", "expr": [{"jump": {"target": "mine"}}]}},
        {"rule": {"chain": "output", "expr": [{"goto": {"target": "mine"}}]}},
        {"rule": {"chain": "output", "expr": [{"vmap": {"key": {}, "data": {}}}]}},
    ],
    ids=str,
)
def test_rule_that_lets_pass_by_anything_else_is_found(rule: dict[str, Any]) -> None:
    """All ports, all packets of a caller, of an interface, or what another chain says."""
    found = _verdict("firewall", HOST, _ruleset(*RULES, rule))
    assert not found.passed
    assert found.found.startswith("also ")


def test_firewall_needs_both_families_but_on_ipv6_only_hosts() -> None:
    """A flow without its IPv4 rule is found, unless the host has no IPv4."""
    alone = _ruleset(RULES[1], RULES[3])
    found = _verdict("firewall-families", HOST, alone)
    assert (found.passed, "ingress tcp 22 in IPv4" in found.found) == (False, True)
    assert _verdict("firewall-families", {**HOST, "ipv6_profile": "ipv6-only"}, alone).passed


LISTENING = "tcp LISTEN 0 128 {} 0.0.0.0:*"


@pytest.mark.parametrize(
    ("name", "sockets", "passed"),
    [
        ("listeners", ["0.0.0.0:22", "[::]:22"], True),
        ("listeners", ["127.0.0.1:25", "[::1]:25", "[::ffff:127.0.0.1]:26"], True),
        ("listeners", ["[::]:8080"], False),
        ("listener-families", ["0.0.0.0:22", "[::]:22"], True),
        ("listener-families", ["*:22"], True),
        ("listener-families", ["0.0.0.0:22"], False),
        ("listener-families", ["[::]:22"], True),
    ],
)
def test_listeners_are_declared_and_on_ipv6(name: str, sockets: list[str], passed: bool) -> None:  # noqa: FBT001
    """A port that no flow names and a port on IPv4 alone are found; loopback's don't count."""
    text = "\n".join(LISTENING.format(one) for one in sockets)
    assert _verdict(name, HOST, text).passed is passed


def test_port_of_the_catalogue_may_be_listened_on_before_anybody_calls() -> None:
    """A database whose callers have no servers yet listens all the same."""
    text = LISTENING.format("[::]:5432")
    declared = {**HOST, "citydc_listens": [{"protocol": "tcp", "port": 5432}]}
    assert _verdict("listeners", declared, text).passed
    assert not _verdict("listeners", HOST, text).passed


def test_accounts_beyond_the_declared_are_named() -> None:
    """Root, the image's account and the administrators may have a shell."""
    people = {**HOST, "base_administrators": [{"name": "anh"}, {"name": "binh", "state": "absent"}]}
    assert _verdict("accounts", people, "root\ndebian\nanh").passed
    assert _verdict("accounts", people, "root\nbinh") == (False, "also binh")


def test_who_may_log_in_is_whom_the_site_names() -> None:
    """A pattern for all, or one name more or less, is found."""
    people = {**HOST, "base_administrators": [{"name": "anh"}]}
    named = "allowusers debian\nallowusers anh"
    assert _verdict("ssh-users", people, named).passed
    assert not _verdict("ssh-users", people, f"{named}\nallowusers *").passed
    assert not _verdict("ssh-users", people, "allowusers debian").passed
    assert not _verdict("ssh-users", people, "").passed
    assert _verdict("ssh-users", {**HOST, "ssh_users": ["o"]}, "allowusers o").passed


def test_system_accounts_with_a_shell_are_named_but_a_services_own() -> None:
    """A database's account may have one where its service says so."""
    database = {**HOST, "accounts_of_services": ["postgres"]}
    assert _verdict("system-accounts", HOST, "root\npostgres") == (False, "postgres")
    assert _verdict("system-accounts", database, "root\npostgres").passed


def _links(*addresses: str) -> str:
    info = [{"local": one, "scope": "global"} for one in addresses]
    return json.dumps([{"ifname": "eth0", "addr_info": info}])


def test_addresses_are_the_planned_ones() -> None:
    """A missing or strange address fails; an IPv6-only host has no IPv4, SLAAC adds its own."""
    both, alone = _links("10.0.0.16", "fd00::10"), _links("fd00::10")
    assert _verdict("addresses", HOST, both).passed
    assert not _verdict("addresses", HOST, alone).passed
    assert not _verdict("addresses", HOST, _links("10.0.0.16", "fd00::10", "fd66::1")).passed
    only = {**HOST, "ipv6_profile": "ipv6-only"}
    assert _verdict("addresses", only, alone).passed
    assert not _verdict("addresses", only, both).passed
    slaac = {**HOST, "ipv6_profile": "slaac"}
    assert _verdict("addresses", slaac, _links("10.0.0.16", "fd00::abcd")).passed


def test_router_advertisements_are_heard_by_profile() -> None:
    """Only SLAAC has them; a route that one left is found."""
    off, on = "IPv6AcceptRA=no", "IPv6AcceptRA=yes"
    assert _verdict("router-advertisements", HOST, off, "").passed
    assert not _verdict("router-advertisements", HOST, off, "default via fe80::1").passed
    assert not _verdict("router-advertisements", HOST, on, "").passed
    slaac = {**HOST, "ipv6_profile": "slaac"}
    assert _verdict("router-advertisements", slaac, on, "default via fe80::1").passed


def test_only_the_jump_host_forwards() -> None:
    """The bastion forwards to port 22 anywhere, others nowhere."""
    jump = {**HOST, "citydc_host": {**HOST["citydc_host"], "tier": "bastion"}}
    plain, open_ = (
        "allowtcpforwarding no\npermitopen any",
        "allowtcpforwarding local\npermitopen *:22",
    )
    assert _verdict("ssh-forwarding", HOST, plain).passed
    assert not _verdict("ssh-forwarding", HOST, open_).passed
    assert _verdict("ssh-forwarding", jump, open_).passed
    assert not _verdict("ssh-forwarding", jump, plain).passed


@pytest.mark.parametrize(("text", "passed"), [("2\n1", True), ("0\n1", False), ("1\n0", False)])
def test_records_reach_journal_and_file(text: str, passed: bool) -> None:  # noqa: FBT001
    """A message is in both."""
    assert _verdict("records", HOST, text).passed is passed


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        ("install /bin/false", True),
        ("insmod /lib/modules/6.1/kernel/lib/crc-itu-t.ko \ninstall /bin/false", True),
        ("insmod /lib/modules/6.1/kernel/fs/udf/udf.ko", False),
        ("install /bin/false\ninsmod /lib/modules/6.1/kernel/fs/udf/udf.ko", False),
    ],
)
def test_module_is_refused_itself_whatever_it_depends_on(said: str, *, passed: bool) -> None:
    """What it needs may be loaded; the module itself, last in the list, is not."""
    check = verification._module("udf", live=True)
    assert check.judge({"modprobe -n -v udf": _answer(said)}).passed is passed


WATCHING = {
    "accounts": ["prometheus", "alertmanager"], "strangers": [401, 401, 401],
    "plain": [400, 400, 0], "targets": 3, "down": [], "rules": 9, "faulty": [], "members": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("control", "wrong"),
    [
        ("monitoring-confined", {"accounts": ["prometheus", "prometheus"]}),
        ("monitoring-confined", {"strangers": [200, 401, 401]}),
        ("monitoring-confined", {"plain": [200, 400, 0]}),
        ("monitoring-sees", {"down": ["http://127.0.0.1:9814/metrics"]}),
        ("monitoring-sees", {"targets": 0}),
        ("monitoring-sees", {"rules": 0}),
        ("monitoring-sees", {"faulty": ["ServiceDown"]}),
        ("monitoring-sees", {"down": ["https://[fd00::10]:9812/metrics"]}),
        ("monitoring-sees", {"members": 0}),
    ],
)
def test_monitoring_is_confined_and_sees_all(control: str, wrong: dict[str, Any]) -> None:
    """One thing amiss is found on a monitoring host; no other host may have Prometheus."""
    host = {**HOST, "monitoring_servers": ["fd00::10", "fd01::10"]}
    assert _verdict(control, host, json.dumps(WATCHING)).passed
    assert not _verdict(control, host, json.dumps(WATCHING | wrong)).passed
    assert _verdict(control, HOST, "").passed
    assert not _verdict(control, HOST, "/usr/bin/prometheus").passed


def test_monitoring_of_a_site_is_sound_while_the_other_is_away() -> None:
    """That is told by an alert, and is the other's to prove."""
    host = {**HOST, "monitoring_servers": ["fd00::10", "fd01::10"]}
    away = {"down": ["https://[fd01::10]:9812/metrics"], "members": 1}
    assert _verdict("monitoring-sees", host, json.dumps(WATCHING | away)).passed


def test_monitoring_that_does_not_answer_fails() -> None:
    """What the look at it said is shown."""
    behaviour = BEHAVIOURS["monitoring-sees"]({**HOST, "monitoring_servers": ["fd00::10"]})
    answer = Answer("", "Connection refused", 1, "")
    found = behaviour.judge(dict.fromkeys(behaviour.commands, answer))
    assert (found.passed, found.found) == (False, "Connection refused")
