"""The lookup `certificate`: what the city's authority issues for a host's request."""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from catalogue.errors import CityDCError
from playbooks import authority

DOCUMENTATION = """
name: certificate
short_description: The certificate that the city's authority issues for a request
options:
  _terms:
    description: The request, in PEM.
  folder:
    description: Where the authority's key lies, and what it issued; made if it is missing.
    type: path
    required: true
  names:
    description: DNS names that the certificate is for.
    type: list
    elements: str
    default: []
  addresses:
    description: Addresses that the certificate is for.
    type: list
    elements: str
    default: []
"""


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """Gives C(certificate) and C(authority), both in PEM."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        """Issue the certificate, unless it was issued before.  Raise AnsibleLookupError."""
        self.set_options(var_options=variables, direct=kwargs)
        folder = Path(self.get_option("folder"))
        names, addresses = self.get_option("names"), self.get_option("addresses")
        try:
            return [authority.issue(folder, one, names, addresses)._asdict() for one in terms]
        except CityDCError as error:
            raise AnsibleLookupError(str(error)) from error
