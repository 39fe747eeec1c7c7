"""The town of the policies' unit tests, written as a project that the lab can deploy."""

from pathlib import Path
from typing import Any

import city as cities
import yaml
from city import SITES, City
from policy_town import town
from pydantic import BaseModel

ASSUMED = {"assumptions": [{"fields": ["**"], "reason": "A town of the tests alone."}]}


def make(folder: Path, clouds_file: Path) -> City:
    """Make the project folder; its image comes from the lab's own mirror."""
    folder.mkdir()
    city = City(folder, clouds_file)
    cities.write_project(folder, "lab")
    known = town()
    _write(folder / "catalogue" / "city.yaml", known.city, ASSUMED)
    _write(folder / "catalogue" / "targets.yaml", known.targets)
    _write(folder / "catalogue" / "factors.yaml", known.factors)
    for service in known.services.values():
        _write(folder / "catalogue" / "services" / f"{service.id}.yaml", service, ASSUMED)
    for place, name in enumerate(SITES):
        site = known.sites[name]
        mirror = f"http://127.0.0.1:{city.port + 100 * place + 90}/debian-12.raw"
        (image,) = site.images
        source = image.source.model_copy(update={"lab": mirror})
        more = {
            **ASSUMED,
            "capabilities": [*map(str, site.capabilities), "gpu"],
            "images": [image.model_copy(update={"source": source}).model_dump(mode="json")],
        }
        _write(folder / "catalogue" / "sites" / f"{name}.yaml", site, more)
    return city


def _write(path: Path, data: BaseModel, more: dict[str, Any] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = data.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    path.write_text(yaml.safe_dump({**said, **(more or {})}, allow_unicode=True))
