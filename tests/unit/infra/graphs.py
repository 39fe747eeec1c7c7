"""The graphs that the program declares, and how to read them."""

import functools
import re
from typing import Any

from small_city import small_city

import catalogue
from catalogue.model import Catalogue, Profile
from infra import offline
from infra.graph import Graph, Resource
from infra.settings import Settings


@functools.cache
def city() -> Catalogue:
    """Return the project's own catalogue."""
    return catalogue.load()


@functools.cache
def of_city(site: str, profile: Profile = Profile.LAB) -> Graph:
    """Return what is declared for a site of the project's own catalogue."""
    return declared(city(), site, profile)


@functools.cache
def of_small(site: str = "main", profile: Profile = Profile.LAB) -> Graph:
    """Return what is declared for a site of the small city."""
    return declared(small_city(), site, profile)


def declared(known: Catalogue, site: str = "main", profile: Profile = Profile.LAB) -> Graph:
    """Return what is declared for the site."""
    return offline.run(Settings(known, known.sites[site], profile))


def one(graph: Graph, kind: str, name: str) -> Resource:
    """Return the one resource of that type and name."""
    found = [resource for resource in graph.of(kind) if resource.name == name]
    assert len(found) == 1, (kind, name)
    return found[0]


def labels(resource: Resource) -> dict[str, Any]:
    """Return what a resource's tags or metadata say."""
    said = dict(tag.split("=", 1) for tag in resource.inputs.get("tags") or () if "=" in tag)
    metadata = resource.inputs.get("metadata") or {}
    return said | {re.sub("-", "_", name): text for name, text in metadata.items()}
