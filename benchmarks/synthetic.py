"""A synthetic catalogue of any number of like services, written as files."""

import shutil
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml

import catalogue

OURS = Path(catalogue.__file__).parent
FIRST, BLOCK = 15, 32


def write(folder: Path, services: int, mirror: str) -> None:
    """
    Write a catalogue of `services` services to `folder`.

    Its production profile fits the lab: servers boot from the image at `mirror`.
    """
    shutil.copytree(OURS, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__", "services"))
    agencies = [one["id"] for one in _read(folder / "city.yaml")["agencies"]]
    _widen(folder / "sites" / "main.yaml", "10.0.0.0/10", mirror)
    _widen(folder / "sites" / "backup.yaml", "10.64.0.0/10", mirror)
    (folder / "services").mkdir()
    operations = "services/operations.yaml"  # what every server calls, and is reached through
    shutil.copy(OURS / operations, folder / operations)
    for number in range(1, services + 1):
        # Neighbours, so that the routes to an agency's networks join: a router holds thirty.
        service = _service(number, agencies[(FIRST + number) // BLOCK % len(agencies)])
        _write(folder / "services" / f"{service['id']}.yaml", service)


def _read(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _write(file: Path, data: Any) -> None:
    file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _widen(file: Path, ipv4: str, mirror: str) -> None:
    site = _read(file)
    before, after = ip_network(site["ipv4"]), ip_network(ipv4)
    site["ipv4"] = ipv4
    site["name_servers"] = [
        str(after[int(one) - int(before[0])] if one in before else one)
        for one in map(ip_address, site["name_servers"])
    ]
    for image in site["images"]:
        image["source"] = {"production": mirror, "lab": mirror}
    for rack in site["racks"]:
        for node in rack["nodes"]:
            node["vcpus"] *= 100
            node["ram_gib"] *= 100
    _write(file, site)


def _service(number: int, agency: str) -> dict[str, Any]:
    name = f"synthetic-{number:04}"
    size = {"flavor": "general-small", "image": "debian-12"}
    return {
        "id": name,
        "number": FIRST + number,  # the operations' is 15
        "name": {"vi": name, "en": name},
        "cite": "none",
        "agency": agency,
        "security_level": 2,
        "personal_data": False,
        "recovery": {"tier": "backup-only", "rto_minutes": 2880, "rpo_minutes": 1440},
        "availability": 99.5,
        "growth": 0.1,
        "components": [
            {
                "id": "web",
                "number": 0,
                "tier": "web",
                **size,
                "count": {"production": 1, "lab": 0},
                "listens": [{"id": "https", "port": 443, "from": ["citizens"]}],
                "load_balancer": {"listen": "https"},
            }
        ],
        "databases": [
            {
                "id": "db",
                "number": 8,
                "engine": "postgresql",
                "version": "15",
                **size,
                "primary": {"production": 1, "lab": 0},
                "standbys": {"production": 0, "lab": 0},
                "size_gib": {"production": 10, "lab": 1},
                "port": 5432,
                "from": ["web"],
            }
        ],
        "buckets": [],
        "dns": [{"name": name, "target": "web"}],
        "assumptions": [{"fields": ["**"], "reason": "Synthetic, for measuring only."}],
    }
