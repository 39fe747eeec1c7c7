"""Every enforced control of the register, on every host."""

from typing import TYPE_CHECKING

from playbooks import verification
from playbooks.controls import Control

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Hosts


def test_host_has_control(
    hosts: "Hosts", name: str, control: Control, record_property: "Callable[[str, object], None]"
) -> None:
    """The host answers as the register expects."""
    answers = hosts.answers.get(name)
    assert answers is not None, f"{name} was not reached: {hosts.unreachable.get(name)}"
    owned = hosts.owned[name]
    result = verification.judge(control, hosts.variables[name], answers, owned=owned)
    record = {
        "control": control.id,
        "host": name,
        "role": control.role,
        "passed": result.passed,
        "expected": result.expected,
        "found": result.found,
        "when": max((answers[one].when for one in result.commands), default=""),
        "commands": list(result.commands),
        "proof": result.proof,
        "kernel": "owned" if owned else "shared",
    }
    hosts.records.append(record)
    for key in ("expected", "found", "when", "proof", "kernel"):
        record_property(key, record[key])
    assert result.passed, f"expected {result.expected}, found {result.found or 'nothing'}"
