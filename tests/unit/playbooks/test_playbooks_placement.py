"""Which host gets which role, and what the roles are told."""

import ipaddress
import shutil
from pathlib import Path

import pytest
import yaml

import catalogue
from catalogue import recovery
from catalogue.model import Catalogue, Profile
from infra import offline
from infra.outputs import Outputs
from infra.settings import Settings
from playbooks import placement
from playbooks.placement import Placed

ROLES = Path(placement.__file__).parent / "roles"
SITES = ("main", "backup")
KIOSK = """
id: kiosk
number: 40
name: {vi: Ki-ốt, en: Kiosk}
cite: 58/KH-UBND III.1.d
agency: science-technology
security_level: 2
personal_data: false
recovery: {tier: warm-standby, rto_minutes: 60, rpo_minutes: 5}
availability: 99.5
growth: 0.1
components:
  - {id: web, number: 0, tier: web, flavor: general-small, image: debian-12,
     count: {production: 1, lab: 0}, listens: [{id: https, port: 443, from: [citizens]}]}
  - {id: app, number: 1, tier: application, flavor: general-small, image: debian-12,
     count: {production: 2, lab: 0}, listens: [{id: https, port: 8443, from: [web]}]}
databases:
  - {id: visits, number: 8, engine: postgresql, version: "15", flavor: general-small,
     image: debian-12, primary: {production: 1, lab: 0}, standbys: {production: 0, lab: 0},
     size_gib: {production: 10, lab: 1}, port: 5433, from: [app]}
assumptions: [{fields: ["**"], reason: A test.}]
"""


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Give the city's catalogue with one service's file more."""
    folder = tmp_path_factory.mktemp("city") / "catalogue"
    source = Path(catalogue.__file__).parent
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (folder / "services" / "kiosk.yaml").write_text(KIOSK)
    return catalogue.load(folder)


@pytest.fixture(scope="module")
def hosts(city: Catalogue) -> dict[str, dict[str, Placed]]:
    """Give what each host gets, by site."""
    return {
        site: placement.placed(
            Outputs.model_validate(
                offline.run(Settings(city, city.sites[site], Profile.PRODUCTION)).outputs
            ),
            city,
        )
        for site in SITES
    }


def test_every_part_gets_a_role_or_is_left_out_for_a_reason(city: Catalogue) -> None:
    """No component or database is passed over silently."""
    known = placement.load()
    for service in city.services.values():
        for part in recovery.parts(service):
            left_out = any(one.meets(part) for one in known.left_out)
            assert bool(known.roles(part)) != left_out, f"{service.id}/{part.id}"


def test_every_role_that_is_given_is_there() -> None:
    """Each rule names a role with its variables described, and a play that gives it."""
    plays = yaml.safe_load((ROLES.parent / "services.yml").read_text())
    given = {play["hosts"]: [one["role"] for one in play["roles"]] for play in plays}
    for rule in placement.load().rules:
        assert (ROLES / rule.role / "meta" / "argument_specs.yml").exists()
        assert given[f"runs_{rule.role}"] == [rule.role]


def test_variables_are_what_the_roles_ask_for(hosts: dict[str, dict[str, Placed]]) -> None:
    """What a host is told is described by its roles, and all that they require is told."""
    options = {
        path.parents[1].name: yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]
        for path in ROLES.glob("*/meta/argument_specs.yml")
    }
    for host in (one for several in hosts.values() for one in several.values() if one.roles):
        asked = {
            name: option
            for role in ["certificate", "volumes", *host.roles]
            for name, option in options[role].items()
        }
        assert host.variables.keys() <= asked.keys()
        needed = {name for name, option in asked.items() if option.get("required")}
        assert needed <= host.variables.keys()


def test_added_file_needs_nothing_else(hosts: dict[str, dict[str, Placed]]) -> None:
    """A service's file alone gives its hosts their roles at both sites."""
    found = {name: one.roles for name, one in hosts["main"].items() if name.startswith("kiosk")}
    assert found == {
        "kiosk-web-1": ["proxy"],
        "kiosk-app-1": ["application"],
        "kiosk-app-2": ["application"],
        "kiosk-visits-1": ["postgresql"],
    }
    assert hosts["backup"]["kiosk-visits-1"].roles == ["postgresql"]


def test_proxy_leads_to_each_server_or_to_their_balancer(
    hosts: dict[str, dict[str, Placed]],
) -> None:
    """Servers are members one by one; those with a load balancer are reached by its address."""
    (kiosk,) = hosts["main"]["kiosk-web-1"].variables["proxy_frontends"]
    assert (kiosk["port"], [one["port"] for one in kiosk["members"]]) == (443, [8443, 8443])
    (one_stop,) = hosts["main"]["one-stop-web-1"].variables["proxy_frontends"]
    assert one_stop["members"] == [{"address": "2001:db8:58:51::5", "port": 8443}]
    (portal,) = hosts["main"]["open-data-portal-1"].variables["proxy_frontends"]
    assert portal["members"] == [{"address": "::1", "port": placement.LOCAL_PORT}]


def test_backups_are_kept_at_the_other_site(hosts: dict[str, dict[str, Placed]]) -> None:
    """All servers of a cluster name the same store, and it is not where the primary is."""
    for site in SITES:
        told = hosts[site]["kiosk-visits-1"].variables
        assert told["postgresql_repository"] == "kiosk-visits-1.backup.dc.hanoi.gov.vn"
        assert told["postgresql_servers"][0]["site"] == "main"
    assert hosts["main"]["iot-broker-1"].variables["application_database"] == {}
    assert hosts["main"]["reporting-warehouse-1"].variables["postgresql_repository"] == ""


def test_store_of_backups_lies_on_its_volume(hosts: dict[str, dict[str, Placed]]) -> None:
    """The server that keeps it is told so, of either engine; one without such a volume is not."""
    for name, engine in (("ihanoi-petitions-1", "mariadb"), ("one-stop-cases-1", "postgresql")):
        here, there = (hosts[site][name].variables for site in SITES)
        assert here[f"{engine}_repository"] == f"{name}.backup.dc.hanoi.gov.vn"
        assert there[f"{engine}_store"] == there["volumes_mounts"][1]["path"] == "/srv/backups"
        assert f"{engine}_store" not in here
        assert f"{engine}_store" not in hosts["backup"][name.replace("-1", "-2")].variables
    assert "postgresql_store" not in hosts["backup"]["kiosk-visits-1"].variables


def test_database_hears_its_callers_at_its_own_site(hosts: dict[str, dict[str, Placed]]) -> None:
    """Each site's servers hear that site's callers."""
    callers = [hosts[site]["kiosk-visits-1"].variables["postgresql_callers"] for site in SITES]
    assert [[one["name"] for one in several] for several in callers] == [["kiosk_app"]] * 2
    assert callers[0][0]["ipv6"] != callers[1][0]["ipv6"]
    database = hosts["backup"]["kiosk-app-1"].variables["application_database"]
    assert [one["site"] for one in database["servers"]] == ["backup"]
    assert (database["user"], database["port"]) == ("kiosk_app", 5433)


def test_database_lets_watchers_of_all_sites_ask_for_its_replication(
    hosts: dict[str, dict[str, Placed]],
) -> None:
    """Both sites' servers hear the monitoring networks of both."""
    for site in SITES:
        told = hosts[site]["kiosk-visits-1"].variables["postgresql_watchers"]
        assert [one["ipv6"] for one in told] == ["2001:db8:58:f4::/64", "2001:db8:59:f4::/64"]


def test_monitoring_host_asks_its_like_and_proves_its_paths(
    hosts: dict[str, dict[str, Placed]],
) -> None:
    """It has the exporters, the peer of its own number, and both sites' routers."""
    second = hosts["backup"]["operations-monitoring-2"]
    assert second.roles == ["exporters", "monitoring"]
    peer = second.variables["exporters_peer"]
    assert peer == {"site": "main", "url": "https://[2001:db8:58:f4::11]:9812"}
    checks = second.variables["exporters_self_checks"]
    assert {(one["address"], *one["reaches"]) for one in checks if ":" in one["address"]} == {
        ("2001:db8:58:f4::1", "main"),
        ("2001:db8:59:f4::1", "backup"),
    }
    assert len(checks) == 4


def test_monitoring_host_knows_all_observers_and_how_much_it_may_keep(
    hosts: dict[str, dict[str, Placed]],
) -> None:
    """Those of both sites, itself among them; a fifth of the data volume stays free."""
    told = hosts["backup"]["operations-monitoring-2"].variables
    assert told["monitoring_servers"] == [
        f"2001:db8:{site}:f4::{number}" for site in (58, 59) for number in (10, 11)
    ]
    assert told["monitoring_retention_size"] == f"{1600 * 1024}MB"


def test_mariadb_is_told_of_callers_at_both_sites(hosts: dict[str, dict[str, Placed]]) -> None:
    """Its accounts are replicated: all servers are told of the same callers, of both sites."""
    told = [hosts[site]["ihanoi-petitions-1"].variables for site in SITES]
    assert told[0]["mariadb_callers"] == told[1]["mariadb_callers"]
    found = {one["ipv6"].split(":")[2] for one in told[0]["mariadb_callers"]}
    assert found == {"58", "59"}
    assert told[0]["mariadb_servers"][0]["site"] == "main"


def test_first_volume_is_where_the_role_keeps_its_data(hosts: dict[str, dict[str, Placed]]) -> None:
    """A database's and a log host's; all others are under /srv, and hosts without have none."""
    mounts = {
        name: [one["path"] for one in hosts["main"][name].variables["volumes_mounts"]]
        for name in ("kiosk-visits-1", "ihanoi-petitions-1", "operations-logging-1",
                     "operations-monitoring-1", "operations-logs-1", "kiosk-app-1")
    }  # fmt: skip
    assert mounts == {
        "kiosk-visits-1": ["/var/lib/postgresql"],
        "ihanoi-petitions-1": ["/var/lib/mysql"],
        "operations-logging-1": ["/var/log/hosts"],
        "operations-monitoring-1": ["/var/lib/prometheus"],
        "operations-logs-1": ["/srv/data"],
        "kiosk-app-1": [],
    }
    assert "has_volumes" in hosts["main"]["kiosk-visits-1"].groups
    assert "has_volumes" not in hosts["main"]["kiosk-app-1"].groups


def test_zones_hold_every_host_in_both_families_and_back(
    hosts: dict[str, dict[str, Placed]],
) -> None:
    """The first name server keeps its site's zones; all others copy them."""
    zones = {
        zone["name"]: zone for zone in hosts["main"]["operations-dns-1"].variables["dns_zones"]
    }
    assert list(zones) == [
        "main.dc.hanoi.gov.vn.",
        "58.10.in-addr.arpa.",
        "8.5.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
        "backup.dc.hanoi.gov.vn.",
        "59.10.in-addr.arpa.",
        "9.5.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
    ]
    kept = {
        (one["name"], one["type"]): one["data"] for one in zones["main.dc.hanoi.gov.vn."]["records"]
    }
    for name in hosts["main"]:
        there = f"{name}.main.dc.hanoi.gov.vn."
        for kind in ("A", "AAAA"):
            address = ipaddress.ip_address(kept[there, kind])
            (zone,) = (
                one for one in zones.values() if f"{address.reverse_pointer}.".endswith(one["name"])
            )
            pointers = {one["name"]: one["data"] for one in zone["records"]}
            assert pointers[f"{address.reverse_pointer}."] == there
    assert zones["backup.dc.hanoi.gov.vn."]["primary"]["site"] == "backup"
    second = hosts["main"]["operations-dns-2"].variables["dns_zones"]
    assert all(zone["primary"] and not zone["records"] for zone in second)


@pytest.mark.parametrize(
    ("prefix", "zones"),
    [
        ("10.58.0.0/16", ["58.10.in-addr.arpa."]),
        ("10.58.0.0/15", ["58.10.in-addr.arpa.", "59.10.in-addr.arpa."]),
    ],
)
def test_prefix_that_ends_within_a_label_has_several_zones(prefix: str, zones: list[str]) -> None:
    """Reverse zones end at a label."""
    assert placement._reverse(ipaddress.IPv4Network(prefix)) == zones
