"""The house's arrows: which room may import which."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
MAY_IMPORT = {
    "catalogue": set(),
    "exporters": {"catalogue"},
    "infra": {"catalogue"},
    "lab": {  # anything
        *("catalogue", "citydc", "exporters", "infra", "monitoring", "playbooks", "policies"),
    },
    "monitoring": {"catalogue"},
    "policies": {"catalogue", "infra"},
    "playbooks": {"catalogue", "infra"},
    "citydc": {"catalogue", "exporters", "infra", "lab", "playbooks", "policies"},
    "benchmarks": {"catalogue", "infra", "citydc", "exporters", "lab", "playbooks", "policies"},
}


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_room_imports_only_what_it_may(room: str) -> None:
    """Data flows one way; nothing but the command line and the tests knows the lab."""
    files = list((HOUSE / room).rglob("*.py"))
    assert files
    found = {name.split(".")[0] for file in files for name in _imports(file)}
    assert found & set(MAY_IMPORT) - {room} <= MAY_IMPORT[room]
