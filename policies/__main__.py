"""The CrossGuard pack, as `pulumi preview --policy-pack policies` starts it."""

import sys
from pathlib import Path

# Started as a folder, so that its own package has to be found first.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.pack import start

start()
