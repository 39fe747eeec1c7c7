"""What is judged by more than one answer of a host, or by what the inventory knows of it."""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

EXCERPT = 300
RULESET = "nft -j list table inet citydc"
CHAINS = {"icmpv6-in", "icmpv6-out", "icmp-in"}
ICMP_OUT = ["destination-unreachable", "echo-request", "time-exceeded", "parameter-problem"]
LISTENERS = "ss -Hlntu"
ADDRESSES = "ip -j address"
RECORDS = (
    "word=citydc-verify-$$; logger -p auth.info $word; sleep 1; "
    "journalctl -q -n 200 -p info -t root --no-pager | grep -c $word; "
    "for n in 1 2 3 4 5 6 7 8 9 10; do grep -q $word /var/log/auth.log && break; sleep 0.5; done; "
    "grep -c $word /var/log/auth.log"
)

LOG_PORT = 6514
# Where records are sent, and once one was, the connection that they went by.
FORWARDED = (
    'target=$(grep -oP \'omfwd" target="\\K[^"]+\' /etc/rsyslog.conf) || exit 0; echo $target; '
    "logger -p daemon.info citydc-verify; for n in 1 2 3 4 5 6 7 8 9 10; do "
    f"peer=$(ss -Htn state established dport = :{LOG_PORT} | awk '{{print $4; exit}}'); "
    '[ "$peer" ] && break; sleep 0.5; done; echo $peer'
)
RECEIVERS = (
    "grep -hoE '^[^#]*\\b(imtcp|imudp|imrelp)\\b' /etc/rsyslog.conf /etc/rsyslog.d/* 2>/dev/null"
    " | grep -oE '(imtcp|imudp|imrelp)'"
)
NO_MONITORING = "ls /usr/bin/prometheus /usr/bin/prometheus-alertmanager 2>/dev/null || true"
# What a monitoring host shows of itself at its own address, once all targets were asked.
WATCHING = """python3 - <<'END'
import base64, http.client, json, ssl, subprocess, time, urllib.error, urllib.request
from pathlib import Path

WORD = Path("/etc/citydc/monitoring/prometheus.password").read_text().strip()
KNOWN = {{"Authorization": "Basic " + base64.b64encode(f"prometheus:{{WORD}}".encode()).decode()}}
TRUSTED = ssl.create_default_context(cafile="/etc/citydc/tls/authority.crt")

def opened(url, headers):
    asked = urllib.request.Request(url, headers=headers)
    return urllib.request.urlopen(asked, timeout=10, context=TRUSTED)

def status(url):
    try:
        return opened(url, {{}}).status
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return 0

def told(port, path):
    return json.load(opened(f"https://[{address}]:{{port}}/api/{{path}}", KNOWN))

def account(unit):
    words = ["systemctl", "show", "-P", "MainPID", unit]
    pid = subprocess.run(words, capture_output=True, text=True).stdout.strip()
    return Path("/proc", pid).owner() if pid != "0" else ""

for _ in range(30):
    targets = told(9090, "v1/targets")["data"]["activeTargets"]
    if all(one["health"] != "unknown" for one in targets):
        break
    time.sleep(2)
rules = [one for group in told(9090, "v1/rules")["data"]["groups"] for one in group["rules"]]
print(json.dumps({{
    "accounts": [account("prometheus"), account("prometheus-alertmanager")],
    "strangers": [status(f"https://[{address}]:{{port}}/") for port in (9090, 9093, 9812)],
    "plain": [status(f"http://[{address}]:{{port}}/") for port in (9090, 9093, 9812)],
    "targets": len(targets),
    "down": [one["scrapeUrl"] for one in targets if one["health"] != "up"],
    "rules": len(rules),
    "faulty": [one["name"] for one in rules if one["health"] == "err"],
    "members": len(told(9093, "v2/status")["cluster"]["peers"]),
}}))
END"""


@dataclass(frozen=True)
class Answer:
    """What a host said to one command: standard output, error, the code, when (ISO 8601)."""

    text: str
    error: str
    code: int
    when: str

    @property
    def failed(self) -> bool:
        """Whether the command failed."""
        return self.code != 0

    @property
    def excerpt(self) -> str:
        """What is shown of it."""
        said = self.text or (self.error if self.failed else "")
        return said if len(said) <= EXCERPT else said[:EXCERPT] + " ..."


Answers = Mapping[str, Answer]


class Verdict(NamedTuple):
    """Whether it is as expected, and what was found."""

    passed: bool
    found: str


@dataclass(frozen=True)
class Behaviour:
    """Commands, what is expected, and the judge."""

    commands: tuple[str, ...]
    expected: str
    judge: Callable[[Answers], Verdict]


Variables = Mapping[str, Any]
Rule = tuple[str, str, int, str]
"""Direction, protocol, port, prefix."""


def flows(variables: Variables) -> list[Mapping[str, Any]]:
    """Return the flows of a host: the catalogue's and its site's own."""
    return [*variables["citydc_flows"], *variables.get("firewall_extra_flows", ())]


def wanted_rules(variables: Variables) -> set[Rule]:
    """Return what the host's flows let pass."""
    families = ("ipv6",) if _profile(variables) == "ipv6-only" else ("ipv4", "ipv6")
    return {
        (one["direction"], one["protocol"], one["port"], str(ipaddress.ip_network(prefix)))
        for one in flows(variables)
        for family in families
        for prefix in one[family]
    }


def found_rules(ruleset: str) -> set[Rule]:
    """
    Return what the rules of nftables (as JSON) let pass by address and port.

    What lets pass by anything else has the protocol "any", but for the rules of every host.
    """
    rules = set()
    for item in json.loads(ruleset)["nftables"]:
        rule = item.get("rule", {})
        if rule.get("chain") in {"input", "output"} and _lets_pass(rule["expr"]):
            rules |= _of_rule(rule)
    return rules


def _lets_pass(expressions: Sequence[Mapping[str, Any]]) -> bool:
    return any(
        "accept" in one
        or "vmap" in one
        or (one.get("jump") or one.get("goto") or {}).get("target", "icmp-in") not in CHAINS
        for one in expressions
    )


def _of_rule(rule: Mapping[str, Any]) -> set[Rule]:
    way, side = ("ingress", "saddr") if rule["chain"] == "input" else ("egress", "daddr")
    matches = [one["match"] for one in rule["expr"] if "match" in one]
    fields = {_field(one["left"]): one["right"] for one in matches if one["op"] in {"==", "in"}}
    addresses, ports = fields.get(side), fields.get("dport")
    if _is_every_host_s(fields, way) and len(fields) == len(matches):
        return set()
    if ports is None or len(fields) < len(matches):
        return {(way, "any", 0, "any")}
    protocol = next(one["left"]["payload"]["protocol"] for one in matches if one["right"] is ports)
    return {
        (way, protocol, port, _prefix(one)) for one in _values(addresses) for port in _ports(ports)
    }


def _is_every_host_s(fields: Mapping[str, Any], way: str) -> bool:
    """Whether it is a rule about the host itself, errors, or connections that are there."""
    if way == "egress" and set(fields) == {"daddr", "flags", "sport"}:
        return True  # answers in older SSH connections
    return (fields.get("iif") or fields.get("oif")) == "lo" or fields in (
        {"state": ["established", "related"]},
        {"type": {"set": ICMP_OUT}},
    )


def _field(left: Any) -> str:
    """Return what a match looks at: a field of the packet, or what is known of it."""
    if "&" in left:
        return _field(left["&"][0])
    about = left.get("payload") or left.get("meta") or left.get("ct") or {}
    return str(about.get("field") or about.get("key"))


def _ports(right: Any) -> list[Any]:
    return [one if isinstance(one, int) else json.dumps(one) for one in _values(right)]


def _values(right: Any) -> list[Any]:
    return list(right["set"]) if isinstance(right, dict) and "set" in right else [right]


def _prefix(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return str(ipaddress.ip_network(value)) if value else "any"


def _firewall(variables: Variables) -> Behaviour:
    wanted = wanted_rules(variables)

    def judge(answers: Answers) -> Verdict:
        if answers[RULESET].failed:
            return Verdict(passed=False, found=answers[RULESET].error)
        found = found_rules(answers[RULESET].text)
        extra, missing = found - wanted, wanted - found
        said = [
            *(f"also {' '.join(map(str, one))}" for one in sorted(extra)),
            *(f"missing {' '.join(map(str, one))}" for one in sorted(missing)),
        ]
        return Verdict(not said, "; ".join(said) or f"{len(found)} rules")

    return Behaviour((RULESET,), f"{len(wanted)} rules, those of the catalogue's flows", judge)


def _families(variables: Variables) -> Behaviour:
    """Each flow that is declared for both families has rules in both."""
    declared = [one for one in flows(variables) if one["ipv4"] and one["ipv6"]]

    def judge(answers: Answers) -> Verdict:
        if answers[RULESET].failed:
            return Verdict(passed=False, found=answers[RULESET].error)
        found = {
            (way, name, port, ipaddress.ip_network(prefix).version)
            for way, name, port, prefix in found_rules(answers[RULESET].text)
            if prefix != "any"
        }
        versions = (6,) if _profile(variables) == "ipv6-only" else (4, 6)
        missing = {
            f"{one['direction']} {one['protocol']} {one['port']} in IPv{version}"
            for one in declared
            for version in versions
            if (one["direction"], one["protocol"], one["port"], version) not in found
        }
        return Verdict(not missing, "; ".join(sorted(missing)) or f"{len(declared)} flows in both")

    return Behaviour((RULESET,), "every flow in both families", judge)


def _profile(variables: Variables) -> str:
    return str(variables.get("ipv6_profile", "static"))


class Listener(NamedTuple):
    """A socket that waits for packets."""

    protocol: str
    address: str
    port: int


def listening(text: str) -> set[Listener]:
    """Return the sockets that `ss` lists and that are reached from outside of the host."""
    found = set()
    for line in text.splitlines():
        protocol, _, _, _, local = line.split()[:5]
        address, _, port = local.rpartition(":")
        address = address.strip("[]").partition("%")[0]
        if address != "*" and _is_loopback(address):
            continue
        found.add(Listener(protocol, address, int(port)))
    return found


def _is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if found.version == 6 else None  # noqa: PLR2004  IPv6
    return (mapped or found).is_loopback


def _declared_ports(variables: Variables) -> set[tuple[str, int]]:
    """Return what somebody may call, and what the catalogue names though nobody calls it yet."""
    called = [one for one in flows(variables) if one["direction"] == "ingress"]
    return {
        (one["protocol"], one["port"]) for one in (*called, *variables.get("citydc_listens", ()))
    }


def _listeners(variables: Variables) -> Behaviour:
    declared = _declared_ports(variables)

    def judge(answers: Answers) -> Verdict:
        found = listening(answers[LISTENERS].text)
        extra = sorted({(one.protocol, one.port) for one in found} - declared)
        said = ", ".join(f"{port}/{protocol}" for protocol, port in extra)
        return Verdict(not extra, said and f"also {said}")

    ports = ", ".join(f"{port}/{protocol}" for protocol, port in sorted(declared))
    return Behaviour((LISTENERS,), f"no listener but on {ports}", judge)


def _listener_families(variables: Variables) -> Behaviour:
    del variables

    def judge(answers: Answers) -> Verdict:
        versions: dict[tuple[str, int], set[int]] = {}
        for one in listening(answers[LISTENERS].text):
            both = {4, 6} if one.address == "*" else {ipaddress.ip_address(one.address).version}
            versions.setdefault((one.protocol, one.port), set()).update(both)
        alone = [
            f"{port}/{protocol} on IPv{min(found)} alone"
            for (protocol, port), found in sorted(versions.items())
            if found == {4}
        ]
        return Verdict(not alone, ", ".join(alone))

    return Behaviour((LISTENERS,), "every listener on IPv6 too", judge)


def _present(people: Sequence[Mapping[str, Any]]) -> set[str]:
    return {one["name"] for one in people if one.get("state", "present") == "present"}


def _accounts(variables: Variables) -> Behaviour:
    allowed = {
        "root",
        variables["citydc_host"]["image_user"],
        *_present(variables.get("base_administrators", ())),
        *variables.get("accounts_of_services", ()),
    }
    command = "awk -F: '$7~/sh$/{print $1}' /etc/passwd"

    def judge(answers: Answers) -> Verdict:
        found = set(answers[command].text.split())
        extra = sorted(found - allowed)
        return Verdict(not extra, ", ".join(extra) and f"also {', '.join(extra)}")

    return Behaviour((command,), f"no account with a shell but {', '.join(sorted(allowed))}", judge)


def _ssh_users(variables: Variables) -> Behaviour:
    people = [*variables.get("base_administrators", ()), *variables.get("bastion_accounts", ())]
    named = {variables["citydc_host"]["image_user"], *(one["name"] for one in people)}
    allowed = set(variables.get("ssh_users", named))
    command = "sshd -T | grep '^allowusers '"

    def judge(answers: Answers) -> Verdict:
        found = {line.split()[1] for line in answers[command].text.splitlines()}
        return Verdict(found == allowed, ", ".join(sorted(found)))

    return Behaviour((command,), ", ".join(sorted(allowed)), judge)


def _system_accounts(variables: Variables) -> Behaviour:
    allowed = {"root", *variables.get("accounts_of_services", ())}
    command = "awk -F: '($3<1000||$3==65534)&&$7!~/(nologin|false|sync)$/{print $1}' /etc/passwd"

    def judge(answers: Answers) -> Verdict:
        extra = sorted(set(answers[command].text.split()) - allowed)
        return Verdict(not extra, ", ".join(extra))

    return Behaviour((command,), f"none but {', '.join(sorted(allowed))}", judge)


def _addresses(variables: Variables) -> Behaviour:
    host = variables["citydc_host"]
    wanted = {host["ipv6"]} if _profile(variables) != "slaac" else set()
    if _profile(variables) != "ipv6-only":
        wanted.add(host["ipv4"])

    def judge(answers: Answers) -> Verdict:
        found = {
            one["local"]
            for link in json.loads(answers[ADDRESSES].text or "[]")
            for one in link["addr_info"]
            if one["scope"] == "global"
        }
        strange = found - wanted if _profile(variables) != "slaac" else set()
        passed = wanted <= found and not strange
        return Verdict(passed, ", ".join(sorted(found)))

    return Behaviour((ADDRESSES,), ", ".join(sorted(wanted)) or "an address by SLAAC", judge)


def _advertisements(variables: Variables) -> Behaviour:
    heard = _profile(variables) == "slaac"
    setting = "grep -h ^IPv6AcceptRA= /etc/systemd/network/05-citydc.network"
    routes = "ip -6 route show proto ra; ip -6 address show dynamic"
    expected = "IPv6AcceptRA=yes" if heard else "IPv6AcceptRA=no"

    def judge(answers: Answers) -> Verdict:
        found = [answers[setting].text, answers[routes].text]
        passed = found[0] == expected and (heard or not found[1])
        return Verdict(passed, "; ".join(one for one in found if one))

    return Behaviour((setting, routes), f"{expected}, and no route or address by any", judge)


def _forwarding(variables: Variables) -> Behaviour:
    jump = variables["citydc_host"]["tier"] == "bastion"
    command = "sshd -T | grep -E '^(allowtcpforwarding|permitopen) '"
    expected = (
        {"allowtcpforwarding local", "permitopen *:22"}
        if jump
        else {"allowtcpforwarding no", "permitopen any"}
    )

    def judge(answers: Answers) -> Verdict:
        found = set(answers[command].text.splitlines())
        return Verdict(found == expected, ", ".join(sorted(found)))

    return Behaviour((command,), ", ".join(sorted(expected)), judge)


def _records(variables: Variables) -> Behaviour:
    del variables

    def judge(answers: Answers) -> Verdict:
        found = answers[RECORDS].text.split()
        passed = len(found) == 2 and all(re.fullmatch(r"[1-9]\d*", one) for one in found)  # noqa: PLR2004  journal and file
        return Verdict(passed, f"in the journal {found[:1]}, in auth.log {found[1:]}")

    return Behaviour((RECORDS,), "a message in the journal and in auth.log", judge)


def log_host(variables: Variables) -> str:
    """Return the address of the log host that a host sends to; nothing for one that is its own."""
    found = [
        str(one["ipv6"][0])
        for one in variables.get("citydc_endpoints", ())
        if (one["service"], one["name"]) == ("operations", "syslog-tls")
    ]
    return found[0] if found and not _receives(variables) else ""


def _receives(variables: Variables) -> bool:
    return "loghost_port" in variables


def _log_host(variables: Variables) -> Behaviour:
    address = log_host(variables)

    def judge(answers: Answers) -> Verdict:
        found = answers[FORWARDED].text.split()
        wanted = [address, f"[{address}]:{LOG_PORT}"] if address else []
        return Verdict(found == wanted, " ".join(found))

    expected = f"records go to {address}, by a connection that stands" if address else "nothing"
    return Behaviour((FORWARDED,), expected, judge)


def _log_receivers(variables: Variables) -> Behaviour:
    def judge(answers: Answers) -> Verdict:
        found = set(answers[RECEIVERS].text.split())
        return Verdict(found == ({"imtcp"} if _receives(variables) else set()), " ".join(found))

    return Behaviour((RECEIVERS,), "imtcp" if _receives(variables) else "nothing", judge)


def _monitoring(
    variables: Variables, expected: str, judge: Callable[[Mapping[str, Any]], Verdict]
) -> Behaviour:
    """Judge what a monitoring host shows; no other host has Prometheus."""
    if "monitoring_servers" not in variables:
        return Behaviour(
            (NO_MONITORING,),
            "no Prometheus",
            lambda answers: Verdict(not (found := answers[NO_MONITORING].text), found),
        )
    command = WATCHING.format(address=variables["citydc_host"]["ipv6"])

    def judge_(answers: Answers) -> Verdict:
        answer = answers[command]
        if answer.failed:
            return Verdict(passed=False, found=answer.error[-EXCERPT:])
        return judge(json.loads(answer.text))

    return Behaviour((command,), expected, judge_)


def _monitoring_confined(variables: Variables) -> Behaviour:
    def judge(found: Mapping[str, Any]) -> Verdict:
        passed = (
            found["accounts"] == ["prometheus", "alertmanager"]
            and set(found["strangers"]) == {401}
            and not any(200 <= one < 400 for one in found["plain"])  # noqa: PLR2004  HTTP's own
        )
        return Verdict(
            passed,
            f"accounts {' '.join(found['accounts'])}; strangers {found['strangers']};"
            f" without TLS {found['plain']}",
        )

    expected = "accounts of their own; 401 without a password, no page without TLS"
    return _monitoring(variables, expected, judge)


def _monitoring_sees(variables: Variables) -> Behaviour:
    """Judge what is of the host itself: a site is verified, and takes over, without the other."""
    servers = set(variables.get("monitoring_servers", ()))
    others = servers - {str(variables["citydc_host"]["ipv6"])}

    def judge(found: Mapping[str, Any]) -> Verdict:
        own = [url for url in found["down"] if not any(f"[{one}]" in url for one in others)]
        passed = (
            found["targets"] > len(servers)
            and found["rules"] > 0
            and found["members"] > 0
            and not own
            and not found["faulty"]
        )
        return Verdict(
            passed,
            f"{found['targets']} targets, {found['rules']} rules, {found['members']} Alertmanagers"
            f"; down {found['down']}; faulty {found['faulty']}",
        )

    expected = "its own targets up, rules without errors, an Alertmanager"
    return _monitoring(variables, expected, judge)


BEHAVIOURS: Mapping[str, Callable[[Variables], Behaviour]] = {
    "accounts": _accounts,
    "addresses": _addresses,
    "firewall": _firewall,
    "firewall-families": _families,
    "listeners": _listeners,
    "listener-families": _listener_families,
    "log-host": _log_host,
    "log-receivers": _log_receivers,
    "monitoring-confined": _monitoring_confined,
    "monitoring-sees": _monitoring_sees,
    "records": _records,
    "router-advertisements": _advertisements,
    "ssh-forwarding": _forwarding,
    "ssh-users": _ssh_users,
    "system-accounts": _system_accounts,
}
