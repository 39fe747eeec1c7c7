"""
The JSON Schema of a device's profile, for editors: `python -m exporters.devices.schema` writes it.

Each file of `profiles/` names it in its first line.
"""

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from exporters.devices.profile import Profile

FILE = Path(__file__).parent / "profiles.schema.json"


def schema() -> str:
    """Return the schema's text."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    adapter: TypeAdapter[Profile] = TypeAdapter(Annotated[Profile, Field(discriminator="protocol")])
    return json.dumps(head | adapter.json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema(), encoding="utf-8")
