"""The JSON Schemas that editors complete and check by."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import catalogue
from catalogue import schemas
from catalogue.documents import read
from catalogue.loading import INVENTORY

HERE = Path(__file__).parent
DATA = [
    *(file for file in sorted(catalogue.CITY.rglob("*.yaml")) if not file.name.endswith(INVENTORY)),
    *sorted((HERE / "base").rglob("*.yaml")),
    HERE / "third_site.yaml",
    HERE / "new_service.yaml",
]


def named_schema(file: Path) -> dict[str, Any]:
    """Return the schema that the file names in its first line."""
    head = file.read_text(encoding="utf-8").partition("\n")[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", head)
    assert named, f"{file} names no schema"
    loaded: dict[str, Any] = json.loads((file.parent / named[1]).read_text(encoding="utf-8"))
    return loaded


def test_schemas_are_those_of_the_model() -> None:
    """Run `python -m catalogue.schemas` after a change of the model."""
    written = {
        file.name: file.read_text(encoding="utf-8") for file in schemas.FOLDER.glob("*.json")
    }
    assert written == schemas.schemas()


def test_schemas_are_written_as_they_are_generated(tmp_path: Path) -> None:
    """One command brings the folder up to date."""
    schemas.write(tmp_path / "schemas")
    names = sorted(file.name for file in (tmp_path / "schemas").iterdir())
    assert names == ["city.json", "factors.json", "service.json", "site.json", "targets.json"]


@pytest.mark.parametrize("name", sorted(schemas.schemas()))
def test_schemas_are_valid_and_describe_their_fields(name: str) -> None:
    """A schema is one, and what a field's docstring says is in it."""
    schema = json.loads(schemas.schemas()[name])
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["description"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("file", DATA, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_file_agrees_with_the_schema_it_names(file: Path) -> None:
    """What `check` takes for sound, an editor does too."""
    document, _ = read(file)
    assert document is not None
    jsonschema.validate(document.data, named_schema(file))


def test_schema_refuses_what_the_model_refuses() -> None:
    """An unknown field and a level out of range are seen while one types."""
    document, _ = read(HERE / "base" / "services" / "web.yaml")
    assert document is not None
    validator = jsonschema.Draft202012Validator(named_schema(document.file))
    broken = document.data | {"colour": "red", "security_level": 6}
    assert len(list(validator.iter_errors(broken))) == 2
