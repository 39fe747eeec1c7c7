"""Lets these tests use the small city, and the outputs that the program gives for it."""

import sys
import warnings
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "catalogue_derived"))

with warnings.catch_warnings():
    # The package warns of its own old names as it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pulumi_openstack  # noqa: F401 - only imported, so that the tests' imports find it
