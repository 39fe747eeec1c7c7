"""Arguments and options that several verbs share."""

from pathlib import Path
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
LimitOption = Annotated[
    str | None,
    typer.Option(
        "--limit", metavar="PATTERN", help="Only these hosts or groups, as Ansible has it."
    ),
]
OutputsOption = Annotated[
    Path | None,
    typer.Option(
        "--outputs",
        metavar="FILE",
        help="The stack's outputs, as `pulumi stack output --json` prints them; else they are read"
        " from the stack.",
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", help="The private SSH key; else the agent's or the usual ones."
    ),
]
DirectOption = Annotated[
    bool, typer.Option("--direct", help="Reach the hosts without the jump host.")
]
