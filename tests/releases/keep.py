"""
Keep the state of a release, for the upgrade test of all later ones.

    PULUMI_CONFIG_PASSPHRASE=release make demo
    .venv/bin/python tests/releases/keep.py 0.1.0
"""

import gzip
import json
import sys
from pathlib import Path

from citydc.project import CHECKOUT, Project
from lab.engine import Engine

PASSPHRASE = "release"
SITES = ("main", "backup")


def main(release: str) -> None:
    """Write RELEASE/SITE.json.gz beside this file for each site that `make demo` deployed."""
    folder = Path(__file__).parent / release
    folder.mkdir(exist_ok=True)
    for site in SITES:
        engine = Engine(CHECKOUT, site, Project(CHECKOUT).backend_url, PASSPHRASE)
        text = json.dumps(engine.export_state(), separators=(",", ":"), sort_keys=True)
        (folder / f"{site}.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
