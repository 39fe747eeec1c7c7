"""
JSON Schemas of the catalogue's files, for editors: `python -m catalogue.schemas` writes them.

Each file names its schema in its first line, so that an editor completes and checks as one types.
"""

import json
from pathlib import Path

from pydantic import BaseModel

from catalogue.loading import FOLDERS, SINGLE

FOLDER = Path(__file__).parent / "schemas"


def schemas() -> dict[str, str]:
    """Return the text of each schema by its file's name, such as "service.json"."""
    kinds = {**SINGLE, **{name.removesuffix("s"): model for name, model in FOLDERS.items()}}
    return {f"{name}.json": _schema(model) for name, model in kinds.items()}


def _schema(model: type[BaseModel]) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> None:
    """Write the schemas into `folder`."""
    folder.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
