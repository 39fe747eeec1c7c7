"""The inventory that a stack's outputs give, and the rules that follow from it."""

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import catalogue
from catalogue import addresses, flows
from catalogue.flows import PartKey, Rule
from catalogue.model import Catalogue, Component, Profile
from catalogue.recovery import parts, standing
from infra.outputs import Outputs
from playbooks.access import Way, ssh_config
from playbooks.inventory import inventory

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
ROLE = PLAYBOOKS / "roles" / "firewall"
TEMPLATE = "files/etc/nftables.conf.j2"


@pytest.fixture(scope="module")
def city() -> Catalogue:
    """Give the city's own catalogue."""
    return catalogue.load()


@pytest.fixture(scope="module")
def outputs(city: Catalogue) -> Outputs:
    """Give the outputs of the whole main site, as a deployment gives them."""
    return _outputs(city, "main")


def _outputs(city: Catalogue, name: str) -> Outputs:
    site, profile = city.sites[name], Profile.PRODUCTION
    hosts, networks = [], []
    for service in city.services.values():
        found = standing(city, site, service, profile)
        for part in parts(service):
            prefixes = addresses.network(site, service, part.number)
            about = {"site": name, "agency": service.agency, "service": service.id,
                     "component": part.id}  # fmt: skip
            networks.append({**about, "name": f"{service.id}-{part.id}", "id": "n",
                             "ipv4": prefixes.ipv4, "ipv6": prefixes.ipv6})  # fmt: skip
            hosts += [
                {**about, "name": f"{service.id}-{part.id}-{index + 1}", "id": "h", "zone": "az1",
                 "tier": part.tier if isinstance(part, Component) else "database",
                 "role": "server" if isinstance(part, Component) else "primary",
                 "recovery_tier": service.recovery.tier, "security_level": service.security_level,
                 "personal_data": service.personal_data, "ipv4": prefixes.server(index).ipv4,
                 "ipv6": prefixes.server(index).ipv6, "image": "debian-12", "image_user": "debian",
                 "flavor": part.flavor, "power": "on"}
                for index in range(found.servers.get(part.id, 0))
            ]  # fmt: skip
    return Outputs.model_validate(
        {"schema_version": 1, "site": name, "profile": profile, "projects": {}, "hosts": hosts,
         "jump_host": "operations-bastion-1", "networks": networks, "buckets": [],
         "endpoints": [
             {"site": name, "service": "operations", "component": "bastion",
              "name": "ssh-administrators", "protocol": "tcp", "port": 2222, "ipv4": [], "ipv6": [],
              "balanced": False, "public": False, "public_ipv4": None, "dns_names": []}]}
    )  # fmt: skip


def test_hosts_are_reached_over_ipv6_and_grouped(outputs: Outputs, city: Catalogue) -> None:
    """Each host has its IPv6 address, account and router, and groups by what it is."""
    found = inventory(outputs, city)
    host = found["_meta"]["hostvars"]["lgsp-gateway-1"]
    assert host["ansible_host"] == "2001:db8:58:10::10"
    assert host["ansible_user"] == "debian"
    assert host["citydc_network"]["gateway_ipv6"] == "2001:db8:58:10::1"
    for group in ("service_lgsp", "part_lgsp_gateway", "tier_web", "level_3", "zone_az1",
                  "agency_science_technology"):  # fmt: skip
        assert "lgsp-gateway-1" in found[group]["hosts"]
    assert "lgsp-registry-1" in found["engine_postgresql"]["hosts"]
    registry = found["_meta"]["hostvars"]["lgsp-registry-1"]
    assert registry["citydc_listens"] == [
        {"protocol": "tcp", "port": port} for port in (5432, 8432)
    ]
    assert found["all"]["vars"]["citydc_domain"] == "main.dc.hanoi.gov.vn"


def test_hosts_that_are_off_are_left_out(outputs: Outputs, city: Catalogue) -> None:
    """A host that is not meant to run is not configured."""
    off = outputs.hosts[0].model_copy(update={"power": "off"})
    changed = outputs.model_copy(update={"hosts": [off, *outputs.hosts[1:]]})
    assert off.name not in inventory(changed, city)["_meta"]["hostvars"]


def test_plugin_gives_the_same_to_ansible(
    outputs: Outputs, city: Catalogue, tmp_path: Path
) -> None:
    """Ansible itself reads the file that `citydc configure` writes."""
    (tmp_path / "outputs.json").write_text(outputs.model_dump_json())
    file = tmp_path / "main.citydc.yaml"
    file.write_text(f"plugin: citydc\noutputs: {tmp_path}/outputs.json\nssh_config: /x\n")
    inventory_loader.add_directory(str(PLAYBOOKS / "plugins" / "inventory"))
    plugin = inventory_loader.get("citydc")
    loader = DataLoader()
    manager = InventoryManager(loader, sources=None)
    assert plugin.verify_file(str(file))
    plugin.parse(manager._inventory, loader, str(file), False)
    wanted = inventory(outputs, city)
    for name, variables in wanted["_meta"]["hostvars"].items():
        got = manager.get_host(name).vars
        assert {key: got[key] for key in variables} == variables
    assert manager.groups["all"].vars["ansible_ssh_extra_args"] == "-F /x"
    members = {one.name for one in manager.groups["service_lgsp"].hosts}
    assert members == set(wanted["service_lgsp"]["hosts"])


def test_hosts_behind_the_jump_host_are_reached_through_it(outputs: Outputs) -> None:
    """The jump host hears administrators on its own port; the others hear it alone."""
    text = ssh_config(outputs, Path("/state"), Way(Path("/key")))
    blocks = {one.split()[0]: one for one in text.split("\nHost ")[1:]}
    assert "Port 2222" in blocks["operations-bastion-1"]
    assert "ProxyJump" not in blocks["operations-bastion-1"]
    assert "ProxyJump operations-bastion-1" in blocks["lgsp-gateway-1"]
    assert "HostKeyAlias lgsp-gateway-1" in blocks["lgsp-gateway-1"]
    assert "StrictHostKeyChecking yes" in text
    direct = ssh_config(outputs, Path("/state"), Way(direct=True))
    assert "ProxyJump" not in direct
    assert "2222" not in direct


def test_jump_host_may_be_reached_by_a_command(outputs: Outputs) -> None:
    """Where the jump host can't be reached from here, a command connects to it, and to it alone."""
    text = ssh_config(outputs, Path("/state"), Way(proxy="connect %h %p"))
    blocks = {one.split()[0]: one for one in text.split("\nHost ")[1:]}
    lines = {line.strip() for line in blocks.pop("operations-bastion-1").splitlines()}
    assert {"ProxyCommand connect %h %p", "ProxyUseFdpass yes"} <= lines
    assert not any("ProxyCommand" in one for one in blocks.values())


def _rendered(host: dict[str, Any], shared: dict[str, Any], **own: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(ROLE / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701  no HTML
    )
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    return environment.get_template(TEMPLATE).render({**shared, **host, **defaults, **own})


def _passing(text: str) -> set[tuple[str, str, int, str]]:
    """Return what the rendered rules let pass by address and port."""
    found = set()
    way = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("chain "):
            way = {"input": "ingress", "output": "egress"}.get(line.split()[1], "")
        if line.startswith(("ip saddr {", "ip6 saddr {", "ip daddr {", "ip6 daddr {")):
            prefixes, rest = line.split("{")[1].split("}")
            words = rest.split()
            if words[1] == "dport":
                found |= {
                    (way, words[0], int(words[2]), str(ipaddress.ip_network(one.strip())))
                    for one in prefixes.split(",")
                }
    return found


def _allowed(rules: tuple[Rule, ...]) -> set[tuple[str, str, int, str]]:
    return {
        (one.direction, one.protocol, one.port, str(prefix))
        for one in rules
        for prefix in (*one.ipv4, *one.ipv6)
        if one.protocol != flows.ICMP
    }


def test_firewall_lets_pass_what_the_security_groups_do(outputs: Outputs, city: Catalogue) -> None:
    """On every host of the site, the rules by address and port are those of its two groups."""
    found = inventory(outputs, city)
    open_ = flows.resolve(city, city.sites["main"], Profile.PRODUCTION)
    for host in outputs.hosts:
        variables = found["_meta"]["hostvars"][host.name]
        group = open_.groups[PartKey(host.service, host.component)]
        text = _rendered(variables, found["all"]["vars"])
        assert _passing(text) == _allowed((*open_.baseline, *group)), host.name


def test_firewall_of_an_ipv6_only_host_has_no_ipv4(outputs: Outputs, city: Catalogue) -> None:
    """No IPv4 prefix passes there, and the IPv6 ones are the same."""
    found = inventory(outputs, city)
    variables = found["_meta"]["hostvars"]["lgsp-gateway-1"]
    both = _passing(_rendered(variables, found["all"]["vars"]))
    only = _passing(_rendered(variables, found["all"]["vars"], ipv6_profile="ipv6-only"))
    assert only == {one for one in both if ":" in one[3]}


@pytest.mark.parametrize(("profile", "heard"), [("static", False), ("slaac", True)])
def test_router_advertisements_pass_by_profile(
    outputs: Outputs,
    city: Catalogue,
    profile: str,
    heard: bool,  # noqa: FBT001
) -> None:
    """RFC 4890's messages pass on every host, router advertisements for SLAAC alone."""
    found = inventory(outputs, city)
    variables = found["_meta"]["hostvars"]["lgsp-gateway-1"]
    text = _rendered(variables, found["all"]["vars"], ipv6_profile=profile)
    assert ("nd-router-advert" in text) is heard
    for needed in ("packet-too-big", "nd-neighbor-solicit", "mld2-listener-report"):
        assert needed in text
    assert "nd-redirect" not in text


def test_outputs_survive_the_way_through_json(outputs: Outputs, city: Catalogue) -> None:
    """The inventory is plain data: what Ansible stores is what was computed."""
    found = inventory(outputs, city)
    assert json.loads(json.dumps(found)) == found
