"""
The register of controls: what is asked of a host, what was decided about it, who proves it.

The register is `controls.yaml`; its JSON Schema beside it is written by `python -m
playbooks.controls`.  A control that is enforced names the role that does it and how a host shows
it: a command that is run there as root, and what it must answer.
"""

import json
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from catalogue.documents import read
from catalogue.errors import BadInputError
from catalogue.fields import checked
from catalogue.model import Id, Name, Text

REGISTER = Path(__file__).parent / "controls.yaml"
SCHEMA = Path(__file__).parent / "controls.schema.json"
EVERY_LEVEL = (1, 2, 3, 4, 5)


class Model(BaseModel):
    """A part of the register."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Status(StrEnum):
    """What was decided about a control."""

    ENFORCED = "enforced"
    OPT_IN = "opt-in"
    NOT_APPLICABLE = "not-applicable"
    LEFT_ALONE = "left-alone"


class Probe(Model):
    """A command and what it must answer on standard output: exactly one of the four."""

    command: Text
    """For the shell, run as root."""
    is_: Annotated[str | None, Field(alias="is")] = None
    """The whole answer, without white space around it."""
    matches: str | None = None
    """A regular expression that is found in it (multi-line)."""
    lacks: str | None = None
    """A regular expression that is not found in it (multi-line)."""
    at_most: int | None = None
    """The answer is a number no greater."""

    @model_validator(mode="after")
    def _one_expectation(self) -> Self:
        given = [self.is_, self.matches, self.lacks, self.at_most]
        if sum(one is not None for one in given) != 1:
            raise ValueError("give exactly one of is, matches, lacks, at_most")
        return self

    @property
    def expects_absence(self) -> bool:
        """Whether a command that can't do its work would answer as expected."""
        return not self.is_ and self.matches is None

    @property
    def expected(self) -> str:
        """What is expected, in words."""
        if self.is_ is not None:
            return self.is_ or "nothing"
        if self.at_most is not None:
            return f"at most {self.at_most}"
        return f"/{self.matches}/" if self.matches is not None else f"not /{self.lacks}/"


class Verify(Model):
    """How a host shows that it has the control: a short form, a probe, or a named behaviour."""

    sysctl: dict[str, str] | None = None
    """Kernel settings by name; outside of the network's, a container has the file alone."""
    sshd: dict[str, str] | None = None
    """Options as `sshd -T` prints them, each value a regular expression for the whole of it."""
    packages: list[str] | None = None
    """Packages that are installed."""
    no_packages: list[str] | None = None
    """Packages that are not installed."""
    active: list[str] | None = None
    """Units that run and start by themselves."""
    off: list[str] | None = None
    """Units that neither run nor start, or that are not there."""
    files: dict[str, str] | None = None
    """
    Paths with "mode owner:group", the mode being the widest allowed; "..., if there" for a file
    that need not be there.
    """
    lines: dict[str, list[str]] | None = None
    """Files with regular expressions, each of which a line in them matches."""
    no_lines: dict[str, list[str]] | None = None
    """Files with regular expressions that no line in them matches."""
    audit: list[str] | None = None
    """Audit rules, as auditctl takes them."""
    modules: list[str] | None = None
    """Kernel modules that can't be loaded."""
    probes: list[Probe] | None = None
    applied: list[Probe] | None = None
    """What a host with a kernel of its own shows besides."""
    behaviour: Id | None = None
    """What `playbooks.behaviours` judges by more than one answer."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("say how the control is verified")
        return self


class LeftFinding(Model):
    """What lynis finds on a host though it is as decided."""

    matches: Text
    """A regular expression for its "TEST|text|details|solution|"."""
    reason: Text | None = None
    """Why it stays; else the control's own reason holds."""
    kernel: Literal["shared", "owned"] | None = None
    """What kind of host shows it, if not every one: a container, or one with its own kernel."""


class Control(Model):
    """One thing that is asked of a host."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{3,47}$")]
    title: Name
    cis: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)+$")] | None = None
    """The recommendation of the CIS Debian Linux 12 Benchmark 1.1.0."""
    tcvn: Literal["7.2.1", "7.2.2", "7.2.4"] | None = None
    """The clause of TCVN 11930:2017 that it serves, as numbered for level 3."""
    levels: Annotated[list[int], Field(min_length=1)] = list(EVERY_LEVEL)
    """The security levels (Decree 85/2016/ND-CP) of the hosts that it applies to."""
    status: Status
    reason: Text | None = None
    """Why it was decided so; every control but a plainly enforced one has it."""
    role: Id | None = None
    """The role that enforces it."""
    owned_kernel: bool = False
    """Whether it can be applied only where the host has a kernel of its own."""
    verify: Verify | None = None
    lynis: list[LeftFinding] = []
    """What lynis still finds."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        enforced = self.status is Status.ENFORCED
        if enforced and not (self.role and self.verify):
            raise ValueError("an enforced control names its role and how it is verified")
        if not enforced and not self.reason:
            raise ValueError(f"a control that is {self.status.value} says why")
        if self.status in {Status.NOT_APPLICABLE, Status.LEFT_ALONE} and (self.role or self.verify):
            raise ValueError(f"what is {self.status.value} has neither role nor verification")
        if not self.reason and not all(one.reason for one in self.lynis):
            raise ValueError("what lynis still finds has a reason")
        return self


class Register(Model):
    """controls.yaml."""

    controls: Annotated[list[Control], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [one.id for one in self.controls]
        if twice := {one for one in ids if ids.count(one) > 1}:
            raise ValueError(f"ids are given twice: {', '.join(sorted(twice))}")
        return self


@cache
def register(path: Path = REGISTER) -> tuple[Control, ...]:
    """Return all controls.  Raise BadInputError if the register is unsound."""
    document, problems = read(path)
    found = None
    if document is not None:
        found, wrong = checked(document, Register)
        problems += wrong
    if found is None or problems:
        raise BadInputError(
            "the register of controls is unsound",
            why="; ".join(map(str, problems)),
            place=str(path),
        )
    return tuple(found.controls)


def schema() -> dict[str, Any]:
    """Return the register's JSON Schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Register.model_json_schema(mode="validation"),
    }


def write_schema() -> None:
    """Write the JSON Schema beside this file."""
    SCHEMA.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schema()
