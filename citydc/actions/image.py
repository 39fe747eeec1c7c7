"""`citydc image ...`: the golden image that hosts start from."""

from typing import Annotated, Any

import typer

from citydc import console
from citydc.actions._options import JsonOption

app = typer.Typer(help="The golden image that hosts start from.", no_args_is_help=True)


@app.command("build")
def build(
    sites: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SITE]...", help="Sites whose stacks shall take the image."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """
    Build the image by the playbooks, unless it is built, and have SITEs' stacks take it.

    It is built on this machine, as root, and named by its content.  A stack takes it by
    citydc:images in its configuration; the next deploy uploads it, and new servers start from it.
    Example: citydc image build main backup
    """
    from citydc import imaging, pinning

    pins = [pinning.Stack(site) for site in sites or ()]
    with console.HostSteps() as steps:
        image, new = imaging.build(console.note, steps.step)
    for one in pins:
        one.take(image)
    if as_json:
        console.print_json(_as_json(image, new=new, sites=sites or []))
    else:
        console.say(f"{image.name}: {'built' if new else 'is built already'}")
        console.say(f"  file    {image.file} ({image.size_bytes >> 20} MiB)")
        console.say(f"  sha512  {image.sha512}")
        for site in sites or ():
            console.say(f"  {site} takes it from its next deploy on: citydc deploy {site}")


def _as_json(image: Any, *, new: bool, sites: list[str]) -> dict[str, Any]:
    return {
        "name": image.name,
        "file": str(image.file),
        "size_bytes": image.size_bytes,
        "sha512": image.sha512,
        "inputs": image.inputs,
        "built": new,
        "sites": sites,
    }
