"""Servers whose energy another exporter tells: the metrics that its profile reads."""

from collections.abc import Callable
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporters.devices.profile import PrometheusProfile
from exporters.readings import Quantity
from lab.plant.instruments import Instrument


class Target(NamedTuple):
    """One exporter at a port."""

    instrument: Instrument
    profile: PrometheusProfile


def app(targets: dict[int, Target], clock: Callable[[], float]) -> Starlette:
    """Return the application that answers for every exporter at its port."""

    async def metrics(request: Request) -> Response:
        target = targets.get(int(request.scope["server"][1]))
        if target is None or request.url.path != target.profile.path:
            return PlainTextResponse("no metrics here", status_code=404)
        return PlainTextResponse(exposition(target, clock()))

    return Starlette(routes=[Route("/{path:path}", metrics)])


def exposition(target: Target, now: float) -> str:
    """Return the exporter's metrics in Prometheus's text format."""
    lines = []
    for point in target.profile.points:
        value = target.instrument.value(point.quantity, point.channel, now)
        if value is None:
            continue
        kind = "counter" if point.quantity in {Quantity.ENERGY, Quantity.VOLUME} else "gauge"
        labels = ",".join(f'{name}="{text}"' for name, text in point.labels.items())
        lines += [f"# TYPE {point.metric} {kind}"]
        lines += [f"{point.metric}{{{labels}}} {value / point.factor():.6f}"]
    return "\n".join([*lines, ""])
