"""What hosts install citydc from, and its passwords' hashes."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import bcrypt
from ansible.plugins.loader import filter_loader, lookup_loader

from playbooks import wheelhouse

PLUGINS = Path(wheelhouse.__file__).parent / "plugins"
lookup_loader.add_directory(str(PLUGINS / "lookup"))
filter_loader.add_directory(str(PLUGINS / "filter"))
PIN = re.compile(r"^([a-z0-9-]+)==([^\s]+)", re.MULTILINE)


def _pins(file: Path) -> dict[str, str]:
    return dict(PIN.findall(file.read_text()))


def test_hosts_get_the_versions_that_citydc_is_tested_with() -> None:
    """Every package is pinned as in the project's own file, with hashes."""
    pins = _pins(wheelhouse.REQUIREMENTS)
    assert pins.items() <= _pins(wheelhouse.CHECKOUT / "requirements.txt").items()
    entries = wheelhouse.REQUIREMENTS.read_text().replace("\\\n", "").splitlines()
    assert len(entries) == len(pins)
    assert all("--hash=sha256:" in one for one in entries)


def test_all_that_exporters_import_is_packed() -> None:
    """A package that an exporter or the catalogue imports anew must be pinned for hosts, too."""
    imported = {
        name.partition(".")[0]
        for room in ("catalogue", "exporters")
        for file in (wheelhouse.CHECKOUT / room).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in _names(node)
    } - sys.stdlib_module_names
    packages = packages_distributions()
    needed = {
        distribution.lower().replace("_", "-")
        for name in imported - set(wheelhouse.ROOMS)
        for distribution in packages[name]
    }
    assert needed <= _pins(wheelhouse.REQUIREMENTS).keys()


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module]
    return []


def test_archive_is_named_for_what_is_packed() -> None:
    """The rooms' code and the pins are; the city's own data and what was compiled are not."""
    packed = {str(path.relative_to(wheelhouse.CHECKOUT)) for path in wheelhouse._sources()}
    assert {"catalogue/model.py", "exporters/uptime/probes.yaml"} <= packed
    assert not {one for one in packed if one.startswith("catalogue/sites/") or ".pyc" in one}
    assert not {one for one in packed if one.startswith(("lab/", "infra/", "playbooks/plugins/"))}


def test_documents_are_known_by_their_paths(tmp_path: Path) -> None:
    """All YAML files below the folder, and nothing else."""
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "main.yaml").write_text("id: main\n")
    (tmp_path / "model.py").write_text("")
    found = lookup_loader.get("documents").run([str(tmp_path)])
    assert found == [{"sites/main.yaml": "id: main\n"}]


def test_hash_of_a_password_is_one_of_bcrypt_and_stays() -> None:
    """It admits the password and no other, and each account's is its own."""
    hashed = filter_loader.get("bcrypt_hash").j2_function
    told = hashed("secret", "observer")
    assert told == hashed("secret", "observer")
    assert told != hashed("secret", "prometheus")
    assert bcrypt.checkpw(b"secret", told.encode())
    assert not bcrypt.checkpw(b"secrets", told.encode())
