"""The outputs are what is promised to all that comes after a deployment."""

import json
from ipaddress import ip_address

import pytest
from graphs import city, labels, of_city, of_small
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from catalogue.model import Profile
from infra import outputs
from infra.outputs import Outputs


def test_the_written_schema_is_the_models() -> None:
    """`python -m infra.outputs` writes it."""
    assert json.loads(outputs.SCHEMA.read_text()) == outputs.schema(), (
        "infra/outputs.schema.json is stale: run `python -m infra.outputs`"
    )


@pytest.mark.parametrize("site", ["main", "backup"])
def test_a_stacks_outputs_keep_the_promise(site: str) -> None:
    """Hosts, endpoints, networks and buckets are those that are declared."""
    graph = of_city(site)
    Draft202012Validator(outputs.schema()).validate(graph.outputs)
    found = Outputs.model_validate(graph.outputs)
    assert (found.site, found.profile) == (site, Profile.LAB)
    servers = {one.name: one for one in graph.of("Instance")}
    assert {host.name for host in found.hosts} == servers.keys()
    for host in found.hosts:
        said = labels(servers[host.name])
        assert said["service"] == host.service
        assert said["role"] == host.role
        assert host.id == f"Instance/{host.name}"
        assert (host.ipv4.version, host.ipv6.version) == (4, 6)
        assert host.image_user == "debian"
    assert {one.name for one in graph.of("Container")} == {one.name for one in found.buckets}
    assert {f"Network/{one.name}" for one in found.networks} == {one.id for one in found.networks}
    assert found.projects == {one.name: one.id for one in graph.of("Project")}
    assert found.jump_host == "operations-bastion-1"


def test_an_endpoint_is_where_callers_reach_it() -> None:
    """A balanced port at its balancer, a public one at its floating address too."""
    found = Outputs.model_validate(of_small("main", Profile.PRODUCTION).outputs)
    ends = {(one.service, one.component, one.name): one for one in found.endpoints}
    web = ends["shop", "web", "https"]
    assert web.balanced
    assert web.public
    assert web.public_ipv4 == ip_address("198.51.100.9")
    assert web.ipv6 == [ip_address("2001:db8:1:10::5")]
    assert web.dns_names == ["shop.main.dc.example"]
    assert web.internal_dns_names == ["shop.int.main.dc.example"]
    store = ends["shop", "store", "store"]
    assert not store.balanced
    assert len(store.ipv4) == len(store.ipv6) == 2
    assert store.dns_names == store.internal_dns_names == ["shop-store.main.dc.example"]
    assert store.port == 5432


def test_what_has_no_servers_has_no_endpoint() -> None:
    """A pilot light's ports cannot be called."""
    found = Outputs.model_validate(of_small("backup", Profile.PRODUCTION).outputs)
    assert "files" not in {one.service for one in found.endpoints}
    assert "files" in {one.service for one in found.networks}


def test_other_versions_are_refused() -> None:
    """Whoever reads outputs of a later meaning is told so."""
    with pytest.raises(ValidationError, match="schema_version"):
        Outputs.model_validate({**of_city("main").outputs, "schema_version": 2})


def test_every_service_has_outputs() -> None:
    """At the primary site at least one host each."""
    found = Outputs.model_validate(of_city("main").outputs)
    assert {host.service for host in found.hosts} == set(city().services)
