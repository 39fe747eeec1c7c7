"""A small sound catalogue to break in one place at a time."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from catalogue.documents import read

BASE = Path(__file__).parent / "base"


class Town:
    """A copy of the small catalogue in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(BASE, folder)

    def edit(self, file: str, path: str, value: Any) -> None:
        """Set what stands at a path such as "components.0.flavor"; "remove" takes it away."""
        document, problems = read(self.folder / file)
        assert document is not None
        assert not problems
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        here: Any = document.data
        for step in way:
            here = here[step]
        if value == "remove":
            del here[last]
        elif isinstance(here, list) and last == len(here):
            here.append(value)
        else:
            here[last] = value
        text = yaml.safe_dump(document.data, allow_unicode=True, sort_keys=False)
        (self.folder / file).write_text(text, encoding="utf-8")

    def copy(self, service: str, numbers: list[int]) -> None:
        """Add services like this one, with these numbers."""
        text = (self.folder / service).read_text(encoding="utf-8")
        data = yaml.safe_load(text)
        for number in numbers:
            like = {**data, "id": f"{data['id']}{number}", "number": number}
            (self.folder / f"services/{like['id']}.yaml").write_text(yaml.safe_dump(like))

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        text = (self.folder / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        (self.folder / file).write_text(text.replace(old, new), encoding="utf-8")
