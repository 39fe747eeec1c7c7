"""What a site's cloud does not offer, and which services go without it there."""

from catalogue import recovery
from catalogue.model import Capability, Catalogue, Component, Profile, Service, Site

LEFT_OUT = {
    Capability.LOAD_BALANCER: "their load balancers",
    Capability.DNS: "their DNS names",
    Capability.OBJECT_STORAGE: "their buckets",
    Capability.ENCRYPTED_VOLUMES: "the encryption of their volumes",
    Capability.KEY_MANAGER: "the encryption of their volumes",
    Capability.VLAN_NETWORKS: "the link to the other sites",
    Capability.GPU: "their GPUs",
}


def offers(site: Site, *wanted: Capability) -> bool:
    """Return whether the site's cloud has all of that."""
    return set(wanted) <= set(site.capabilities)


def volume_type(site: Site) -> str:
    """Return the type of all volumes: the encrypted one where there is one."""
    encrypted = offers(site, Capability.ENCRYPTED_VOLUMES, Capability.KEY_MANAGER)
    return (
        site.encrypted_volume_type if encrypted and site.encrypted_volume_type else site.volume_type
    )


def left_out(catalogue: Catalogue, site: Site, profile: Profile) -> dict[Capability, list[str]]:
    """Return, for each capability that the site lacks and something needs, the services' ids."""
    found: dict[Capability, list[str]] = {}
    for service in sorted(catalogue.services.values(), key=lambda one: one.id):
        for capability in sorted(_needed(catalogue, site, service, profile)):
            if not offers(site, capability):
                found.setdefault(capability, []).append(service.id)
    return found


def message(site: Site, capability: Capability, services: list[str]) -> str:
    """Return the sentence that says so."""
    return (
        f"site {site.id} does not offer {capability.value}: {LEFT_OUT[capability]} are left out"
        f" ({', '.join(services)})"
    )


def _needed(
    catalogue: Catalogue, site: Site, service: Service, profile: Profile
) -> set[Capability]:
    here = recovery.standing(catalogue, site, service, profile)
    needed = {Capability.OBJECT_STORAGE}
    if not here.networks:
        return needed
    if site.link or recovery.peers(catalogue, site):
        needed.add(Capability.VLAN_NETWORKS)
    if any(here.volumes.values()):
        needed |= {Capability.ENCRYPTED_VOLUMES, Capability.KEY_MANAGER}
    if any(here.servers[one.target] for one in service.dns):
        needed.add(Capability.DNS)
    gpus = {one.id for one in site.flavors if one.gpus}
    for part in recovery.staffed(catalogue.city, service, profile):
        if here.servers[part.id] and part.flavor in gpus:
            needed.add(Capability.GPU)
        if here.servers[part.id] and isinstance(part, Component) and part.load_balancer:
            needed.add(Capability.LOAD_BALANCER)
    return needed
