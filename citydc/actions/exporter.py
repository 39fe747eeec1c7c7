"""`citydc exporter ...`: what measures the data centres, for Prometheus."""

from pathlib import Path
from typing import Annotated

import typer

from catalogue.model import Profile
from citydc.actions._options import JsonOption

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
ProfileOption = Annotated[
    Profile, typer.Option("--profile", help="At whose addresses the devices are read.")
]


@app.command("energy")
def energy(
    *,
    device: Annotated[
        str,
        typer.Option("--try", metavar="DEVICE", help="Read one device once and show what it says."),
    ],
    profile: ProfileOption = Profile.PRODUCTION,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Read the meters, PDUs, UPSs, cooling units and servers of the catalogue.

    Their credentials are in the file that CITYDC_DEVICE_CREDENTIALS names (mode 0600).
    Example: citydc exporter energy --try main/pdu-a1-a --profile lab
    """
    from citydc.actions._trying import try_device

    try_device(device, profile, folder, as_json=as_json)
