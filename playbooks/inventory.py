"""
The hosts of a site as Ansible knows them: what the stack's outputs and the catalogue say of them.

The result has the shape of an Ansible inventory script's JSON.  Groups have a prefix that says what
they are by: `service_lgsp`, `part_lgsp_gateway`, `tier_web`, `role_primary`, `engine_postgresql`,
`agency_finance`, `level_3`, `zone_az1`, `runs_proxy`.
"""

from collections import defaultdict
from typing import Any

from catalogue import flows, recovery
from catalogue.addresses import GATEWAY
from catalogue.flows import PartKey, Rule
from catalogue.model import Catalogue
from infra.outputs import Host, Network, Outputs
from playbooks import placement

Inventory = dict[str, dict[str, Any]]


def inventory(outputs: Outputs, catalogue: Catalogue) -> Inventory:
    """
    Return the inventory of the hosts that are meant to run.

    Raise KeyError if the catalogue does not know a host's service: it is another city's.
    """
    site = catalogue.sites[outputs.site]
    open_ = flows.resolve(catalogue, site, outputs.profile)
    networks = {(one.service, one.component): one for one in outputs.networks}
    hosts = [one for one in outputs.hosts if one.power == "on"]
    placed = placement.placed(outputs, catalogue)
    groups: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        for group in [*_groups(host, catalogue), *placed[host.name].groups]:
            groups[group].append(host.name)
    return {
        "_meta": {
            "hostvars": {
                host.name: {
                    "ansible_host": str(host.ipv6),
                    "ansible_user": host.image_user,
                    **placed[host.name].variables,
                    "citydc_host": host.model_dump(mode="json"),
                    "citydc_network": _network(networks[host.service, host.component]),
                    "citydc_listens": _listens(host, catalogue),
                    "citydc_flows": [
                        _flow(rule)
                        for rule in (
                            *open_.baseline,
                            *open_.groups[PartKey(host.service, host.component)],
                        )
                        if rule.protocol != flows.ICMP  # hosts let it pass by its types alone
                    ],
                }
                for host in hosts
            }
        },
        "all": {
            "vars": {
                "citydc_site": outputs.site,
                "citydc_profile": outputs.profile.value,
                "citydc_domain": f"{outputs.site}.{catalogue.city.domain}".rstrip("."),
                "citydc_jump_host": outputs.jump_host,
                "citydc_name_servers": list(map(str, site.name_servers)),
                "citydc_endpoints": [one.model_dump(mode="json") for one in outputs.endpoints],
                "citydc_networks": [one.model_dump(mode="json") for one in outputs.networks],
                "citydc_buckets": [one.model_dump(mode="json") for one in outputs.buckets],
                "citydc_outside": {
                    one.id: {"ipv4": list(map(str, one.ipv4)), "ipv6": list(map(str, one.ipv6))}
                    for one in catalogue.city.outside
                },
                "citydc_whole": {"ipv4": str(site.ipv4), "ipv6": str(site.ipv6)},
            }
        },
        **{name: {"hosts": members} for name, members in sorted(groups.items())},
    }


def _groups(host: Host, catalogue: Catalogue) -> list[str]:
    service = catalogue.services[host.service]
    engines = [one.engine for one in service.databases if one.id == host.component]
    names = [
        f"service_{host.service}",
        f"part_{host.service}_{host.component}",
        f"tier_{host.tier}",
        f"role_{host.role}",
        f"agency_{host.agency}",
        f"level_{host.security_level}",
        f"zone_{host.zone}",
        *(f"engine_{engine}" for engine in engines),
    ]
    return [name.replace("-", "_") for name in names]


def _network(network: Network) -> dict[str, Any]:
    """Describe a host's network: prefixes, and the router's addresses in them."""
    return {
        "ipv4": str(network.ipv4),
        "ipv6": str(network.ipv6),
        "gateway_ipv4": str(network.ipv4[GATEWAY]),
        "gateway_ipv6": str(network.ipv6[GATEWAY]),
    }


def _listens(host: Host, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Name the ports of a host's part, whether anybody calls them or not."""
    parts = recovery.parts(catalogue.services[host.service])
    part = next(one for one in parts if one.id == host.component)
    ports = {(one.protocol, one.port) for one in (*flows.listens(part), *flows.among_servers(part))}
    return [{"protocol": protocol, "port": port} for protocol, port in sorted(ports)]


def _flow(rule: Rule) -> dict[str, Any]:
    return {
        "direction": rule.direction,
        "protocol": rule.protocol,
        "port": rule.port,
        "peer": rule.peer,
        "ipv4": list(map(str, rule.ipv4)),
        "ipv6": list(map(str, rule.ipv6)),
    }
