"""
The JSON Schemas of observer.yaml and maintenance.yaml, for editors.

`python -m exporters.uptime.schemas` writes them; a file names its own in its first line.
"""

import json
from pathlib import Path

from exporters.uptime.settings import Maintenance, Observer

FOLDER = Path(__file__).parent


def schemas() -> dict[Path, str]:
    """Return the text of each schema by its file."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        FOLDER / f"{model.__name__.lower()}.schema.json": json.dumps(
            head | model.model_json_schema(), indent=2, ensure_ascii=False
        )
        + "\n"
        for model in (Observer, Maintenance)
    }


if __name__ == "__main__":
    for file, text in schemas().items():
        file.write_text(text, encoding="utf-8")
