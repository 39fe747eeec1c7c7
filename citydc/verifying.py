"""The checks of the hosts, run by pytest, and the evidence that they leave."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogue.errors import CityDCError, OutsideError
from playbooks.access import Access

TESTS = Path(__file__).resolve().parents[1] / "tests" / "hosts"


@dataclass(frozen=True)
class Verification:
    """What was found, by the evidence: a record for each control and host."""

    site: str
    seconds: float
    evidence: Path
    records: Sequence[Mapping[str, Any]]
    unreachable: Mapping[str, str]

    @property
    def controls(self) -> int:
        """How many controls were looked for."""
        return len({one["control"] for one in self.records})

    @property
    def hosts(self) -> int:
        """How many hosts were looked at."""
        return len({one["host"] for one in self.records})

    @property
    def passed(self) -> int:
        """How many records are as expected."""
        return sum(one["passed"] for one in self.records)

    @property
    def written(self) -> int:
        """How many of these are proved by what is written alone."""
        return sum(one["passed"] and one["proof"] == "written" for one in self.records)

    @property
    def failed(self) -> list[Mapping[str, Any]]:
        """The records that are not as expected."""
        return [one for one in self.records if not one["passed"]]

    @property
    def exit_code(self) -> int:
        """3 for a host that was not reached, else 1 for a control that a host lacks."""
        return CityDCError.exit_code if self.unreachable else int(bool(self.failed))

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        shown = ("control", "host", "expected", "found")
        return {
            "site": self.site,
            "controls": self.controls,
            "hosts": self.hosts,
            "passed": self.passed,
            "written": self.written,
            "failed": [{key: one[key] for key in shown} for one in self.failed],
            "unreachable": dict(self.unreachable),
            "seconds": round(self.seconds, 1),
            "evidence": str(self.evidence),
        }


def run(access: Access, hosts: Sequence[str], junit: Path | None) -> Verification:
    """Look at the hosts.  Raise OutsideError if pytest itself fails."""
    evidence = access.folder / "evidence.json"
    evidence.unlink(missing_ok=True)
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603  our own tests
        [
            sys.executable, "-m", "pytest", str(TESTS), "-c", str(TESTS / "pytest.ini"),
            "-p", "no:cacheprovider", "-p", "no:randomly", "-q", "--no-header", "--tb=no",
            f"--inventory={access.inventory}", f"--ssh-config={access.ssh_config}",
            f"--limit-hosts={','.join(hosts)}", f"--evidence={evidence}",
            *([f"--junit-xml={junit.resolve()}"] if junit else []),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=TESTS.parents[1],
    )  # fmt: skip
    found = _read(evidence)
    verification = Verification(
        access.outputs.site,
        time.monotonic() - began,
        evidence,
        found["records"],
        found["unreachable"],
    )
    if done.returncode != int(bool(verification.exit_code)):  # a check has left no record
        raise OutsideError(
            "the checks could not be run",
            why=" ".join(f"{done.stdout} {done.stderr}".split())[-500:],
            place=str(TESTS),
        )
    return verification


def _read(evidence: Path) -> dict[str, Any]:
    if not evidence.is_file():
        return {"records": [], "unreachable": {}}
    found: dict[str, Any] = json.loads(evidence.read_text(encoding="utf-8"))
    return found
