"""What lynis finds, held against the register."""

from typing import Any

from playbooks import yardsticks
from playbooks.controls import Control

REPORT = """\
hardening_index=84
suggestion[]=SSH-7408|Consider hardening SSH configuration|Port (set 22 to )|-|
details[]=SSH-7408|sshd|desc:sshd option Port;field:Port;prefval:;value:22;|
suggestion[]=ACCT-9628|Enable auditd to collect audit information|-|-|
suggestion[]=KRNL-6000|One or more sysctl values differ|-|-|
details[]=KRNL-6000|sysctl|desc:No description;field:kernel.sysrq;prefval:0;value:1;|
warning[]=PKGS-7392|Found one or more vulnerable packages.|-|-|
"""


def _control(**more: Any) -> Control:
    about = {"id": "some-control", "title": {"vi": "Điều", "en": "Thing"}}
    return Control.model_validate({**about, "status": "left-alone", "reason": "So it is.", **more})


PORT = _control(lynis=[{"matches": r"^SSH-7408\|sshd\|.*field:Port;"}])
AUDIT = _control(lynis=[{"matches": r"^ACCT-9628\|", "kernel": "shared"}])
SYSRQ = _control(
    status="enforced", reason=None, role="kernel", owned_kernel=True,
    verify={"sysctl": {"kernel.sysrq": "0"}},
)  # fmt: skip
REGISTER = [PORT, AUDIT, SYSRQ]
WARNING = "PKGS-7392|Found one or more vulnerable packages.|-|-|"
SYSRQ_FOUND = "KRNL-6000|sysctl|desc:No description;field:kernel.sysrq;prefval:0;value:1;|"


def test_finding_that_no_control_names_is_told() -> None:
    """A warning without a control is left, whatever kernel the host has."""
    assert yardsticks.unexplained(REPORT, REGISTER, owned=False) == [WARNING]


def test_owned_kernel_excuses_nothing_that_is_its_own() -> None:
    """What a container can't help, a host with a kernel of its own must not show."""
    found = yardsticks.unexplained(REPORT, REGISTER, owned=True)
    assert {one.partition("|")[0] for one in found} == {"ACCT-9628", "PKGS-7392", "KRNL-6000"}
    assert SYSRQ_FOUND in found


def test_entry_that_lynis_no_longer_has_is_told() -> None:
    """What the kind of host shows must be there; what only the other kind shows need not."""
    gone = _control(lynis=[{"matches": r"^FILE-6310\|", "kernel": "owned"}])
    assert yardsticks.outdated(REPORT, [*REGISTER, gone], owned=True) == [r"^FILE-6310\|"]
    assert yardsticks.outdated(REPORT, [*REGISTER, gone], owned=False) == []
