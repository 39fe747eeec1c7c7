"""
What each service is expected to have, written beside it: SERVICE.inventory.yaml.

`python -m infra.inventory` writes them anew; their difference shows what a change of the program or
of the catalogue does.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import catalogue
from catalogue.model import Catalogue, Profile
from infra import offline
from infra.graph import Graph, Resource
from infra.parity import SERVICE
from infra.settings import Settings

HEAD = """\
# What the service is expected to have at each site, by profile.
# Written by `python -m infra.inventory`.
"""
NAMED = {
    "Network": "networks",
    "LoadBalancer": "load_balancers",
    "RecordSet": "dns",
    "Container": "buckets",
}

Inventory = dict[str, Any]
Inventories = dict[str, Inventory]
"""By service."""


def folder() -> Path:
    """Return where the catalogue's services are."""
    return Path(catalogue.__file__).parent / "services"


def expected(service: str) -> Inventory | None:
    """Return the inventory that is written beside the service, or None."""
    path = folder() / f"{service}.inventory.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def found(graphs: Mapping[tuple[str, Profile], Graph]) -> Inventories:
    """Return the services' inventories, from the graphs of all sites in all profiles."""
    inventories: Inventories = defaultdict(dict)
    for (site, profile), graph in graphs.items():
        for service, resources in _services(graph).items():
            inventories[service].setdefault(site, {})[profile.value] = _inventory(resources)
    return dict(inventories)


def graphs(known: Catalogue) -> dict[tuple[str, Profile], Graph]:
    """Run the program for every site and profile."""
    return {
        (site.id, profile): offline.run(Settings(known, site, profile))
        for site in sorted(known.sites.values(), key=lambda one: one.number)
        for profile in Profile
    }


def write(inventories: Inventories) -> None:
    """Write the inventories beside the services; remove those of services that are no more."""
    for path in folder().glob("*.inventory.yaml"):
        if path.name.removesuffix(".inventory.yaml") not in inventories:
            path.unlink()
    for service, inventory in inventories.items():
        text = yaml.dump(inventory, Dumper=_Dumper, sort_keys=False)
        (folder() / f"{service}.inventory.yaml").write_text(HEAD + text, encoding="utf-8")


class _Dumper(yaml.SafeDumper):
    """Lists are indented, as in all files of the catalogue."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        super().increase_indent(flow, indentless=False)


def _services(graph: Graph) -> dict[str, list[Resource]]:
    """Return each service's resources, without the components that only group them."""
    above = {one.urn: one for one in graph.resources}
    services: dict[str, list[Resource]] = defaultdict(list)
    for resource in graph.resources:
        one: Resource | None = resource
        while one and one.type != SERVICE:
            one = above.get(one.parent)
        if one and not resource.type.startswith("citydc:"):
            services[one.name].append(resource)
    return services


def _inventory(resources: list[Resource]) -> Inventory:
    counts = Counter(one.type.rpartition(":")[2] for one in resources)
    inventory: Inventory = {"counts": dict(sorted(counts.items()))}
    servers = {
        one.name: one.inputs["availabilityZoneHints"]
        for one in resources
        if one.type.endswith(":Instance")
    }
    if servers:
        inventory["servers"] = dict(sorted(servers.items()))
    for kind, title in NAMED.items():
        names = sorted(one.name for one in resources if one.type.endswith(f":{kind}"))
        if names:
            inventory[title] = names
    return inventory


if __name__ == "__main__":
    write(found(graphs(catalogue.load())))
