"""
What the rules compare with, from the catalogue: `python -m monitoring.limits` writes it.

A figure is a series of its own (`citydc:rated:watts`), so that rules are the same in every city.
"""

from pathlib import Path
from typing import Any

import yaml

import catalogue
from catalogue.model import Catalogue

FILE = Path(__file__).parent / "rules" / "limits.yaml"
HEAD = "# Written by `python -m monitoring.limits` from the catalogue.\n"


def rules(city: Catalogue) -> dict[str, Any]:
    """Return the file's content: what UPSs can carry, and what may be lost of each service."""
    rated = [
        _constant("citydc:rated:watts", meter.rated_w, site=site.id, node=meter.id)
        for site in city.sites.values()
        for meter in site.meters
        if meter.place == "ups-output" and meter.rated_w
    ]
    points = [
        _constant("citydc:rpo:seconds", service.recovery.rpo_minutes * 60, service=service.id)
        for service in city.services.values()
    ]
    return {"groups": [{"name": "limits", "interval": "1m", "rules": [*rated, *points]}]}


def text(city: Catalogue) -> str:
    """Return the file's text."""
    return HEAD + yaml.dump(rules(city), Dumper=_Indented, sort_keys=False)


class _Indented(yaml.SafeDumper):
    """Lists stand further right than what they belong to."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  (PyYAML's own)
        return super().increase_indent(flow, False)


def _constant(name: str, value: int, **labels: str) -> dict[str, Any]:
    return {"record": name, "expr": f"vector({value})", "labels": labels}


if __name__ == "__main__":
    FILE.write_text(text(catalogue.load()), encoding="utf-8")
