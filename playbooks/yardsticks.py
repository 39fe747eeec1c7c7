"""
What an outside yardstick, lynis, still says of a host, and which control says why it stays so.

A control of the register names what lynis finds though all is as decided; a kernel setting that
only the machine of a container has is its control's by itself.
"""

import re
from collections.abc import Iterable, Iterator

from playbooks.controls import Control, LeftFinding

SETTING = re.compile(r"^KRNL-6000\|sysctl\|.*\bfield:([^;]+);")


def findings(report: str) -> list[str]:
    """
    Return the warnings and suggestions of lynis's report, "TEST|text|details|solution|".

    Of a test that tells its details one by one, these.
    """
    lines = [one.partition("[]=") for one in report.splitlines()]
    details = [content for kind, _, content in lines if kind == "details"]
    detailed = {_test(one) for one in details}
    told = [content for kind, _, content in lines if kind in {"warning", "suggestion"}]
    return [*(one for one in told if _test(one) not in detailed), *details]


def _test(finding: str) -> str:
    return finding.partition("|")[0]


def unexplained(report: str, controls: Iterable[Control], *, owned: bool) -> list[str]:
    """Return the findings that no control names, on a host that owns its kernel or does not."""
    register = list(controls)
    known = [re.compile(one.matches) for one in left(register, owned=owned)]
    settings = {
        key
        for control in register
        if control.owned_kernel and not owned and control.verify
        for key in control.verify.sysctl or ()
    }
    return [
        one
        for one in findings(report)
        if not any(pattern.search(one) for pattern in known)
        and not ((found := SETTING.match(one)) and found[1] in settings)
    ]


def outdated(report: str, controls: Iterable[Control], *, owned: bool) -> list[str]:
    """Return what the register lets lynis find on the host, and lynis does not."""
    found = findings(report)
    return [
        one.matches
        for one in left(controls, owned=owned)
        if not any(re.search(one.matches, each) for each in found)
    ]


def left(controls: Iterable[Control], *, owned: bool) -> Iterator[LeftFinding]:
    """Yield what the register lets lynis find on a host that owns its kernel or does not."""
    for control in controls:
        for one in control.lynis:
            if one.kernel in {None, "owned" if owned else "shared"}:
                yield one
