"""Quotas: set for a project, never created or deleted."""

import math

from .base import Body, Cloud, Kind, Values


class Quota(Kind):
    """
    A project's quotas of one service; its id is "project/region".

    Deleting it gives the project the cloud's defaults again.
    """

    def encode(self, inputs: Values) -> Body:
        """Return the quotas that the program gives."""
        return super().encode({k: v for k, v in inputs.items() if k not in ("projectId", "region")})

    def decode(self, body: Body, inputs: Values, cloud: Cloud) -> Values:
        """Return the outputs."""
        return super().decode(body, inputs, cloud) | {"projectId": inputs.get("projectId", "")}

    def url(self, ident: str) -> str:
        """Return the path of a project's quotas."""
        return f"{self.path}/{ident.partition('/')[0]}"

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Set the quotas."""
        ident = f"{inputs['projectId']}/{inputs.get('region') or cloud.region}"
        self.call(cloud, "put", self.url(ident), {self.key: self.encode(inputs)})
        return ident

    def eased(self, inputs: Values, old: Values) -> Values:
        """Return the higher of each old and new limit: one below what is in use is refused."""
        lowered = {
            name: old[name]
            for name, limit in inputs.items()
            if isinstance(limit, int | float)
            and isinstance(old.get(name), int | float)
            and _height(old[name]) > _height(limit)
        }
        return inputs | lowered

    def find(self, cloud: Cloud, inputs: Values) -> list[str]:
        """Return the project's quotas, which are always there."""
        return [f"{inputs['projectId']}/{inputs.get('region') or cloud.region}"]

    def listing(self, cloud: Cloud) -> dict[str, Body] | None:
        """Return None: quotas are asked for by project."""
        del cloud
        return None


def _height(limit: float) -> float:
    return math.inf if limit < 0 else limit  # -1: unlimited
