"""Questions to Prometheus and Alertmanager by their HTTP APIs."""

from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from catalogue.errors import OutsideError

TIMEOUT_S = 30


@dataclass(frozen=True)
class Series:
    """One series of an answer."""

    labels: dict[str, str]
    value: float


def ask(prometheus: str, query: str) -> list[Series]:
    """Return what Prometheus at that address answers.  Raise OutsideError if it doesn't."""
    found = _get(f"http://{prometheus}/api/v1/query", {"query": query})["data"]["result"]
    return [Series(one["metric"], float(one["value"][1])) for one in found]


def alerts(alertmanager: str) -> list[dict[str, str]]:
    """Return the labels of the alerts that Alertmanager holds as firing.  Raise OutsideError."""
    return [one["labels"] for one in _get(f"http://{alertmanager}/api/v2/alerts", {})]


def ends_told(alertmanager: str) -> int:
    """Return how often Alertmanager was told that an alert has ended.  Raise OutsideError."""
    text = _asked(f"http://{alertmanager}/metrics", {}).text
    return round(
        sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "alertmanager_alerts_received_total"
            and sample.labels["status"] == "resolved"
        )
    )


def _get(url: str, params: dict[str, str]) -> Any:
    return _asked(url, params).json()


def _asked(url: str, params: dict[str, str]) -> httpx.Response:
    try:
        answer = httpx.get(url, params=params, timeout=TIMEOUT_S, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise OutsideError(
            f"{url} does not answer", why=str(error), remedy="citydc lab monitor"
        ) from error
    return answer
