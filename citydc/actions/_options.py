"""Arguments and options that several verbs share."""

from typing import Annotated

import typer

from citydc.outcome import EngineName

SiteArgument = Annotated[str, typer.Argument(metavar="SITE", help="A site of the catalogue.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
EngineOption = Annotated[
    EngineName | None,
    typer.Option(
        "--engine",
        help="What runs the program; else the embedded engine for the lab,"
        " the official Pulumi CLI where it is on PATH.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
