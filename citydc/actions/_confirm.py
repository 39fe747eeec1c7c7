"""Asking before something is done that cannot be taken back by doing nothing."""

import sys

import typer

from catalogue.errors import BadInputError


def confirm(question: str) -> None:
    """Ask on a terminal; raise BadInputError where nobody can answer, Abort for a no."""
    if not sys.stdin.isatty():
        raise BadInputError(
            "nobody is there to confirm",
            why="standard input is not a terminal",
            remedy="add --yes after looking at the preview",
        )
    if not typer.confirm(question):
        raise typer.Abort
