"""The program that Pulumi runs, once for each stack: the stack's name is the site's."""

import pulumi

from catalogue.errors import CityDCError
from infra import credentials, settings
from infra.program import declare


def main() -> None:
    """Declare the site's resources.  Raise RunError, which Pulumi shows without a traceback."""
    try:
        found = settings.read()
        declare(found, credentials.find(found.site))
    except CityDCError as error:
        raise pulumi.RunError(str(error)) from error


main()
