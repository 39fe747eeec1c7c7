"""The town that fixtures are of, and how a fixture becomes a stack."""

import datetime as dt
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from small_city import backup, main, small_city

from catalogue.model import Catalogue, Profile
from infra import offline
from infra.graph import Graph, Resource
from infra.settings import Settings
from policies.view import UNKNOWN, View

FIXTURES = Path(__file__).parent / "fixtures"
TODAY = dt.date(2026, 11, 1)
TYPES = {
    "openstack": "pulumi:providers:openstack",
    "Stack": "pulumi:pulumi:Stack",
    "CityService": "citydc:service:CityService",
    "Tier": "citydc:service:Tier",
    "Server": "citydc:server:Server",
}
NODES = [{"count": 4, "vcpus": 64, "ram_gib": 256, "gpus": 1, "idle_w": 300, "max_w": 900}]
MORE: dict[str, Any] = {
    "racks": [{"id": "a1", "zone": "az1", "power_w": 6000, "nodes": NODES}],
    "flavors": [
        {"id": "small", "vcpus": 2, "ram_mib": 4096},
        {"id": "gpu", "vcpus": 16, "ram_mib": 65536, "gpus": 1},
    ],
    "images": [
        {
            "id": "debian",
            "name": "Debian",
            "source": {"production": "https://p.example/1/i", "lab": "http://127.0.0.1/i"},
            "sha512": "ab" * 64,
            "min_disk_gib": 20,
            "user": "debian",
        }
    ],
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA54nM03wBRxABHE0DG4c+TF4r7Hif6kVsBKZ40druTb ops"


@functools.cache
def town() -> Catalogue:
    """Return the small city, with racks, a GPU flavor, and an image that has its checksum."""
    return small_city(sites=[main(public_key=KEY, **MORE), backup(public_key=KEY, **MORE)])


@functools.cache
def stack(site: str = "main", profile: Profile = Profile.PRODUCTION) -> Graph:
    """Return what the program declares for a site of the town."""
    known = town()
    return offline.run(Settings(known, known.sites[site], profile))


def view(graph: Graph, site: str = "main", profile: Profile = Profile.PRODUCTION) -> View:
    """Return a stack of the town as rules see it, with the other site's as the program has it."""
    known = town()
    other = "backup" if site == "main" else "main"
    peers = {other: stack(other, profile)}
    return View(graph, known, known.sites[site], profile, peers, TODAY)


def fixture(rule: str, which: str) -> Mapping[str, Any]:
    """Return a rule's fixture as its file has it."""
    path = FIXTURES / rule / f"{which}.yaml"
    found: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def fixture_view(data: Mapping[str, Any]) -> View:
    """Return a fixture as rules see it."""
    known = town()
    peers = {
        site: Graph([_resource(one, site) for one in some])
        for site, some in data.get("peers", {}).items()
    }
    site = known.sites[data.get("site", "main")]
    left = [one for one in site.capabilities if one.value not in data.get("site_without", ())]
    zoned = data.get("zoned_volumes", site.zoned_volumes)
    site = site.model_copy(update={"capabilities": left, "zoned_volumes": zoned})
    profile = Profile(data.get("profile", "production"))
    resources = [_resource(one, site.id) for one in data["resources"]]
    return View(Graph(resources, data.get("outputs", {})), known, site, profile, peers, TODAY)


def _resource(data: Mapping[str, Any], site: str) -> Resource:
    kind, name = data["kind"], data["name"]
    secrets = data.get("secrets")
    return Resource(
        urn=_urn(f"{kind}/{name}", site),
        type=TYPES.get(kind, f"openstack:any:{kind}"),
        name=name,
        inputs=_known(data.get("inputs", {})),
        parent=_urn(data["parent"], site) if "parent" in data else "",
        provider=_urn(f"openstack/{data['provider']}", site) if "provider" in data else "",
        protect=data.get("protect", False),
        id=f"{kind}/{name}",
        secrets=None if secrets is None else frozenset(secrets),
        managed=data.get("managed", True),
    )


def _urn(ref: str, site: str) -> str:
    kind, _, name = ref.partition("/")
    return f"urn:pulumi:{site}::citydc::{TYPES.get(kind, f'openstack:any:{kind}')}::{name}"


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _known(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_known(one) for one in value]
    return UNKNOWN if value == "[unknown]" else value
