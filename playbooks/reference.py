"""The page of all controls, docs/controls.md: `python -m playbooks.reference` writes it."""

from collections import Counter
from pathlib import Path

from playbooks.controls import EVERY_LEVEL, Control, Status, register

PAGE = Path(__file__).parents[1] / "docs" / "controls.md"
HEAD = """\
# Controls

What is asked of every host, what was decided about it, and who proves it. Written by `python -m
playbooks.reference` from the register, `playbooks/controls.yaml`; `citydc verify SITE` looks for
each enforced control on each host.

- **CIS**: the recommendation of the CIS Debian Linux 12 Benchmark 1.1.0 that the control serves.
  Where numbers differ between revisions of the benchmark, none is given.
- **TCVN**: the clause of TCVN 11930:2017, as it is numbered for level 3 (7.2.1 network, 7.2.2
  server security), that the control serves; no control is a whole clause.
- **levels**: the security levels (Decree 85/2016/ND-CP) of the hosts that it applies to; all where
  nothing is said.
- **kernel**: needs a kernel of the host's own. A container shares its machine's: there the control
  is proved as written only, and the evidence says so.

"""
SHOWN = {None: "every host", "shared": "containers", "owned": "hosts with a kernel of their own"}
LEFT = """\
## What lynis still finds

Each finding of lynis is a control's here, as a pattern for its "TEST|text|details|solution|" in
`lynis-report.dat`; a test fails for one of a container that is not, and for one that lynis no
longer has. In a container it finds besides that kernel settings are the machine's: these are the
controls that look for them.
"""


def page() -> str:
    """Return the page in Markdown."""
    controls = register()
    counts = Counter(one.status for one in controls)
    table = "".join(f"| {status.value} | {counts[status]} |\n" for status in Status)
    roles = sorted({one.role or "" for one in controls if one.status is Status.ENFORCED})
    return (
        HEAD
        + f"| decision | controls |\n|---|---|\n{table}| **all** | **{len(controls)}** |\n"
        + "".join(_section(role, controls) for role in roles)
        + "".join(
            _undone(status, [one for one in controls if one.status is status])
            for status in Status
            if status is not Status.ENFORCED
        )
        + _left(controls)
    )


def _section(role: str, controls: tuple[Control, ...]) -> str:
    mine = [one for one in controls if one.role == role and one.status is Status.ENFORCED]
    rows = "".join(
        f"| {one.id} | {_cell(one.title.vi)} | {_cell(one.title.en)} | {one.cis or ''} |"
        f" {one.tcvn or ''} | {_expected(one)} |\n"
        for one in mine
    )
    reasons = "".join(f"- `{one.id}`: {one.reason}\n" for one in mine if one.reason)
    head = "| control | tiêu đề | title | CIS | TCVN | notes |\n|---|---|---|---|---|---|\n"
    return f"\n## {role}\n\n{head}{rows}" + (f"\n{reasons}" if reasons else "")


def _expected(control: Control) -> str:
    notes = ["kernel"] if control.owned_kernel else []
    if tuple(control.levels) != EVERY_LEVEL:
        notes.append(f"levels {', '.join(map(str, control.levels))}")
    return "; ".join(notes)


def _undone(status: Status, controls: list[Control]) -> str:
    rows = "".join(
        f"| {one.id} | {_cell(one.title.vi)} | {_cell(one.title.en)} | {one.cis or ''} |"
        f" {_cell(one.reason or '')} |\n"
        for one in controls
    )
    head = "| control | tiêu đề | title | CIS | reason |\n|---|---|---|---|---|\n"
    return f"\n## {status.value.replace('-', ' ').capitalize()}\n\n{head}{rows}"


def _left(controls: tuple[Control, ...]) -> str:
    rows = "".join(
        f"| `{_cell(found.matches)}` | {one.id} | {_cell(found.reason or one.reason or '')} |"
        f" {SHOWN[found.kernel]} |\n"
        for one in controls
        for found in one.lynis
    )
    return f"\n{LEFT}\n| finding | control | why it stays | shown by |\n|---|---|---|---|\n{rows}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
