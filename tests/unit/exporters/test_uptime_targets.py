"""What is probed follows from the catalogue and the outputs of the program that deploys it."""

import json
from pathlib import Path

import pytest
from small_city import small_city

import catalogue
from catalogue import flows, recovery
from catalogue.errors import BadInputError
from catalogue.model import Catalogue, Profile
from exporters.outputs import Outputs, read
from exporters.uptime import targets
from exporters.uptime.targets import Plan, Target
from infra import offline
from infra.settings import Settings


def outputs(known: Catalogue, site: str, profile: Profile = Profile.PRODUCTION) -> Outputs:
    """Return a stack's outputs as the exporters read them."""
    graph = offline.run(Settings(known, known.sites[site], profile))
    return Outputs.model_validate_json(json.dumps(graph.outputs))


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Give what is probed of both sites of the small city."""
    known = small_city()
    stacks = [outputs(known, site) for site in ("main", "backup")]
    return targets.plan(known, stacks, targets.load())


def found(plan: Plan, service: str, site: str, start: str) -> list[Target]:
    """Return a service's targets whose name starts so."""
    return [
        one
        for one in plan.targets.values()
        if (one.service, one.site) == (service, site) and one.name.startswith(start)
    ]


def test_public_port_is_probed_as_citizens_call_it(plan: Plan) -> None:
    """By IPv4 at the floating address, by IPv6 at the balancer's; its certificate has its name."""
    ports = found(plan, "shop", "main", "web/https")
    assert {(one.family, one.kind, one.server_name) for one in ports} == {
        ("ipv4", "http", "shop.main.dc.example"),
        ("ipv6", "http", "shop.main.dc.example"),
    }
    assert all(len(one.addresses) == 1 for one in ports)


def test_servers_without_a_balancer_are_alternatives(plan: Plan) -> None:
    """Each server is probed by itself; one of them suffices."""
    ids = {one.id for one in found(plan, "shop", "main", "store/store") if one.family == "ipv6"}
    assert len(ids) > 1
    assert {plan.targets[one].kind for one in ids} == {"postgresql"}


def test_only_what_others_call_counts(plan: Plan) -> None:
    """The shop's database serves its own components; desk calls its web and its app."""
    needed = plan.services["shop", "ipv6"]["main"]
    counted = {plan.targets[one].name.split("/")[0] for any_ in needed for one in any_}
    assert counted == {"web", "app"}
    assert found(plan, "shop", "main", "store/")


def test_names_lead_to_what_the_outputs_say(plan: Plan) -> None:
    """Each DNS name is asked for by both families, and the name servers for their own zone."""
    names = found(plan, "shop", "main", "web/dns/")
    assert {one.question.record for one in names if one.question} == {"A", "AAAA"}
    ports = {one.family: one.addresses[0] for one in found(plan, "shop", "main", "web/https")}
    for one in names:
        assert one.question
        assert one.question.answers == {str(ports[one.family])}
        assert {one.family} == {"ipv6" if a.version == 6 else "ipv4" for a in one.addresses}
    own = found(plan, "ops", "main", "dns/dns/")
    assert {one.question.name for one in own if one.question} == {"main.dc.example"}


def test_hosts_are_pinged_and_do_not_count(plan: Plan) -> None:
    """An echo tells where to look; a service is what its ports give."""
    pings = {one.id for one in plan.targets.values() if one.kind == "icmp"}
    counted = {
        one for sites in plan.services.values() for n in sites.values() for a in n for one in a
    }
    assert pings
    assert not pings & counted


def test_a_site_that_only_keeps_data_has_nothing_to_answer(plan: Plan) -> None:
    """Pilot light and backup only run no servers at the standby site."""
    assert set(plan.services["files", "ipv6"]) == {"main"}
    assert set(plan.services["shop", "ipv6"]) == {"main", "backup"}


def test_every_port_of_the_city_is_probed_or_left_out_with_a_reason() -> None:
    """No port of the city's own catalogue falls between the rules."""
    known, rules = catalogue.load(), targets.load()
    for service in known.services.values():
        for part in recovery.parts(service):
            for listen in flows.listens(part):
                left_out = any(one.meets(part, listen) for one in rules.left_out)
                assert (rules.rule(part, listen) is None) == left_out, (service.id, listen.id)


@pytest.mark.parametrize("profile", Profile)
def test_every_service_of_the_city_is_counted_in_both_families(profile: Profile) -> None:
    """No service goes unmeasured at the main site, even where its entry is not deployed."""
    known = catalogue.load()
    plan = targets.plan(known, [outputs(known, "main", profile)], targets.load())
    assert set(plan.services) == {
        (service, family) for service in known.services for family in targets.FAMILIES
    }


@pytest.mark.parametrize("text", ["", "[]", '{"site": "main"}', '{"schema_version": 2}'])
def test_faulty_outputs_are_refused(tmp_path: Path, text: str) -> None:
    """The message names the file, and how to write it anew."""
    file = tmp_path / "outputs.json"
    file.write_text(text)
    with pytest.raises(BadInputError, match=r"outputs.json.*cannot be read\n.*\n.*pulumi stack"):
        read(file, small_city())
    with pytest.raises(BadInputError, match="No such file"):
        read(tmp_path / "none.json", small_city())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"main"', '"mian"', 'no site "mian"'),
        ('"component": "store"', '"component": "stall"', 'no "shop/stall"'),
        ('"name": "https"', '"name": "http"', 'no port ".*/http"'),
    ],
)
def test_outputs_of_another_catalogue_are_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    """The message names what the catalogue does not know."""
    known = small_city()
    file = tmp_path / "outputs.json"
    graph = offline.run(Settings(known, known.sites["main"], Profile.PRODUCTION))
    text = json.dumps(graph.outputs)
    file.write_text(text)
    assert read(file, known).site == "main"
    file.write_text(text.replace(old, new))
    with pytest.raises(BadInputError, match=said):
        read(file, known)
