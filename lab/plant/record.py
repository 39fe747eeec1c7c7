"""What a site's plant keeps: since when it runs, and what was made to happen to it."""

import json
from pathlib import Path
from typing import Any

from lab import files
from lab.plant.model import Overload

NAME = "plant.json"
STEP_S = 10


class Record:
    """The file in a folder; it is read anew when it has changed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def make(self, now: float) -> None:
        """Begin the plant's life, unless it has begun."""
        if not self.path.exists():
            self._write({"origin": int(now) // STEP_S * STEP_S, "overloads": []})

    @property
    def origin(self) -> int:
        """When the plant's life began, in s since 1970 UTC."""
        return int(self._read()["origin"])

    @property
    def overloads(self) -> tuple[Overload, ...]:
        """The overloads of the site's UPSs."""
        return tuple(Overload(*one) for one in self._read()["overloads"])

    def overload(self, event: Overload) -> None:
        """Let a UPS be overloaded."""
        data = self._read()
        data["overloads"].append(event)
        self._write(data)

    def relieve(self, now: float) -> int:
        """End all overloads that last; return how many there were."""
        data = self._read()
        found = self.overloads
        data["overloads"] = [one._replace(end=min(one.end, now)) for one in found]
        self._write(data)
        return sum(one.end > now for one in found)

    def _read(self) -> Any:
        return json.loads(self.path.read_text())

    def _write(self, data: Any) -> None:
        files.write(self.path, json.dumps(data))
