"""What the program leaves out, protects and reserves, by site and profile."""

import pytest
from graphs import declared, labels, of_small, one
from small_city import EVERYTHING, all_services, backup, main, small_city

from catalogue.model import Catalogue, Profile, Sized
from infra import capabilities


def without(capability: str) -> Catalogue:
    """Return the city whose primary site's cloud lacks that."""
    offered = [one for one in EVERYTHING if one != capability]
    return small_city(sites=[main(capabilities=offered), backup()])


@pytest.mark.parametrize(
    ("capability", "kinds", "services"),
    [
        ("load-balancer", {"LoadBalancer", "Listener", "Pool", "Member", "Quota"}, "(shop)"),
        ("dns", {"Zone", "RecordSet"}, "(shop)"),
        ("object-storage", {"Container"}, "(desk, files, lab, ops, shop)"),
    ],
)
def test_what_a_cloud_lacks_is_left_out_and_said(
    capability: str, kinds: set[str], services: str
) -> None:
    """Nothing of that API is declared; one warning names the services that go without."""
    graph = declared(without(capability))
    assert not [kind for kind in kinds if graph.of(kind)]
    assert len(graph.warnings) == 1
    assert capability in graph.warnings[0]
    assert services in graph.warnings[0]
    assert graph.of("Instance")


@pytest.mark.parametrize("capability", ["encrypted-volumes", "key-manager"])
def test_without_encryption_volumes_are_plain(capability: str) -> None:
    """Both the type and the keys are needed."""
    graph = declared(without(capability))
    assert {one.inputs["volumeType"] for one in graph.of("Volume")} == {"standard"}
    assert "the encryption of their volumes are left out" in graph.warnings[0]


def test_without_vlans_the_link_stays_inside() -> None:
    """The routers of the site still meet; the warning says what does not."""
    graph = declared(without("vlan-networks"))
    assert "segments" not in one(graph, "Network", "link").inputs
    assert len(graph.of("RouterRoutesV2")) == 2
    assert "the link to the other sites are left out" in graph.warnings[0]


def test_a_cloud_that_offers_everything_is_not_warned_of() -> None:
    """No warning without a cause."""
    assert not of_small().warnings


def test_gpus_are_asked_for_where_there_are_any() -> None:
    """Their flavors ask for devices in production, with the capability; else servers go without."""
    flavor = {
        "id": "small",
        "vcpus": 2,
        "ram_mib": 4096,
        "gpus": 1,
        "device_specs": {"pci_passthrough:alias": "gpu:1"},
    }
    with_gpus = small_city(sites=[main(flavors=[flavor], capabilities=[*EVERYTHING, "gpu"])])
    without_gpus = small_city(sites=[main(flavors=[flavor])])
    production = declared(with_gpus, profile=Profile.PRODUCTION)
    assert one(production, "Flavor", "small").inputs["extraSpecs"] == {
        "pci_passthrough:alias": "gpu:1"
    }
    for graph in (declared(with_gpus), declared(without_gpus, profile=Profile.PRODUCTION)):
        assert "extraSpecs" not in one(graph, "Flavor", "small").inputs
    assert "gpu" in declared(without_gpus).warnings[0]


def test_only_production_protects_what_holds_data() -> None:
    """Data volumes and buckets; a lab can be destroyed whole."""
    production = of_small(profile=Profile.PRODUCTION)
    protected = {
        (one.type.rpartition(":")[2], one.name) for one in production.resources if one.protect
    }
    data = {
        ("Volume", one.name) for one in production.of("Volume") if labels(one)["volume"] != "system"
    }
    buckets = {("Container", one.name) for one in production.of("Container")}
    assert protected == data | buckets
    assert all(one.inputs["forceDestroy"] is False for one in production.of("Container"))
    lab = of_small()
    assert not [one for one in lab.resources if one.protect]
    assert all(one.inputs["forceDestroy"] is True for one in lab.of("Container"))


def test_databases_keep_strictly_apart_in_production() -> None:
    """Primary and standby never share a machine; other tiers keep apart as well as can be."""
    graph = of_small(profile=Profile.PRODUCTION)
    policies = {one.name: one.inputs["policies"] for one in graph.of("ServerGroup")}
    assert policies["shop-store"] == policies["files-index"] == "anti-affinity"
    assert policies["shop-web"] == "soft-anti-affinity"


def test_servers_are_spread_over_the_zones() -> None:
    """Evenly, and single servers of different parts begin in different zones."""
    graph = of_small(profile=Profile.PRODUCTION)
    zones = {one.name: one.inputs["availabilityZoneHints"] for one in graph.of("Instance")}
    assert [zones[f"desk-app-{number}"] for number in (1, 2, 3, 4)] == ["az1", "az2", "az1", "az2"]
    assert zones["shop-web-1"] != zones["shop-app-1"]


def test_volumes_lie_in_their_servers_zone_where_they_have_zones() -> None:
    """In production only, and also where no server stands before a takeover."""
    zoned = small_city(sites=[main(zoned_volumes=True), backup(zoned_volumes=True)])
    graph = declared(zoned, "main", Profile.PRODUCTION)
    zones = {server.name: server.inputs["availabilityZoneHints"] for server in graph.of("Instance")}
    assert set(zones.values()) == {"az1", "az2"}
    for name, zone in zones.items():
        own = [one for one in graph.of("Volume") if one.name.startswith(f"{name}-")]
        assert {one.inputs["availabilityZone"] for one in own} == {zone}
    there = declared(zoned, "backup", Profile.PRODUCTION).of("Volume")
    assert all("availabilityZone" in volume.inputs for volume in there)
    in_the_lab = declared(zoned, "main", Profile.LAB).of("Volume")
    assert not any("availabilityZone" in volume.inputs for volume in in_the_lab)


def test_the_first_server_of_a_database_is_its_primary() -> None:
    """All others follow, and every one at a standby site."""
    roles = {}
    for site in ("main", "backup"):
        graph = of_small(site, Profile.PRODUCTION)
        roles[site] = [
            one(graph, "Instance", f"shop-store-{n}").inputs["metadata"]["role"] for n in (1, 2)
        ]
    assert roles == {"main": ["primary", "standby"], "backup": ["standby", "standby"]}


def test_a_pilot_light_has_its_data_and_no_servers() -> None:
    """Volumes, networks and groups stand ready under the names that servers will find."""
    graph = of_small("backup", Profile.PRODUCTION)
    volumes = [one.name for one in graph.of("Volume") if one.name.startswith("files-")]
    assert sorted(volumes) == ["files-app-1-data", "files-app-2-data", "files-index-1-data"]
    assert not [one for one in graph.of("Instance") if one.name.startswith("files-")]
    primary = of_small("main", Profile.PRODUCTION)
    urns = {one.name: one.urn.replace(":main:", ":backup:") for one in primary.of("Volume")}
    assert all(one.urn == urns[one.name] for one in graph.of("Volume"))


def test_backups_have_a_volume_at_the_other_site() -> None:
    """Its first standby there has it; where no server stands, no volume waits for a store."""
    services = [
        service.model_copy(
            update={
                "databases": [
                    one.model_copy(update={"backups_gib": Sized(production=300, lab=1)})
                    for one in service.databases
                ]
            }
        )
        for service in all_services()
    ]
    known = small_city(services=services)
    found = {
        site: {
            volume.name: volume.inputs["size"]
            for volume in declared(known, site, Profile.PRODUCTION).of("Volume")
            if volume.name.endswith("-backups")
        }
        for site in ("main", "backup")
    }
    assert found == {"main": {}, "backup": {"shop-store-1-backups": 300}}


def test_what_is_only_backed_up_has_a_bucket_and_a_project() -> None:
    """And nothing else at the standby site."""
    alone = [one for one in all_services() if one.id == "lab"]
    graph = declared(small_city(services=alone), "backup")
    assert [one.name for one in graph.of("Container")] == ["lab-backup"]
    assert [one.name for one in graph.of("Project")] == ["trade"]
    assert not graph.of("Router")
    assert [one.name for one in graph.of("Network")] == ["link"]


def test_a_public_balancer_has_a_floating_address_and_its_name_leads_there() -> None:
    """A by the floating address, AAAA by the balancer's own."""
    graph = of_small()
    assert one(graph, "FloatingIp", "shop-web").inputs["portId"] == "VipPort/shop-web-ipv4"
    assert one(graph, "RecordSet", "shop-a").inputs["records"] == ["198.51.100.9"]
    assert one(graph, "RecordSet", "shop-aaaa").inputs["records"] == ["2001:db8:1:10::5"]
    assert one(graph, "RecordSet", "shop-store-a").inputs["records"] == ["10.1.6.16"]


def test_components_have_a_name_for_what_is_public_that_leads_to_the_balancer() -> None:
    """What is not public has one name for all."""
    found = {
        one.inputs["name"]: one.inputs["records"]
        for one in of_small("main").of("RecordSet")
        if ".int." in one.inputs["name"] and one.inputs["type"] == "A"
    }
    assert found == {"shop.int.main.dc.example.": ["10.1.4.5"]}


def test_quotas_hold_what_is_declared_at_full_size() -> None:
    """At both sites, so that a takeover meets no limit; with room for growth."""
    primary = of_small("main", Profile.PRODUCTION)
    for site in ("main", "backup"):
        graph = of_small(site, Profile.PRODUCTION)
        compute = one(graph, "QuotaSetV2", "trade-compute").inputs
        servers = [s for s in primary.of("Instance") if labels(s)["agency"] == "trade"]
        if site == "backup":  # what is only backed up does not come here
            servers = [s for s in servers if labels(s)["service"] != "lab"]
        assert compute["instances"] == -(-len(servers) * 3 // 2) + 10
        assert compute["cores"] == len(servers) * 2 * 3 // 2 + 10


def test_messages_name_site_and_services() -> None:
    """One sentence."""
    known = without("dns")
    found = capabilities.left_out(known, known.sites["main"], Profile.LAB)
    [(capability, services)] = found.items()
    assert capabilities.message(known.sites["main"], capability, services) == (
        "site main does not offer dns: their DNS names are left out (shop)"
    )
