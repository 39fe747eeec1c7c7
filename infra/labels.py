"""What every object of the cloud says about itself."""

from collections.abc import Mapping

from catalogue.model import Agency, Component, Database, Service, Site

Labels = Mapping[str, str]


def of_agency(site: Site, agency: Agency) -> Labels:
    """Return what an agency's shared objects say."""
    return {"agency": agency.id, "site": site.id}


def of_service(site: Site, service: Service) -> Labels:
    """Return what all objects of a service say."""
    return {
        "agency": service.agency,
        "service": service.id,
        "security_level": str(service.security_level),
        "recovery_tier": service.recovery.tier.value,
        "site": site.id,
    }


def of_part(site: Site, service: Service, part: Component | Database) -> Labels:
    """Return what all objects of a component or database say."""
    tier = "database" if isinstance(part, Database) else part.tier
    return {**of_service(site, service), "component": part.id, "tier": tier}


def tags(labels: Labels) -> list[str]:
    """Return the labels for an API that has tags."""
    return ["citydc", *sorted(f"{name}={value}" for name, value in labels.items())]


def headers(labels: Labels) -> dict[str, str]:
    """Return the labels for object storage, where names are headers'."""
    return {name.replace("_", "-"): value for name, value in labels.items()}
