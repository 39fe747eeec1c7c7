"""Read what another exporter measures from its metrics."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from exporters.devices import web
from exporters.devices.client import DeviceError, Found, Reason
from exporters.devices.credentials import Credentials, trust
from exporters.devices.decoding import figure, matches
from exporters.devices.profile import PrometheusProfile

PORT = 9100
LARGEST = 4 << 20


class PrometheusReader:
    """An exporter that answers in Prometheus's text format."""

    def __init__(
        self,
        profile: PrometheusProfile,
        host: str,
        port: int,
        credentials: Credentials | None,
        timeout: float,
    ) -> None:
        self._profile = profile
        trusted = trust(credentials.ca if credentials else None)
        self._where = (web.url(profile.scheme, host, port), trusted, timeout)
        self._client: httpx.AsyncClient | None = None
        given = credentials
        self._authentication = (
            httpx.BasicAuth(given.username, given.password.get_secret_value())
            if given and given.username and given.password
            else None
        )

    async def fetch(self) -> list[Found]:
        """Return what the metrics say; those that the exporter doesn't have are left out."""
        if self._client is None:
            self._client = web.client(*self._where)
        _, body = await web.exchange(
            self._client, "GET", self._profile.path, LARGEST, auth=self._authentication
        )
        found = decoded(self._profile, body.decode("utf-8", "replace"))
        if not found:
            raise DeviceError(Reason.PROTOCOL, "it has none of the metrics of its profile")
        return found

    async def disconnect(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client:
            await client.aclose()


def decoded(profile: PrometheusProfile, text: str) -> list[Found]:
    """
    Return what a text in Prometheus's format says of the profile's points.

    Only the lines of those metrics are parsed: an exporter may say much else.
    """
    names = {point.metric for point in profile.points}
    lines = [line for line in text.splitlines() if line.partition("{")[0].split(" ")[0] in names]
    samples = [
        sample
        for family in text_string_to_metric_families("\n".join([*lines, ""]))
        for sample in family.samples
    ]
    found = []
    for point in profile.points:
        values = [
            sample.value
            for sample in samples
            if sample.name == point.metric and matches(sample.labels, point.labels)
        ]
        if values:
            found.append(Found(point.point(), figure(point, sum(values)), str(sum(values))))
    return found
