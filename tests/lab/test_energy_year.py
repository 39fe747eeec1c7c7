"""A year of the main site's meters, read every quarter of an hour around all that goes wrong."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import catalogue
from catalogue.model import Reads, Site
from exporters.energy.books import Books
from exporters.energy.states import Rule, Verdict
from exporters.energy.tree import Tree
from exporters.ledger import Ledger, Sums
from exporters.readings import Point, Quantity, Reading
from lab.plant.faults import (
    ClockJump,
    CtRatio,
    Fault,
    Frozen,
    Gap,
    Register,
    Replacement,
    Reset,
    Rollover,
    Spike,
)
from lab.plant.truth import Truth

START = 1767200400
"""2026-01-01 00:00 in Asia/Ho_Chi_Minh."""
STEP = 900
DAY = 86_400
DAYS = 365
AROUND, SELDOM = 1.5 * DAY, 24
"""Around its faults a meter is read at each step, else at every 24th: so is the year compressed."""
MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
HOUR = 3600
LITRE = 1e6  # µL
WH = 3600.0


def at(day: int, hour: float = 0) -> float:
    """Return the time, so many days and hours into the year."""
    return START + day * DAY + hour * HOUR


@dataclass
class Channel:
    """A meter with its faults; it shows a rate if `rated`, and a register if `registered`."""

    meter: str
    faults: tuple[Fault, ...] = ()
    registered: bool = True
    rated: bool = True
    modulus: float | None = None
    resolution: float = WH

    def is_watched(self, time: float) -> bool:
        """Return whether a fault is near."""
        for fault in self.faults:
            start = getattr(fault, "start", getattr(fault, "time", 0.0))
            end = getattr(fault, "end", start)
            if start - AROUND < time < end + AROUND:
                return True
        return False


CHANNELS = (
    Channel(
        "utility-a",
        (Gap(at(40, 7), at(41, 13)), Gap(at(90, 23), at(91, 1)), Rollover(at(100, 9.1))),
        modulus=2.0**32 * WH,
    ),
    Channel(
        "utility-b",
        (
            Spike(at(30, 5), at(30, 5.2), 10),
            Spike(at(31, 5), at(31, 5.2), 0),
            Spike(at(32, 5), at(32, 5.2), 1.001),
            ClockJump(at(60, 5), at(60, 11), 2 * HOUR),
            ClockJump(at(120, 5), at(120, 11), -HOUR),
        ),
    ),
    Channel("ups-a", (Reset(at(50, 3.1)), Reset(at(150, 14.1)), Reset(at(151, 14.1)))),
    Channel("ups-b", (Replacement(at(80, 10.1), 5e9), Replacement(at(200, 10.1), 7e9))),
    Channel("pdu-a1-a", (Frozen(at(70, 2), at(70, 7)), Frozen(at(170, 2), at(171, 20)))),
    Channel("pdu-a1-b", (CtRatio(at(210), at(220), 2.0),)),
    Channel("pdu-a2-a", rated=False, faults=(Frozen(at(70, 2), at(71, 20)), Reset(at(99, 0.1)))),
    Channel("generator", (Gap(at(110), at(125)), Reset(at(180, 0.1)))),
    Channel(
        "server-a1-1",
        (Gap(at(20, 3), at(20, 4)), Gap(at(130), at(131)), Spike(at(33, 5), at(33, 5.2), 50)),
        registered=False,
    ),
    Channel("water-intake", (Gap(at(140), at(142)),), resolution=LITRE),
)


class Year:
    """The year, lived through once."""

    def __init__(self, folder: Path) -> None:
        site = catalogue.load().sites["main"]
        self.truth = Truth(site, START, step_s=STEP)
        self.tree = Tree(_on_one_device(site))
        self.file = folder / "year.sqlite"
        self.ledger = Ledger(self.file)
        self.registers = {one.meter: self._register(one) for one in CHANNELS}
        self.books = self._begun()
        for index in range(DAYS * DAY // STEP + 1):
            self._live(START + index * STEP)

    def _begun(self) -> Books:
        self.ledger._db.execute("PRAGMA synchronous=OFF")  # what a crash loses is tested elsewhere
        return Books(self.ledger, [self.tree])

    def _register(self, channel: Channel) -> Register:
        return Register(
            truth=lambda time: self._true(channel.meter, time),
            resolution=channel.resolution,
            modulus=channel.modulus,
            faults=channel.faults,
        )

    def _true(self, meter: str, time: float) -> float:
        if meter == "water-intake":
            return self.truth.volume_l(meter, time) * LITRE
        return float(self.truth.energy_j(meter, time))

    def true(self, meter: str, start: float, end: float) -> float:
        """Return what truly passed, J or L."""
        unit = LITRE if meter == "water-intake" else 1.0
        return (self._true(meter, end) - self._true(meter, start)) / unit

    def _live(self, time: float) -> None:
        if time in {at(15, 8), at(100, 9), at(170, 12), at(250)}:  # a restart, also amid a fault
            self.ledger.close()
            self.ledger = Ledger(self.file)
            self.books = self._begun()
        if time == at(200, 10.25):
            moment = at(200, 10.1)
            registers = (5e9 + self.true("ups-b", at(80, 10.1), moment), 7e9)
            self.books.replace("main/ups-b", moment, registers, author="test", reason="order 1")
            self.books = self._begun()
        readings: dict[float, list[Reading]] = {}
        for channel in CHANNELS:
            for one in self._readings(channel, time):
                readings.setdefault(one.time, []).append(one)
        for group in readings.values():
            self.books.take("main", "all", group)

    def _readings(self, channel: Channel, time: float) -> Iterator[Reading]:
        if (time - START) // STEP % SELDOM and not channel.is_watched(time):
            return
        said = self.registers[channel.meter].at(time)
        if said is None:
            return
        water = channel.meter == "water-intake"
        if channel.registered:
            quantity = Quantity.VOLUME if water else Quantity.ENERGY
            unit = LITRE if water else 1.0
            modulus = channel.modulus and channel.modulus / unit
            value = said.value / unit
            point = Point(quantity, channel.meter, modulus)
            yield Reading("all", point, value, repr(value), said.time)
        if channel.rated:
            seen, factor = time, 1.0
            for fault in channel.faults:
                if isinstance(fault, Frozen) and fault.start <= time < fault.end:
                    seen = fault.start
                elif isinstance(fault, CtRatio) and fault.start <= time < fault.end:
                    factor = fault.factor
                elif isinstance(fault, Spike) and fault.start <= time < fault.end:
                    factor = 1.0 if channel.registered else fault.factor
            rate = (
                self.truth.flow_l_s(channel.meter, seen)
                if water
                else self.truth.power_w(channel.meter, seen)
            )
            quantity = Quantity.FLOW if water else Quantity.POWER
            point = Point(quantity, channel.meter)
            yield Reading("all", point, rate * factor, repr(rate), said.time)

    def counted(self, meter: str, start: float, end: float) -> Sums:
        """Return what the ledger has."""
        return self.ledger.between(f"main/{meter}", start, end)

    def flags(self, meter: str) -> Counter[str]:
        """Return what was recorded of a meter: events, and verdicts that are not good."""
        found = Counter(
            json.loads(row.body)["event"] for row in self.ledger.rows("event", f"main/{meter}")
        )
        for row in self.ledger.rows("reading", "main/all"):
            for channel, _, _, _, verdict in json.loads(row.body)["readings"]:
                if channel == meter and verdict != Verdict.GOOD:
                    found[verdict] += 1
        return found

    def rules(self, meter: str) -> Counter[str]:
        """Return by which rules a meter's intervals were counted."""
        return Counter(
            json.loads(row.body)["rule"] for row in self.ledger.rows("interval", f"main/{meter}")
        )


def _on_one_device(site: Site) -> Site:
    """Let one device have a channel for each meter that is tested."""
    names = {one.meter for one in CHANNELS}
    meters = [
        one.model_copy(
            update={"reads": Reads(device="all", channel=one.id) if one.id in names else None}
        )
        for one in site.meters
    ]
    return site.model_copy(update={"meters": meters})


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """Live through the year once."""
    lived = Year(tmp_path_factory.mktemp("year"))
    yield lived
    lived.ledger.close()


def _windows() -> Iterator[tuple[str, float, float]]:
    yield "year", at(0), at(DAYS)
    day = 0
    for number, days in enumerate(MONTHS, 1):
        yield f"month {number}", at(day), at(day + days)
        day += days
    for number in range(DAYS):
        yield f"day {number}", at(number), at(number + 1)


def _wrong(year: Year, meter: str) -> list[tuple[str, float, Sums]]:
    """Return the windows whose total is neither within 0.1 % of the truth nor bounds it."""
    wrong = []
    for name, start, end in _windows():
        true, sums = year.true(meter, start, end), year.counted(meter, start, end)
        near = abs(sums.amount - true) <= 0.001 * true
        if not near and not sums.lower - sums.slack <= true <= sums.upper + sums.slack:
            wrong.append((name, true, sums))
    return wrong


RATIO = "pdu-a1-b"


@pytest.mark.parametrize("meter", [one.meter for one in CHANNELS if one.meter != RATIO])
def test_every_total_is_true_or_honestly_bounded(year: Year, meter: str) -> None:
    """Of the year, every month and every day: within 0.1 %, or between bounds that say so."""
    assert not _wrong(year, meter)


@pytest.mark.parametrize("meter", ["utility-a", "utility-b", "ups-b", "pdu-a1-a", "water-intake"])
def test_year_of_a_register_is_true(year: Year, meter: str) -> None:
    """Where two registers tell all, no bounds are needed: within 0.1 % of the truth."""
    true = year.true(meter, at(0), at(DAYS))
    assert year.counted(meter, at(0), at(DAYS)).amount == pytest.approx(true, rel=1e-3)


@pytest.mark.parametrize(
    ("meter", "flags"),
    [
        ("utility-a", {Verdict.GAP: 2, Rule.ROLLOVER: 1}),
        ("utility-b", {"spike refuted": 2, Verdict.SPIKE: 1, Verdict.STEP: 1, Rule.CLOCK: 2}),
        ("ups-a", {Rule.RESET: 3, Verdict.STEP: 3}),
        ("ups-b", {Rule.REBASED: 1, "replaced": 1}),
        ("pdu-a1-a", {Verdict.FROZEN: 20, "stopped register caught up": 1}),
        ("pdu-a2-a", {Verdict.FROZEN: 20, "stopped register caught up": 1, Rule.RESET: 1}),
        ("generator", {Verdict.GAP: 1, Rule.RESET: 1}),
        ("server-a1-1", {Verdict.GAP: 2, Verdict.LIMIT: 1}),
        ("water-intake", {Verdict.GAP: 1}),
    ],
)
def test_each_fault_is_flagged(year: Year, meter: str, flags: dict[str, int]) -> None:
    """By a verdict or an event, at least as often as it happened."""
    found = year.flags(meter)
    assert {name: found[name] >= number for name, number in flags.items()} == dict.fromkeys(
        flags, True
    ), found


def test_wrong_ratio_is_corrected_by_an_amendment(year: Year) -> None:
    """A register can't tell that it counts twice the truth; who finds out writes it down."""
    span = (at(210), at(220))
    true = year.true(RATIO, *span)
    assert {name for name, *_ in _wrong(year, RATIO)} >= {f"day {day}" for day in range(210, 220)}
    year.books.amend(f"main/{RATIO}", span, -true, author="test", reason="CT 200:5 set as 100:5")
    assert year.counted(RATIO, at(0), at(DAYS)).amount == pytest.approx(
        year.true(RATIO, at(0), at(DAYS)), rel=1e-3
    )
    assert not [name for name, *_ in _wrong(year, RATIO) if not name.startswith("day")]


def test_ledger_of_the_year_is_whole(year: Year) -> None:
    """Through restarts, replacements and amendments."""
    assert year.ledger.verify().broken is None
