"""`citydc exporter ...`: what measures the data centres, for Prometheus."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Measure the data centres; Prometheus scrapes what was measured.", no_args_is_help=True
)

WebConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--web-config",
        metavar="FILE",
        help="TLS and basic auth, as Prometheus's exporter-toolkit has them.",
    ),
]
ListenOption = Annotated[
    str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Beyond loopback only with TLS.")
]
FolderOption = Annotated[
    Path | None,
    typer.Option("--catalogue", metavar="FOLDER", help="Another catalogue than the city's own."),
]
