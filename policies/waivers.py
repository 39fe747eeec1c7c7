"""Findings that the city accepts for a time: by whom, why, until when."""

import datetime as dt
import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalogue.errors import BadInputError
from catalogue.model import Profile
from policies.model import Finding, Source
from policies.view import View

FILE = Path(__file__).parent / "waivers.yaml"
RULE = "waiver"
"""What findings about waivers themselves have as their rule."""
LONGEST = dt.timedelta(days=366)

Text = Annotated[str, Field(min_length=1)]


class Waiver(BaseModel):
    """One accepted finding."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Text
    resource: Text
    """A pattern of URNs, `*` for any text."""
    owner: Text
    reason: Annotated[str, Field(min_length=20)]
    expiry: dt.date
    sites: list[str] | None = None
    """Where it is meant to match; None: everywhere."""
    profiles: list[Profile] | None = None
    on: list[Source] | None = None

    def meant_for(self, view: View, on: Source) -> bool:
        """Return whether the waiver has to match something in this stack, on that source."""
        return (
            (self.sites is None or view.site.id in self.sites)
            and (self.profiles is None or view.profile in self.profiles)
            and (self.on is None or on in self.on)
        )

    def covers(self, finding: Finding) -> bool:
        """Return whether the finding is the accepted one."""
        return finding.rule == self.rule and fnmatch.fnmatchcase(finding.urn, self.resource)

    def as_json(self) -> dict[str, str]:
        """Return it as `--json` prints it."""
        return {
            "rule": self.rule,
            "resource": self.resource,
            "owner": self.owner,
            "reason": self.reason,
            "expiry": self.expiry.isoformat(),
        }


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    waivers: list[Waiver]


def read(path: Path = FILE) -> list[Waiver]:
    """Read a waiver file.  Raise BadInputError, with every fault, for one that is not sound."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _File.model_validate(data).waivers
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
    except ValidationError as error:
        why = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}"
            for one in error.errors()
        )
    raise BadInputError(
        "the waivers cannot be read",
        why=why,
        remedy="give each rule, resource, owner, reason and expiry (YYYY-MM-DD)",
        place=str(path),
    )


def faults(
    waivers: Sequence[Waiver],
    view: View,
    on: Source,
    findings: Sequence[Finding],
    known: set[str],
) -> list[Finding]:
    """Return what is wrong with the waivers themselves: expired, unmatched, of no rule."""
    found = []
    for one in waivers:
        if one.rule not in known:
            found.append(_fault(view, f"{one.rule} is no rule"))
        elif one.expiry < view.today:
            found.append(_fault(view, f"{one.rule} for {one.resource} expired on {one.expiry}"))
        elif one.expiry > view.today + LONGEST:
            what = f"{one.rule} for {one.resource} expires only on {one.expiry}"
            found.append(_fault(view, what))
        elif one.meant_for(view, on) and not any(one.covers(each) for each in findings):
            found.append(_fault(view, f"{one.rule} for {one.resource} matches nothing"))
    return found


def in_force(waivers: Sequence[Waiver], view: View, on: Source) -> list[Waiver]:
    """Return the waivers that hold today in this stack, on that source."""
    return [
        one
        for one in waivers
        if one.meant_for(view, on) and view.today <= one.expiry <= view.today + LONGEST
    ]


def _fault(view: View, message: str) -> Finding:
    return Finding(RULE, "high", view.stack.urn, message)
