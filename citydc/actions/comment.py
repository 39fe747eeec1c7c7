"""`citydc comment FILE`: put a report where its change is discussed."""

import os
from pathlib import Path
from typing import Annotated

import typer

from catalogue.errors import BadInputError
from citydc import console


def comment(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What preview --markdown wrote.")],
) -> None:
    """
    Post FILE on the pull or merge request that the pipeline runs for, or renew it there.

    Example: citydc comment main.preview.md
    """
    from citydc import comments

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError("the report cannot be read", why=str(error), place=str(file)) from error
    if not text.startswith("<!-- citydc "):
        raise BadInputError(
            "the file is no report for a comment",
            why="its first line does not say which one it is",
            remedy="write it with citydc preview SITE --markdown FILE",
            place=str(file),
        )
    console.say(f"{file}: {comments.here(os.environ).put(text)}")
