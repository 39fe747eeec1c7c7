"""What observers tell each other, and what the exporter shows."""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from certificates import Authority
from small_city import service, small_city

from catalogue.errors import BadInputError, OutsideError
from exporters.families import exposition
from exporters.outputs import Outputs
from exporters.uptime import exchange
from exporters.uptime.availability import Seconds
from exporters.uptime.exchange import Client, Observations
from exporters.uptime.exporter import Files, UptimeExporter
from exporters.uptime.metrics import Metrics
from exporters.uptime.observer import Latest
from exporters.uptime.outcome import Outcome, Reason
from exporters.uptime.settings import Observer, Peer
from exporters.uptime.states import Seen, Span
from exporters.uptime.store import Store
from exporters.uptime.targets import Target

NOW = 1_800_000_000
SAID = Observations(
    observer="backup",
    time=NOW,
    targets={
        "web/main/a/ipv4": [(NOW - 60, NOW - 30, Seen.GOOD), (NOW - 30, NOW + 99, Seen.BAD)],
        "web/main/unheard-of/ipv4": [(NOW - 60, NOW, Seen.BAD)],
        "/main/router/ipv4": [(NOW - 60, NOW, Seen.GOOD), (NOW, NOW - 60, Seen.GOOD)],
    },
)


def test_what_is_taken_of_the_other_observers_view() -> None:
    """Known targets and its own self-checks; nothing of the future, nothing upside down."""
    assert exchange.taken(SAID, "backup", ["web/main/a/ipv4"], NOW) == {
        "web/main/a/ipv4": [Span(NOW - 60, NOW - 30, Seen.GOOD)],
        "/main/router/ipv4": [Span(NOW - 60, NOW, Seen.GOOD)],
    }


@pytest.mark.parametrize(
    ("peer", "now", "said"), [("third", NOW, 'it is "backup"'), ("backup", NOW + 60, "clock")]
)
def test_another_observer_or_another_time_is_refused(peer: str, now: int, said: str) -> None:
    """What was seen counts only at the second when it was."""
    with pytest.raises(OutsideError, match=said):
        exchange.taken(SAID, peer, [], now)


def test_an_observer_tells_only_what_it_saw_itself(tmp_path: Path) -> None:
    """What the other one said is not passed back to it."""
    with Store(tmp_path / "state") as store:
        store.record("main", "a", [Span(NOW - 60, NOW - 30, Seen.GOOD)])
        store.record("backup", "a", [Span(NOW - 60, NOW, Seen.BAD)])
        found = exchange.observations(store, "main", NOW - 100, NOW)
        assert found.targets == {"a": [(NOW - 60, NOW - 30, Seen.GOOD)]}
        assert Observations.model_validate_json(found.model_dump_json()) == found
        assert exchange.observations(store, "main", NOW - 10, NOW).targets == {}


@contextlib.asynccontextmanager
async def answering(answer: bytes, certificate: Path) -> AsyncIterator[int]:
    """Answer every request like this, by TLS on a free port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 " + answer)
            await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.sleep(0.01)


def asked(answer: bytes, folder: Path, certificate: Path | None = None) -> Observations:
    """Return what a peer that answers like this says."""
    authority = Authority(folder)

    async def run() -> Observations:
        async with answering(answer, certificate or authority.issue("127.0.0.1")) as port:
            peer = Peer(site="backup", url=f"https://127.0.0.1:{port}")
            client = Client(peer, Observer(site="main", authority=authority.file))
            try:
                return await client.ask(0)
            finally:
                await client.close()

    return asyncio.run(run())


def test_peer_is_asked_by_tls(tmp_path: Path) -> None:
    """Its answer comes as it was said."""
    body = SAID.model_dump_json().encode()
    answer = f"200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    assert asked(answer, tmp_path) == SAID


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "status 401"),
        (b"302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"200 OK\r\nContent-Length: 2\r\n\r\n{}", "Field required"),
        (b"200 OK\r\nContent-Length: 9\r\n\r\n{", "peer closed"),
        (b"200 OK\r\n\r\n" + b" " * (exchange.LARGEST + 1), "more than"),
        (b"nonsense\r\n\r\n", "cause"),
    ],
)
def test_a_peer_that_answers_otherwise(tmp_path: Path, answer: bytes, said: str) -> None:
    """Its view is missing, and the cause is told."""
    with pytest.raises(OutsideError, match=said):
        asked(answer, tmp_path)


def test_a_peer_with_a_strange_certificate(tmp_path: Path) -> None:
    """Whoever else answers is not believed."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").issue("127.0.0.1")
    with pytest.raises(OutsideError, match="certificate verify failed"):
        asked(b"200 OK\r\n\r\n", tmp_path, other)


TARGET = Target("web", "main", "app/https/198.51.100.1", "http", "ipv4", ())


def shown(metrics: Metrics) -> set[str]:
    """Return the lines with values."""
    text = exposition(metrics.families(), openmetrics=True)
    return {line for line in text.splitlines() if not line.startswith("#")}


def test_a_probe_is_shown() -> None:
    """Success, duration and expiry; a probe that says nothing of the target shows no success."""
    metrics = Metrics("main")
    labels = (
        '{family="ipv4",kind="http",observer="main",service="web",'
        'target="main/app/https/198.51.100.1"}'
    )
    metrics.probed(TARGET, Latest(Outcome(Seen.GOOD, expiry=2e9), 0.25))
    assert shown(metrics) == {
        f"citydc_probe_success{labels} 1.0",
        f"citydc_probe_duration_seconds{labels} 0.25",
        f"citydc_certificate_expiry_timestamp_seconds{labels} 2e+09",
    }
    metrics.probed(TARGET, Latest(Outcome(Seen.UNKNOWN, Reason.OBSERVER), 0.5))
    assert not any(line.startswith("citydc_probe_success") for line in shown(metrics))


def test_figures_are_shown_with_their_bounds() -> None:
    """A month of 1000 s so far, 100 of them never counted; the budget is the worse family's."""
    metrics = Metrics("main")
    web = service("web", 1, "trade", "active")  # 99.9 %
    counts = {
        ("web", "ipv4"): Seconds(good=800, bad=50, maintenance=50),
        ("web", "ipv6"): Seconds(good=900),
    }
    windows = {"month": counts, "previous-month": {}, "year": {}, "previous-year": {}}
    elapsed = dict.fromkeys(windows, 1000)
    metrics.counted(counts, windows, elapsed, 100_000, {"web": web})  # type: ignore[arg-type]
    lines = shown(metrics)
    of = '{family="ipv4",kind="net",service="web",window="month"}'
    assert f"citydc_availability_ratio{of} {800 / 850}" in lines
    assert f"citydc_availability_ratio_lower{of} {800 / 950}" in lines
    assert f"citydc_availability_ratio_upper{of} {900 / 950}" in lines
    assert (
        'citydc_availability_seconds_total{family="ipv4",service="web",state="bad"} 50.0' in lines
    )
    budget = {line.split("{")[0]: float(line.split()[1]) for line in lines if "budget" in line}
    assert budget == {
        "citydc_error_budget_remaining_ratio": pytest.approx(0.5),
        "citydc_error_budget_remaining_ratio_lower": pytest.approx(-0.5),
    }
    assert not any('window="year"' in line for line in lines)


def files(folder: Path) -> Files:
    """Write what an exporter is given."""
    (folder / "observer.yaml").write_text("site: main\n")
    (folder / "maintenance.yaml").write_text("windows: []\n")
    return Files(folder / "observer.yaml", folder / "maintenance.yaml", folder / "state")


def one_port() -> Outputs:
    """Return outputs with one port of the shop."""
    port = {
        "service": "shop", "component": "web", "name": "https", "protocol": "tcp", "port": 443,
        "ipv4": ["127.0.0.1"], "ipv6": [], "public_ipv4": None, "dns_names": [],
    }  # fmt: skip
    return Outputs.model_validate_json(
        json.dumps(
            {
                "schema_version": 1, "site": "main", "profile": "lab", "projects": {},
                "hosts": [], "endpoints": [port],
            }
        )
    )  # fmt: skip


def test_time_that_the_exporter_was_down_is_unknown(tmp_path: Path) -> None:
    """What was seen before and after says nothing of the time between, and all of it is counted."""
    given, down_s = files(tmp_path), 600
    now = int(time.time())
    with Store(given.state) as store:
        store.settled(now - down_s)
        store.record(
            "main", "shop/main/web/https/127.0.0.1/ipv4", [Span(now - 630, now - 600, Seen.GOOD)]
        )
    exporter = UptimeExporter(small_city(), [one_port()], given)
    assert exporter.unready()
    with exporter._store:
        exporter._count(now)
        assert exporter._store.seconds() == {("shop", "ipv4"): Seconds(unknown=down_s)}
    assert exporter.unready() == ""


def test_reload_reads_the_windows_or_changes_nothing(tmp_path: Path) -> None:
    """A faulty file is refused, and what was declared stands."""
    given = files(tmp_path)
    assert given.maintenance
    exporter = UptimeExporter(small_city(), [one_port()], given)
    window = (
        'windows: [{id: w1, services: [shop], start: "2100-01-01T00:00:00Z",'
        ' end: "2100-01-02T00:00:00Z", owner: Ops, reason: Move}]\n'
    )
    with exporter._store as store:
        given.maintenance.write_text(window)
        asyncio.run(exporter.reload())
        given.maintenance.write_text(window.replace("shop", "shp"))
        with pytest.raises(BadInputError, match="did you mean"):
            asyncio.run(exporter.reload())
        assert len(store.maintenance(0, 2**40)["shop"]) == 1


def test_outputs_without_endpoints_are_refused(tmp_path: Path) -> None:
    """An exporter that probes nothing would be good at it."""
    empty = one_port().model_copy(update={"endpoints": []})
    with pytest.raises(BadInputError, match="nothing to probe"):
        UptimeExporter(small_city(), [empty], files(tmp_path))
