"""
How each control is proved on a host: commands, and what their answers must be.

Everything here is computed; running the commands is tests/hosts' part.  Where a host shares its
machine's kernel, a control of the kernel is judged by what is written for it, and the evidence says
so.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from playbooks import behaviours
from playbooks.behaviours import Answers, Behaviour, Verdict
from playbooks.controls import Control, Probe, Status, Verify

Proof = Literal["applied", "written"]

PACKAGES = "dpkg-query -W -f '${Package} ${db:Status-Status}\\n'"
SYSCTL_FILES = "cat /etc/sysctl.d/*.conf"
MODPROBE_FILES = "cat /etc/modprobe.d/*.conf"
AUDIT_FILES = "cat /etc/audit/rules.d/*.rules"
AUDIT_LIVE = "auditctl -l"
SSHD = "sshd -T"


@dataclass(frozen=True)
class Check:
    """One look at a host: the commands it needs, what is expected, and the judge of the answers."""

    commands: tuple[str, ...]
    expected: str
    judge: Callable[[Answers], Verdict]


@dataclass(frozen=True)
class Result:
    """What became of a control on a host."""

    passed: bool
    expected: str
    found: str
    commands: tuple[str, ...]
    proof: Proof


def applicable(controls: Iterable[Control], level: int) -> list[Control]:
    """Return the controls that are enforced on hosts of a security level."""
    return [one for one in controls if one.status is Status.ENFORCED and level in one.levels]


def commands(
    controls: Iterable[Control], variables: Mapping[str, Any], *, owned: bool
) -> list[str]:
    """Return every command that a host is asked, each once."""
    found = {
        command: None
        for control in controls
        for check in checks(control, variables, owned=owned)
        for command in check.commands
    }
    return list(found)


def judge(
    control: Control, variables: Mapping[str, Any], answers: Answers, *, owned: bool
) -> Result:
    """Return what became of the control: the first check that fails, else all of them."""
    all_ = list(checks(control, variables, owned=owned))
    proof: Proof = "written" if control.owned_kernel and not owned else "applied"
    verdicts = [(one, _verdict(one, answers)) for one in all_]
    for check, verdict in verdicts:
        if not verdict.passed:
            return Result(False, check.expected, verdict.found, check.commands, proof)
    return Result(
        passed=True,
        expected="; ".join(dict.fromkeys(one.expected for one in all_)),
        found="; ".join(dict.fromkeys(one.found for _, one in verdicts if one.found)),
        commands=tuple(dict.fromkeys(each for one in all_ for each in one.commands)),
        proof=proof,
    )


def _verdict(check: Check, answers: Answers) -> Verdict:
    """Return the verdict; an answer that its judge can't read proves nothing."""
    try:
        return check.judge(answers)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return Verdict(passed=False, found=f"an answer that can't be read: {error!r}")


def checks(control: Control, variables: Mapping[str, Any], *, owned: bool) -> Iterator[Check]:
    """Yield what is looked at to prove a control on a host, which may own its kernel."""
    verify = control.verify
    if verify is None:
        return
    live = owned or not control.owned_kernel
    yield from _of_kernel(verify, live=live)
    yield from _of_software(verify, live=live)
    yield from _of_files(verify)
    for option, pattern in (verify.sshd or {}).items():
        yield _sshd(option, pattern)
    for probe in (*(verify.probes or ()), *((verify.applied or ()) if live else ())):
        yield _probe(probe)
    if verify.behaviour:
        one = behaviours.BEHAVIOURS[verify.behaviour](variables)
        yield Check(one.commands, one.expected, _answered(one))


def _answered(behaviour: Behaviour) -> Callable[[Answers], Verdict]:
    """Return the behaviour's judge, for answers without complaints alone."""

    def judge_(answers: Answers) -> Verdict:
        said = next((answers[one].error for one in behaviour.commands if answers[one].error), "")
        return Verdict(passed=False, found=said) if said else behaviour.judge(answers)

    return judge_


def _of_kernel(verify: Verify, *, live: bool) -> Iterator[Check]:
    for key, value in (verify.sysctl or {}).items():
        yield _sysctl(key, value) if live else _line(SYSCTL_FILES, f"{re.escape(key)} = {value}")
    for module in verify.modules or ():
        yield _module(module, live=live)
    for rule in verify.audit or ():
        yield _audit(rule, AUDIT_LIVE if live else AUDIT_FILES)


def _of_software(verify: Verify, *, live: bool) -> Iterator[Check]:
    for package in verify.packages or ():
        yield _package(package, installed=True)
    for package in verify.no_packages or ():
        yield _package(package, installed=False)
    for unit in verify.active or ():
        yield _active(unit, running=live)
    for unit in verify.off or ():
        yield _off(unit)


def _of_files(verify: Verify) -> Iterator[Check]:
    for path, rights in (verify.files or {}).items():
        yield _rights(path, rights)
    for path, patterns in (verify.lines or {}).items():
        yield from (_line(f"cat {path}", pattern) for pattern in patterns)
    for path, patterns in (verify.no_lines or {}).items():
        yield from (_no_line(f"cat {path}", pattern) for pattern in patterns)


def _sysctl(key: str, value: str) -> Check:
    """Look at a setting; a `*` in the key is for every interface, `all` and `default`."""
    if "*" not in key:
        return _equal(f"sysctl -n {key}", value, f"{key} = {value}")
    command = f"cd /proc/sys && grep -H '' {key.replace('.', '/')}"

    def judge_(answers: Answers) -> Verdict:
        lines = answers[command].text.splitlines()
        wrong = [one for one in lines if one.rpartition(":")[2] != value]
        return Verdict(bool(lines) and not wrong, ", ".join(wrong) or f"{len(lines)} times {value}")

    return Check((command,), f"{key} = {value}", judge_)


def _equal(command: str, value: str, expected: str) -> Check:
    def judge_(answers: Answers) -> Verdict:
        found = answers[command].text
        return Verdict(found == value, found)

    return Check((command,), expected, judge_)


def _sshd(option: str, pattern: str) -> Check:
    def judge_(answers: Answers) -> Verdict:
        found = re.findall(rf"^{re.escape(option)} (.*)$", answers[SSHD].text, re.MULTILINE)
        passed = bool(found) and all(re.fullmatch(pattern, one) for one in found)
        return Verdict(passed, f"{option} {', '.join(found)}" if found else "not set")

    return Check((SSHD,), f"{option} {pattern}", judge_)


def _package(package: str, *, installed: bool) -> Check:
    def judge_(answers: Answers) -> Verdict:
        lines = answers[PACKAGES].text.splitlines()
        there = f"{package} installed" in lines
        return Verdict(
            bool(lines) and there is installed, f"{package} {'' if there else 'not '}installed"
        )

    return Check((PACKAGES,), f"{package} {'' if installed else 'not '}installed", judge_)


def _active(unit: str, *, running: bool) -> Check:
    command = f"systemctl show -P ActiveState -P UnitFileState {unit}"

    def judge_(answers: Answers) -> Verdict:
        states = answers[command].text.split()
        passed = states[1:] == ["enabled"] and (not running or states[0] == "active")
        return Verdict(passed, f"{unit} {' '.join(states)}")

    return Check((command,), f"{unit} {'active ' if running else ''}enabled", judge_)


def _off(unit: str) -> Check:
    command = f"systemctl show -P ActiveState -P LoadState {unit}"

    def judge_(answers: Answers) -> Verdict:
        states = answers[command].text.split()
        passed = set(states) in ({"inactive", "masked"}, {"inactive", "not-found"})
        return Verdict(passed, f"{unit} {' '.join(states)}")

    return Check((command,), f"{unit} inactive, masked", judge_)


def _rights(path: str, rights: str) -> Check:
    command = f"stat -Lc '%a %U:%G' {path}"
    wanted, _, optional = rights.partition(", ")
    mode, owner = wanted.split()

    def judge_(answers: Answers) -> Verdict:
        found = answers[command].text
        if not found:
            return Verdict(bool(optional), f"{path} is not there")
        found_mode, found_owner = found.split()
        passed = found_owner == owner and not int(found_mode, 8) & ~int(mode, 8)
        return Verdict(passed, f"{path} {found}")

    return Check((command,), f"{path} {rights}", judge_)


def _matching(text: str, pattern: str) -> list[str]:
    return [one for one in text.splitlines() if re.fullmatch(pattern, one.strip())]


def _line(command: str, pattern: str) -> Check:
    def judge_(answers: Answers) -> Verdict:
        found = _matching(answers[command].text, pattern)
        return Verdict(bool(found), found[0].strip() if found else answers[command].excerpt)

    return Check((command,), f"/{pattern}/", judge_)


def _no_line(command: str, pattern: str) -> Check:
    def judge_(answers: Answers) -> Verdict:
        found = _matching(answers[command].text, pattern)
        return Verdict(not found and not answers[command].failed, "; ".join(found))

    return Check((command,), f"not /{pattern}/", judge_)


def _audit(rule: str, command: str) -> Check:
    wanted = audit_fields(rule)

    def judge_(answers: Answers) -> Verdict:
        found = [one for one in answers[command].text.splitlines() if audit_fields(one) == wanted]
        return Verdict(bool(found), found[0] if found else "no such rule")

    return Check((command,), rule, judge_)


def audit_fields(rule: str) -> frozenset[tuple[str, ...]]:
    """Return what a rule says, whichever way auditctl orders and spells it."""
    words = rule.split()
    fields = set()
    for option, value in zip(words[::2], words[1::2], strict=False):
        if option == "-k":
            fields.add(("-F", f"key={value}"))
        elif option == "-S":
            fields |= {("-S", one) for one in value.split(",") if one != "all"}
        else:
            fields.add((option, value.replace("!=unset", "!=-1").replace("uid!=euid", "euid!=uid")))
    return frozenset(fields)


def _module(module: str, *, live: bool) -> Check:
    command = f"modprobe -n -v {module}" if live else MODPROBE_FILES
    line = "install /bin/false" if live else f"install {module} /bin/false"
    if not live:
        return _line(command, re.escape(line))

    def judge_(answers: Answers) -> Verdict:
        found = answers[command]
        absent = found.failed and f"Module {module} not found" in found.error
        itself = found.text.rpartition("\n")[2].strip()  # after what it depends on
        return Verdict(itself == line or absent, found.text or found.error)

    return Check((command,), f"{line}, or no such module", judge_)


def _probe(probe: Probe) -> Check:
    def judge_(answers: Answers) -> Verdict:
        found = answers[probe.command]
        if probe.expects_absence and found.error:  # nothing was found because nothing was seen
            return Verdict(passed=False, found=found.error)
        return Verdict(_holds(probe, found.text), found.excerpt)

    return Check((probe.command,), probe.expected, judge_)


def _holds(probe: Probe, text: str) -> bool:
    if probe.is_ is not None:
        return text == probe.is_.strip()
    if probe.at_most is not None:
        return text.isdigit() and int(text) <= probe.at_most
    if probe.matches is not None:
        return bool(re.search(probe.matches, text, re.MULTILINE))
    return not re.search(probe.lacks or "", text, re.MULTILINE)
