"""The live cloud of a site, as rules read it."""

import functools
from collections.abc import Mapping
from typing import Any

from catalogue.errors import BadInputError, CityDCError, OutsideError
from catalogue.model import Capability, Site
from infra import credentials
from infra.credentials import Credentials
from infra.graph import Graph
from lab.engine import census
from lab.engine.cloud import ApiError, Cloud, Reason
from policies import sources

SERVICES = {
    Capability.LOAD_BALANCER: "load_balancer",
    Capability.DNS: "dns",
    Capability.OBJECT_STORAGE: "object_store",
    Capability.KEY_MANAGER: "key_manager",
}


def graph(site: Site, state: Graph) -> Graph:
    """
    Return what the site's cloud has now, under the names of the stack's state where it has them.

    The operator's credentials are those that the site is deployed with.  Raise BadInputError for
    credentials that are refused or do not see everything, OutsideError for a cloud that does not
    answer or answers in part: what is read in part is judged by nobody.
    """
    found = credentials.find(site)
    operator = Cloud(_settings(found))
    known = {
        (one.type, one.id): dict(one.inputs)
        for one in state.resources
        if one.id and not one.type.startswith("pulumi:")
    }

    @functools.cache
    def member(project: str) -> Cloud:
        return operator if project == operator.project_id else Cloud(_settings(found, project))

    services = {SERVICES[one] for one in site.capabilities if one in SERVICES}
    reach = census.Reach(operator, member, site.external_network, services)
    try:
        return sources.of_live(state, census.take(reach, known), operator.project_id)
    except ApiError as error:
        raise _explained(site, error) from error
    except CityDCError:
        raise
    except Exception as error:
        raise OutsideError(
            f"the live cloud of {site.id} cannot be read whole",
            why=f"an answer was not understood: {type(error).__name__}: {error}",
            remedy="see whether the cloud's services answer as OpenStack's do",
        ) from error


def _settings(found: Credentials, project: str | None = None) -> Mapping[str, Any]:
    """Return what the engine takes for a cloud: the operator's own project, or the one given."""
    own = found.auth if project is None else {}
    return {
        "authUrl": found.auth["auth_url"],
        "region": found.region,
        "password": found.auth["password"],
        "userId": found.auth.get("user_id"),
        "userName": found.auth.get("username"),
        "userDomainId": found.auth.get("user_domain_id"),
        "userDomainName": found.auth.get("user_domain_name"),
        "tenantId": project or own.get("project_id"),
        "tenantName": own.get("project_name"),
        "projectDomainId": own.get("project_domain_id"),
        "projectDomainName": own.get("project_domain_name"),
        "cacertFile": found.cacert_file,
        "insecure": found.insecure,
    }


def _explained(site: Site, error: ApiError) -> CityDCError:
    refused = error.reason in {Reason.CREDENTIALS, Reason.FORBIDDEN}
    kind = BadInputError if refused else OutsideError
    return kind(
        f"the credentials do not let the live cloud of {site.id} be read whole"
        if refused
        else f"the live cloud of {site.id} cannot be read whole",
        why=f"{error.what}: {error.why}",
        remedy=error.remedy
        if error.reason is not Reason.NOT_FOUND
        else "see whether the cloud still has the service, and run again",
        place=error.place,
    )
