"""Plan files: a preview saves what would be done, people approve it, a deploy does exactly that."""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from catalogue.errors import BadInputError, OutsideError
from citydc.outcome import Change, Engine, Outcome
from lab import files
from lab.engine import Plan
from lab.engine.crypter import Crypter
from lab.engine.resource import now

VERSION = 1
"""Of the file's form."""
AGAIN = "save a new plan with citydc preview SITE --save-plan FILE"


class Saved(BaseModel):
    """A plan file: the plan, what it is of, and a seal that it takes the passphrase to make."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: int
    site: str
    engine: str
    made: str
    """When (UTC, RFC 3339)."""
    program: str
    """The commit that the program and its catalogue were at ("-dirty": changed since); or empty."""
    plan: Plan
    seal: str

    def outcome(self) -> Outcome:
        """Return what it would do, to be shown."""
        steps = self.plan.steps
        counts = Counter(step.op for step in steps.values())
        return Outcome(
            self.site,
            self.engine,
            {**counts, "same": len(self.plan.goals.keys() - steps.keys())},
            [Change(urn, step.op, lines=step.lines) for urn, step in steps.items()],
            0.0,
        )


def write(path: Path, engine: Engine, plan: Plan) -> None:
    """Save a plan (mode 0600, whole or not at all).  Raise OutsideError if it cannot be written."""
    content = {
        "version": VERSION,
        "site": engine.site,
        "engine": engine.name,
        "made": now(),
        "program": commit(engine.project.folder),
        "plan": TypeAdapter(Plan).dump_python(plan, mode="json"),
    }
    content["seal"] = _seal(content, engine.passphrase, plan.salt)
    try:
        files.write(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise OutsideError(
            "the plan cannot be saved", why=error.strerror or str(error), place=str(path)
        ) from error


def read(path: Path, engine: Engine) -> Saved:
    """
    Return the plan in a file.

    Raise BadInputError if it is none, is damaged, or is not for this stack, engine and passphrase.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(
            "the plan cannot be read", why=str(error), remedy=AGAIN, place=str(path)
        ) from error
    found = content.get("version") if isinstance(content, dict) else None
    if isinstance(found, int) and found != VERSION:
        raise _wrong(path, f"it is of version {found}, and this citydc knows version {VERSION}")
    try:
        saved = Saved.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise _wrong(path, f"{where}: {first['msg']}") from error
    for what, planned, here in (
        ("site", saved.site, engine.site),
        ("engine", saved.engine, engine.name),
    ):
        if planned != here:
            raise _wrong(path, f"it is for the {what} {planned}, not for {here}")
    unsealed = {name: value for name, value in content.items() if name != "seal"}
    if saved.seal != _seal(unsealed, engine.passphrase, saved.plan.salt):
        raise _wrong(path, "it was changed after it was saved")
    return saved


def commit(folder: Path) -> str:
    """Return the commit that a folder is at ("-dirty": changed since), empty if git knows none."""
    asked = [
        "git",
        "-C",
        str(folder),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _seal(content: dict[str, Any], passphrase: str, salt: str) -> str:
    return Crypter(passphrase, salt).digest(json.dumps(content, sort_keys=True))


def _wrong(path: Path, why: str) -> BadInputError:
    return BadInputError("the plan cannot be used", why=why, remedy=AGAIN, place=str(path))
