"""What the exporters read of a stack's outputs (docs/outputs.md), as a JSON document in a file."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from catalogue import flows, recovery
from catalogue.errors import BadInputError
from catalogue.model import Catalogue, Profile


class _Model(BaseModel):
    """A part of the outputs; fields that are only ever added are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Host(_Model):
    """A server."""

    name: str
    service: str
    component: str
    role: Literal["server", "primary", "standby"]
    flavor: str
    ipv4: IPv4Address
    ipv6: IPv6Address


class Endpoint(_Model):
    """A port that a component or database is called on."""

    service: str
    component: str
    name: str
    protocol: Literal["tcp", "udp"]
    port: int
    ipv4: list[IPv4Address]
    ipv6: list[IPv6Address]
    public_ipv4: IPv4Address | None
    dns_names: list[str]


class Outputs(_Model):
    """What a stack exports."""

    schema_version: Literal[1]
    site: str
    profile: Profile
    projects: dict[str, str]
    """Each agency's project id."""
    hosts: list[Host]
    endpoints: list[Endpoint]


def read(file: Path, catalogue: Catalogue) -> Outputs:
    """
    Return the outputs in `file`, as `pulumi stack output --json` prints them.

    Raise BadInputError if it can't be read, has another shape, or is of another catalogue.
    """
    try:
        found = Outputs.model_validate_json(file.read_bytes())
        stranger = next(_strangers(found, catalogue), None)
        if stranger is None:
            return found
        why = f"the catalogue has no {stranger}"
    except OSError as error:
        why = error.strerror or str(error)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        why = f"{'.'.join(map(str, first['loc'])) or 'the document'}: {first['msg']}"
    raise BadInputError(
        "the stack's outputs cannot be read",
        why=why,
        remedy="write it anew: pulumi stack output --json > FILE",
        place=str(file),
    )


def _strangers(outputs: Outputs, catalogue: Catalogue) -> Iterator[str]:
    """Yield what the outputs name and the catalogue doesn't know."""
    if outputs.site not in catalogue.sites:
        yield f'site "{outputs.site}"'
    ports = {
        (service.id, part.id, listen.id)
        for service in catalogue.services.values()
        for part in recovery.parts(service)
        for listen in flows.listens(part)
    }
    parts = {
        (service.id, part.id)
        for service in catalogue.services.values()
        for part in recovery.parts(service)
    }
    for host in outputs.hosts:
        if (host.service, host.component) not in parts:
            yield f'"{host.service}/{host.component}"'
    for one in outputs.endpoints:
        if (one.service, one.component, one.name) not in ports:
            yield f'port "{one.service}/{one.component}/{one.name}"'
