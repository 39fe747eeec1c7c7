"""The energy exporter: what it reads, shows, refuses and survives."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import meters
import pytest
from starlette.applications import Starlette

import catalogue
from catalogue.errors import BadInputError
from catalogue.model import Device
from exporters.devices import Client, DeviceError, Reason
from exporters.energy import air, collecting
from exporters.energy.books import Books
from exporters.energy.collecting import Collector, Target
from exporters.energy.exporter import EnergyExporter, Settings, in_parts
from exporters.energy.indicators import Figure
from exporters.energy.tree import Tree
from exporters.families import exposition
from exporters.ledger import Ledger, LedgerError
from exporters.readings import Point, Quantity, Reading

CITY = catalogue.load()
UPS = "main/meter-ups-a"


class _Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1.8e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    """Give a clock to set."""
    return _Clock()


@pytest.fixture
def settings(tmp_path: Path, clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give settings whose devices run by the clock; the city's catalogue is read once for all."""
    load = catalogue.load
    monkeypatch.setattr(catalogue, "load", lambda folder=None: load(folder) if folder else CITY)
    return Settings(
        ledger=tmp_path / "energy.sqlite",
        timeout=1,
        opener=lambda _timeout: lambda device, _address: meters.ClockMeter(device.id, clock),
    )


def _shown(exporter: EnergyExporter) -> list[str]:
    return exposition(exporter.families(), openmetrics=False).splitlines()


def _read(exporter: EnergyExporter, *names: str) -> None:
    async def read() -> None:
        for name in names:
            collector = exporter._city.collector
            await collector.read(collector.targets[name])

    asyncio.run(read())


def test_reading_is_shown_and_counted_after_a_restart_too(
    settings: Settings, clock: _Clock
) -> None:
    """A minute of 1 kW is 60 kJ; the next process shows them before it reads."""
    exporter = EnergyExporter(settings)
    _read(exporter, UPS)
    clock.now += 60
    _read(exporter, UPS)
    energy = 'citydc_energy_joules_total{carrier="electricity",node="ups-a",site="main"} 60000.0'
    assert energy in _shown(exporter)
    assert 'citydc_power_watts{node="ups-a",site="main"} 1000.0' in _shown(exporter)
    assert 'citydc_readings_total{device="meter-ups-a",site="main",verdict="good"} 4.0' in _shown(
        exporter
    )
    again = EnergyExporter(settings)
    assert energy in _shown(again)


def test_figures_of_a_day_have_bounds_category_and_coverage(
    settings: Settings, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a plant where every meter shows 1 kW: four feeds by eight PDUs."""
    exporter = EnergyExporter(settings)
    names = list(exporter._city.collector.targets)
    for _ in range(12):
        _read(exporter, *names)
        clock.now += 600
    monkeypatch.setattr("exporters.energy.exporter.time.time", lambda: clock.now)
    city = exporter._city
    for tree in city.trees.values():
        exporter._show_snapshot(city, tree, exporter._snapshot(city, tree, clock.now))
    labels = 'category="2",indicator="PUE",kind="interim",site="main",window="day"'
    values = dict(line.rsplit(" ", 1) for line in _shown(exporter) if labels in line)
    assert float(values[f"citydc_indicator{{{labels}}}"]) == pytest.approx(0.5)
    assert float(values[f"citydc_indicator_upper{{{labels}}}"]) > 0.5
    assert 0 < float(values[f"citydc_indicator_coverage_ratio{{{labels}}}"]) < 1
    assert float(values[f"citydc_indicator_estimated_ratio{{{labels}}}"]) == 0
    untold = [line for line in _shown(exporter) if line.startswith("citydc_indicator_untold{")]
    assert any('indicator="ITEEsv"' in line for line in untold)
    services = [line for line in _shown(exporter) if line.startswith("citydc_service_energy")]
    shared = sum(float(line.rpartition(" ")[2]) for line in services if 'site="main"' in line)
    assert shared == pytest.approx(8 * 6600 * meters.WATTS)
    assert any('agency="",basis="flavor",service="unallocated"' in line for line in services)


def _snapped(exporter: EnergyExporter, site: str, now: float) -> list[str]:
    city = exporter._city
    tree = city.trees[site]
    exporter._show_snapshot(city, tree, exporter._snapshot(city, tree, now))
    return _shown(exporter)


def _value(shown: list[str], start: str) -> float:
    (line,) = [one for one in shown if one.startswith(start)]
    return float(line.rpartition(" ")[2])


def test_no_counter_falls_when_the_exporter_starts_anew(settings: Settings, clock: _Clock) -> None:
    """What an amendment took away is waited for: to Prometheus, a fall is a new beginning."""
    exporter = EnergyExporter(settings)
    names = [one for one in exporter._city.collector.targets if one.startswith("main/")]
    for _ in range(3):
        _read(exporter, *names)
        clock.now += 600
    starts = (
        'citydc_energy_joules_total{carrier="electricity",node="ups-b",site="main"}',
        'citydc_energy_joules_total{carrier="electricity",node="utility-a",site="main"}',
        'citydc_unmetered_energy_joules_total{node="pdu-b2-a",site="main"}',
        'citydc_service_energy_joules_total{agency="",basis="flavor",service="unallocated"',
    )
    before = _snapped(exporter, "main", clock.now)
    exporter._city.books.amend("main/utility-a", (0, 2e9), -9e5, author="An", reason="x")
    exporter._city.books.amend("main/pdu-b2-a", (0, 2e9), -9e5, author="An", reason="x")
    exporter._city.books.renew_amendments()
    again = EnergyExporter(settings)
    _read(again, *names)
    after = _snapped(again, "main", clock.now + 1)
    for start in starts:
        assert _value(after, start) >= _value(before, start) > 0, start


def test_what_is_amended_is_not_shared_out_twice(settings: Settings, clock: _Clock) -> None:
    """Services together never get more than their meters count."""
    exporter = EnergyExporter(settings)
    names = [one for one in exporter._city.collector.targets if one.startswith("main/")]
    shares = "citydc_service_energy_joules_total{agency="
    for step in range(4):
        _read(exporter, *names)
        shown = _snapped(exporter, "main", clock.now)
        if wrong := {1: -5e7, 2: 5e7}.get(step):
            exporter._city.books.amend("main/pdu-a1-a", (0, 2e9), wrong, author="An", reason="x")
        clock.now += 3600
    shared = sum(float(one.rpartition(" ")[2]) for one in shown if one.startswith(shares))
    assert shared == pytest.approx(8 * 3 * 3600 * meters.WATTS)


def test_site_without_water_meters_shares_out_no_water(settings: Settings, clock: _Clock) -> None:
    """What nobody measures is absent, not zero."""
    exporter = EnergyExporter(settings)
    city, site = exporter._city, CITY.sites["backup"]
    dry = [one for one in site.meters if one.carrier != "water"]
    city.trees["backup"] = Tree(site.model_copy(update={"meters": dry}))
    for _ in range(2):
        _read(exporter, *(one for one in city.collector.targets if one.startswith("backup/")))
        clock.now += 60
    shown = _snapped(exporter, "backup", clock.now)
    assert any(one.startswith("citydc_service_co2_grams_total{") for one in shown)
    assert not any(one.startswith("citydc_service_water_litres_total{") for one in shown)


def test_more_below_than_above_is_an_imbalance(settings: Settings, clock: _Clock) -> None:
    """Four PDUs of 1 kW can't hang below a UPS of 1 kW."""
    exporter = EnergyExporter(settings)
    city = exporter._city
    for _ in range(14):
        _read(exporter, *city.collector.targets)
        clock.now += 600
    exporter._show_snapshot(
        city, city.trees["main"], exporter._snapshot(city, city.trees["main"], clock.now)
    )
    assert 'citydc_meter_imbalance{node="ups-a",site="main"} 1.0' in _shown(exporter)
    assert 'citydc_meter_imbalance{node="pdu-a1-a",site="main"} 0.0' in _shown(exporter)
    (event,) = exporter._ledger.rows("event", "main/ups-a")
    assert '"event":"imbalance"' in event.body


def test_full_disk_counts_nothing_and_heals(settings: Settings, clock: _Clock) -> None:
    """The exporter goes on, says so, and the register makes up for the time."""
    exporter = EnergyExporter(settings)
    _read(exporter, UPS)
    db = exporter._ledger._db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(40):
        clock.now += 60
        _read(exporter, UPS)
    assert "full" in exporter.unready()
    assert "citydc_ledger_up 0.0" in _shown(exporter)
    db.execute("PRAGMA max_page_count = 1000000")
    clock.now += 60
    _read(exporter, UPS)
    assert not exporter.unready()
    assert (
        'citydc_energy_joules_total{carrier="electricity",node="ups-a",site="main"} 2.46e+06'
        in _shown(exporter)
    )


def test_ledger_that_tells_no_figures_is_down_though_readings_are_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures that grow old are no less wrong for the next reading's success."""
    exporter = EnergyExporter(settings)

    def damaged(*_: object) -> None:
        raise LedgerError("the ledger cannot be used", why="malformed", remedy="bring it back")

    async def ended(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exporter, "_snapshot", damaged)
    with monkeypatch.context() as patched, contextlib.suppress(KeyboardInterrupt):
        patched.setattr("exporters.energy.exporter.asyncio.sleep", ended)
        asyncio.run(exporter._reckon(exporter._city))
    _read(exporter, UPS)
    assert "citydc_ledger_up 0.0" in _shown(exporter)
    assert "malformed" in exporter.unready()


def test_air_is_shown_with_its_dew_point_and_envelopes(settings: Settings) -> None:
    """24 °C at 50 % have their dew point at 12.9 °C."""
    exporter = EnergyExporter(settings)
    _read(exporter, "main/bmc-a1-1")
    shown = _shown(exporter)
    assert 'citydc_temperature_celsius{place="inlet",rack="a1",site="main"} 24.0' in shown
    assert 'citydc_inlet_within_envelope{envelope="recommended",rack="a1",site="main"} 1.0' in shown
    assert air.dew_point(24, 0.5) == pytest.approx(12.9, abs=0.1)


def test_what_a_silent_device_last_said_is_not_shown_for_ever(
    settings: Settings, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power or temperature of some minutes ago is none of now; what was counted stays."""
    exporter = EnergyExporter(settings)
    for _ in range(2):
        _read(exporter, UPS, "main/bmc-a1-1")
        clock.now += 60
    ago = time.monotonic()
    of_now = ("citydc_power_watts{", "citydc_temperature_celsius{", "citydc_inlet_within")
    for seconds, there in ((200, True), (400, False)):
        monkeypatch.setattr(
            "exporters.energy.exporter.time.monotonic", lambda seconds=seconds: ago + seconds
        )
        shown = _shown(exporter)
        assert [any(one.startswith(name) for one in shown) for name in of_now] == [there] * 3
        assert any(one.startswith("citydc_energy_joules_total{") for one in shown)


def test_water_is_no_energy(settings: Settings, clock: _Clock) -> None:
    """Litres are counted apart, and a flow is no power."""
    exporter = EnergyExporter(settings)
    for _ in range(2):
        _read(exporter, "main/flow-water-intake")
        clock.now += 60
    shown = [line for line in _shown(exporter) if 'node="water-intake"' in line]
    (line,) = shown
    assert line.startswith('citydc_water_litres_total{node="water-intake",site="main"} 0.0')


def test_figure_begins_where_all_its_meters_do(settings: Settings, clock: _Clock) -> None:
    """A ratio is of one period: a meter that began later shortens it, and coverage tells."""
    exporter = EnergyExporter(settings)
    city = exporter._city
    late = "main/meter-utility-a"
    for step in range(12):
        names = [one for one in city.collector.targets if step >= 6 or one != late]
        _read(exporter, *names)
        clock.now += 600
    found = exporter._amounts(city, city.trees["main"], clock.now - 7200, clock.now)
    assert isinstance(found.total, Figure)
    assert isinstance(found.it, Figure)
    assert found.total.value == pytest.approx(4 * 3000 * meters.WATTS)
    assert found.it.value == pytest.approx(8 * 3000 * meters.WATTS)
    assert found.total.coverage == pytest.approx(3000 / 7200)


def test_figure_is_interim_until_twelve_months_are_measured(
    settings: Settings, clock: _Clock
) -> None:
    """Not a day sooner; and one whose own meters were away stays so."""
    exporter = EnergyExporter(settings)
    water = "main/flow-water-intake"
    names = [one for one in exporter._city.collector.targets if one.startswith("main/")]
    began, kinds = clock.now, {}
    for days in (0, 180, 363, 367):
        for seconds in (0, 600):
            clock.now = began + days * 86400 + seconds
            _read(exporter, *(one for one in names if one != water or days > 0))
        for line in _snapped(exporter, "main", clock.now):
            if line.startswith("citydc_indicator{") and 'window="12-months"' in line:
                name = line.partition('indicator="')[2].partition('"')[0]
                kinds[days, name] = line.partition('kind="')[2].partition('"')[0]
    assert kinds[363, "PUE"] == kinds[363, "WUE"] == "interim"
    assert (kinds[367, "PUE"], kinds[367, "WUE"]) == ("annual", "interim")


class _Other(meters.ClockMeter):
    """A meter whose register shows otherwise."""

    def shown(self, energy: float) -> float:
        raise NotImplementedError

    async def read(self) -> list[Reading]:
        return [
            replace(one, value=self.shown(one.value or 0))
            if one.point.quantity is Quantity.ENERGY
            else one
            for one in await super().read()
        ]


class _Coarse(_Other):
    """Its register moves by 0.1 kWh."""

    def shown(self, energy: float) -> float:
        return energy // 3.6e5 * 3.6e5


def test_figures_come_before_coarse_registers_move(settings: Settings, clock: _Clock) -> None:
    """Of two minutes, by the rates alone; the register confirms it when it moves."""
    coarse = replace(settings, opener=lambda _: lambda device, _: _Coarse(device.id, clock))
    exporter = EnergyExporter(coarse)
    city = exporter._city
    names = list(city.collector.targets)
    began = clock.now
    bounds = []
    for step in range(1, 121):
        _read(exporter, *names)
        if step in {12, 120}:
            found = exporter._amounts(city, city.trees["main"], began - 600, clock.now)
            assert isinstance(found.it, Figure)
            true = 8 * (clock.now - began) * meters.WATTS
            assert found.it.lower <= true <= found.it.upper
            bounds.append(found.it.upper - found.it.lower)
            assert found.it.value == pytest.approx(true, rel=0.05)
        clock.now += 10
    assert bounds[0] < 0.1 * 8 * 120 * meters.WATTS


class _Stopping(_Other):
    """Its register stops at a moment."""

    stops = 1.8e9 + 180

    def shown(self, energy: float) -> float:
        return min(energy, meters.watt_hours(self.stops))


def test_rate_beside_a_frozen_register_is_not_counted(settings: Settings, clock: _Clock) -> None:
    """Figures go on by the rate for no more than two of the register's steps."""
    stopping = replace(settings, opener=lambda _: lambda device, _: _Stopping(device.id, clock))
    exporter = EnergyExporter(stopping)
    counted = []
    for _ in range(8):
        _read(exporter, UPS)
        counted.append(exporter._city.books.unwritten("main/ups-a") is not None)
        clock.now += 60
    assert counted == [False] * 4 + [True, True, False, False]


def test_targets_are_metrics(settings: Settings) -> None:
    """Dashboards compare with what the catalogue says."""
    shown = _shown(EnergyExporter(settings))
    of_pue = 'citydc_target{comparison="<=",indicator="PUE",kind='
    assert f'{of_pue}"target",target="pue-viet-nam",unit="1"}} 1.4' in shown
    assert f'{of_pue}"reference",target="pue-survey-2025",unit="1"}} 1.54' in shown


# -- /probe, /sd, reload --------------------------------------------------------------------------


def _ask(exporter: EnergyExporter, talk: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def run() -> None:
        app = Starlette(routes=exporter.routes())
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://exporter:9") as client:
            await talk(client)

    asyncio.run(run())


@pytest.mark.parametrize(
    "target", ["", "meter-ups-a", "http://127.0.0.1:1/", "127.0.0.1:26100", "main/../x", "main/ups"]
)
def test_probe_takes_only_names_of_the_catalogue(settings: Settings, target: str) -> None:
    """It can't be made to reach anything else."""

    async def talk(client: httpx.AsyncClient) -> None:
        answer = await client.get("/probe", params={"target": target})
        assert answer.status_code == 404

    _ask(EnergyExporter(settings), talk)


def test_probe_reads_the_target_and_shows_it_alone(settings: Settings) -> None:
    """Of one device: how its reading went, and its meters."""

    async def talk(client: httpx.AsyncClient) -> None:
        answer = await client.get("/probe", params={"target": UPS})
        assert 'citydc_collector_up{device="meter-ups-a",site="main"} 1.0' in answer.text
        assert 'node="ups-a"' in answer.text
        assert "ups-b" not in answer.text

    _ask(EnergyExporter(settings), talk)


class _Silent:
    """A device that answers when it is let."""

    def __init__(self) -> None:
        self.let, self.asked = asyncio.Event(), asyncio.Event()
        self.reads = 0

    async def read(self) -> list[Reading]:
        self.reads += 1
        self.asked.set()
        await self.let.wait()
        return []

    async def close(self) -> None:
        pass


def _opening(client: Client) -> Callable[[float], Callable[[Device, str], Client]]:
    return lambda _timeout: lambda _device, _address: client


def test_probe_answers_within_prometheus_timeout(settings: Settings) -> None:
    """A device that hangs is down to the scraper before the scrape fails."""
    exporter = EnergyExporter(replace(settings, timeout=60, opener=_opening(_Silent())))

    async def talk(client: httpx.AsyncClient) -> None:
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.6"}
        answer = await client.get("/probe", params={"target": UPS}, headers=headers)
        assert 'citydc_collector_up{device="meter-ups-a",site="main"} 0.0' in answer.text
        await exporter._city.collector.close()

    _ask(exporter, talk)


def test_two_probes_at_once_are_one_reading(settings: Settings) -> None:
    """A device is never read twice at a time."""
    silent = _Silent()
    exporter = EnergyExporter(replace(settings, opener=_opening(silent)))

    async def talk(client: httpx.AsyncClient) -> None:
        asked = [
            asyncio.create_task(client.get("/probe", params={"target": UPS})) for _ in range(3)
        ]
        await silent.asked.wait()
        for _ in range(100):  # until all three wait
            await asyncio.sleep(0)
        silent.let.set()
        await asyncio.gather(*asked)
        assert silent.reads == 1

    _ask(exporter, talk)


def test_discovery_names_every_device_once(settings: Settings) -> None:
    """Prometheus needs no relabelling: path and target are there."""

    async def talk(client: httpx.AsyncClient) -> None:
        found = (await client.get("/sd")).json()
        names = [one["labels"]["__param_target"] for one in found]
        expected = {f"{site.id}/{one.id}" for site in CITY.sites.values() for one in site.devices}
        assert sorted(names) == sorted(expected)
        assert {one["labels"]["__metrics_path__"] for one in found} == {"/probe"}
        assert {target for one in found for target in one["targets"]} == {"exporter:9"}

    _ask(EnergyExporter(settings), talk)


def test_reload_of_an_unsound_catalogue_changes_nothing(
    settings: Settings, tmp_path: Path, clock: _Clock
) -> None:
    """What ran so far still runs; a sound one takes over with all that was counted."""
    folder = tmp_path / "catalogue"
    for file in catalogue.CITY.rglob("*.yaml"):
        copy = folder / file.relative_to(catalogue.CITY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    exporter = EnergyExporter(replace(settings, folder=folder))
    _read(exporter, UPS)
    city = exporter._city
    main = folder / "sites" / "main.yaml"
    sound = main.read_text(encoding="utf-8")
    main.write_text(sound.replace("id: ups-a\n", "id: ups-b\n", 1), encoding="utf-8")
    with pytest.raises(catalogue.UnsoundCatalogueError):
        asyncio.run(exporter.reload())
    assert exporter._city is city
    main.write_text(sound, encoding="utf-8")
    asyncio.run(exporter.reload())
    clock.now += 60
    _read(exporter, UPS)
    assert (
        'citydc_energy_joules_total{carrier="electricity",node="ups-a",site="main"} 60000.0'
        in _shown(exporter)
    )


# -- collecting -----------------------------------------------------------------------------------


class _Odd:
    """A device that fails in its own way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def read(self) -> list[Reading]:
        raise self._error

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DeviceError(Reason.REFUSED, "nothing listens"), Reason.REFUSED),
        (ValueError("garbage"), Reason.PROTOCOL),
    ],
)
def test_device_that_fails_is_down_with_a_reason_and_alone(
    error: Exception, reason: Reason
) -> None:
    """Even where its client breaks its contract, all others are read."""
    device = CITY.sites["main"].devices[0]
    odd = Target("main", device, _Odd(error))
    sound = Target("backup", device, meters.ClockMeter(device.id))
    taken: list[str] = []
    failed: list[Reason] = []

    enough = asyncio.Event()

    async def take(target: Target, _readings: object) -> None:
        taken.append(target.site)
        if failed:
            enough.set()

    async def run() -> None:
        collector = Collector(
            [odd, sound], take, lambda _, why: failed.append(why), interval=0.01, timeout=1
        )
        task = asyncio.create_task(collector.run())
        await enough.wait()
        task.cancel()
        await collector.close()

    asyncio.run(run())
    assert set(taken) == {"backup"}
    assert set(failed) == {reason}
    assert (odd.up, sound.up) == (False, True)


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_every_target_is_in_one_shard(number: int) -> None:
    """And each shard has its part."""
    names = [f"main/device-{one}" for one in range(300)]
    parts = Counter(
        shard
        for name in names
        for shard in range(1, number + 1)
        if collecting.in_shard(name, (shard, number))
    )
    assert sum(parts.values()) == len(names)
    assert min(parts[shard] for shard in range(1, number + 1)) > 300 / number / 2


def test_readings_are_spread_over_the_interval() -> None:
    """Each tenth of it has some."""
    tenths = Counter(int(collecting.phase(f"main/device-{one}") * 10) for one in range(300))
    assert len(tenths) == 10


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_shard_that_is_none_is_told(text: str) -> None:
    """It is i/n, i from 1 to n."""
    with pytest.raises(BadInputError, match="no shard"):
        in_parts(text)


# -- books ----------------------------------------------------------------------------------------


def _books(file: Path) -> Books:
    return Books(Ledger(file), [Tree(CITY.sites["main"])])


def _register(value: float | None, time: float) -> list[Reading]:
    return [Reading("meter-ups-a", Point(Quantity.ENERGY), value, str(value), time)]


def test_two_books_of_one_ledger_count_each_reading_once(tmp_path: Path) -> None:
    """The second goes on from what the first has written."""
    file = tmp_path / "energy.sqlite"
    one, other = _books(file), _books(file)
    for step in range(10):
        books = one if step % 3 else other
        books.take("main", "meter-ups-a", _register(1e6 * step, 60.0 * step))
    assert one.ledger.total("main/ups-a").amount == 9e6


def test_raw_readings_are_kept_with_their_verdicts(tmp_path: Path) -> None:
    """As the device gave them, what was not counted, too."""
    books = _books(tmp_path / "energy.sqlite")
    books.take("main", "meter-ups-a", _register(5.0, 0.0))
    books.take("main", "meter-ups-a", _register(None, 60.0))
    books.take("main", "meter-ups-a", _register(1e15, 120.0))
    rows = [row.body for row in books.ledger.rows("reading", UPS)]
    assert rows == [
        '{"readings":[["","energy",5.0,"5.0","good"]]}',
        '{"readings":[["","energy",null,"None","unavailable"]]}',
        '{"readings":[["","energy",1000000000000000.0,"1000000000000000.0","spike"]]}',
    ]


def test_amendment_of_a_person_is_counted_with_name_and_reason(tmp_path: Path) -> None:
    """And what it corrects stays."""
    books = _books(tmp_path / "energy.sqlite")
    for step in range(3):
        books.take("main", "meter-ups-a", _register(1e6 * step, 60.0 * step))
    books.amend("main/ups-a", (0, 60), -5e5, author="An", reason="order 7")
    books.renew_amendments()
    assert books.accounts["main/ups-a"].total == 1.5e6
    (row,) = books.ledger.rows("amendment")
    assert '"reason":"order 7","author":"An"' in row.body
    assert len(list(books.ledger.rows("interval"))) == 3


def test_strange_meter_is_told(tmp_path: Path) -> None:
    """Only meters of the catalogue have books."""
    with pytest.raises(BadInputError, match="no meter"):
        _books(tmp_path / "energy.sqlite").amend("main/x", (0, 1), 1, author="a", reason="b")


def test_ledger_of_another_kind_of_file_is_told(tmp_path: Path) -> None:
    """A file that is no database is not overwritten."""
    file = tmp_path / "energy.sqlite"
    file.write_text("something else that someone needs, and that is long enough\n" * 20)
    file.chmod(0o600)
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger(file)
    assert file.read_text().startswith("something else")
