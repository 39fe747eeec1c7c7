"""Programs of the machine, and what they say when they fail."""

import subprocess
from pathlib import Path

from catalogue.errors import OutsideError


class CommandError(OutsideError):
    """A program of this machine refused; `why` has its own words."""


def run(*words: str | int | Path, stdin: str | None = None) -> str:
    """Give what the program prints; raise CommandError when it fails or is missing."""
    command = [str(word) for word in words]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)  # noqa: S603  (commands of the lab)
    except FileNotFoundError as error:
        raise CommandError(
            f"{command[0]} is missing", remedy="citydc lab up installs it"
        ) from error
    if done.returncode:
        raise CommandError(
            f"{' '.join(command)} failed",
            why=" ".join(done.stderr.split()) or f"it ended with {done.returncode}",
        )
    return done.stdout


def succeeds(*words: str | int | Path) -> bool:
    """Say whether the program succeeds."""
    try:
        run(*words)
    except CommandError:
        return False
    return True
