"""
Keeping the books: a device's readings become samples, then intervals, then entries of the ledger.

What a meter's next reading is judged by is written with each of its intervals, so that a restart,
or another shard that takes the meter over, goes on from the last of them.  An interval is written
only if no other has come since: nothing is counted twice.
"""

import dataclasses
import json
import math
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from catalogue.errors import BadInputError
from catalogue.model import Meter as CataloguedMeter
from exporters.energy import metering
from exporters.energy.states import (
    Amendment,
    Integral,
    Interval,
    Mark,
    Meter,
    Outcome,
    Rule,
    Sample,
    State,
    Verdict,
    by_integral,
    quantum,
)
from exporters.energy.tree import Tree
from exporters.ledger import Entry, Ledger, Row, StaleError, Sums
from exporters.readings import Quantity, Reading

BEGUN = "begun"
"""The rule of a meter's first entry, which counts nothing."""
NOTHING = Sums()
_VOLUMES = {"fuel", "water"}
_RATES = {Quantity.POWER, Quantity.FLOW}
_QUANTITIES = {
    False: (Quantity.ENERGY, Quantity.POWER),
    True: (Quantity.VOLUME, Quantity.FLOW),
}
"""Of a meter of volumes or not: its register and its rate."""
_TRIES = 3


@dataclass
class Account:
    """A meter with what is known of it."""

    subject: str
    """ "SITE/METER", as the ledger has it."""
    meter: CataloguedMeter
    judged_as: Meter
    last_id: int = 0
    state: State | None = None
    sums: Sums = NOTHING
    amended: Sums = NOTHING
    most: float = 0.0
    """The highest total there was; written with each interval, for the next process."""
    rate: float | None = None
    """W or L/s, as it was last read."""

    @property
    def total(self) -> float:
        """J or L since counting began, amendments included."""
        return self.sums.amount + self.amended.amount

    @property
    def shown(self) -> float:
        """The total as a counter: where an amendment takes something away, it waits."""
        return max(self.most, self.total)


@dataclass
class Taken:
    """What came of one device's readings."""

    accounts: list[Account] = field(default_factory=list)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    events: list[tuple[str, str]] = field(default_factory=list)
    """Subject and what happened."""


class Books:
    """The accounts of one or more sites' meters in one ledger.  Threads may share them."""

    def __init__(self, ledger: Ledger, trees: Sequence[Tree]) -> None:
        """Take up every account where the ledger left it.  Raise LedgerError, BadInputError."""
        self.ledger = ledger
        self._lock = threading.Lock()
        self.accounts: dict[str, Account] = {}
        self._of_device: dict[tuple[str, str], list[Account]] = {}
        for tree in trees:
            for meter in tree.site.meters:
                account = Account(f"{tree.site.id}/{meter.id}", meter, tree.judged_as(meter))
                self.accounts[account.subject] = account
                self._take_up(account)
                if meter.reads:
                    key = (tree.site.id, meter.reads.device)
                    self._of_device.setdefault(key, []).append(account)

    def _take_up(self, account: Account) -> None:
        row = self.ledger.last("interval", account.subject)
        if row is None:
            return
        body = json.loads(row.body)
        account.last_id, account.state = row.id, _state(body["state"])
        account.sums = Sums._make([*body["sums"], 0.0])
        account.amended = _amended(self.ledger.rows("amendment", account.subject))
        account.most = max(account.shown, body.get("most", 0.0))

    def of_device(self, site: str, device: str) -> list[Account]:
        """Return the accounts that a device's readings go to."""
        return self._of_device.get((site, device), [])

    def unwritten(self, subject: str) -> Entry | None:
        """
        Return the interval that a meter's rate tells since its last one; None where it can't.

        A register shows nothing of it yet; where it should have moved twice, the rate is in doubt.
        """
        with self._lock:
            account = self.accounts[subject]
            state, sums = account.state, account.sums
        if state is None or state.rate_time is None or state.pending:
            return None
        found = by_integral(account.judged_as, state, state.rate_time)
        if found is None or (
            state.register is not None and found.amount > 2 * quantum(account.judged_as, state)
        ):
            return None
        return _counted(account, found, found.rule, sums.plus(_summed(found)), state)

    def take(self, site: str, device: str, readings: Sequence[Reading]) -> Taken:
        """
        Judge a device's readings, write them down, and only then count them.

        Raise LedgerError, with nothing counted, if they can't be written.
        """
        with self._lock:
            for _ in range(_TRIES):
                try:
                    return self._take(site, device, readings)
                except StaleError as stale:
                    for subject in stale.subjects:
                        self._take_up(self.accounts[subject])
        raise StaleError([f"{site}/{device}"])

    def _take(self, site: str, device: str, readings: Sequence[Reading]) -> Taken:
        taken, moment = Taken(), 0.0
        raw: list[list[Any]] = []
        entries: list[Entry] = []
        changes: list[tuple[Account, Outcome, Sums, int | None]] = []
        for account in self.of_device(site, device):
            sample, verdicts = _sampled(account, readings)
            outcome = sample and metering.advance(account.judged_as, account.state, sample)
            if outcome:
                _judge(verdicts, outcome.verdict)
            for one, verdict in verdicts:
                taken.verdicts[verdict] += 1
                raw.append([one.point.channel, one.point.quantity, one.value, one.raw, verdict])
                moment = max(moment, one.time)
            if not outcome or not sample:
                continue
            made, sums = _entries(account, outcome)
            last = _last_interval(made, len(entries))
            entries += made
            changes.append((account, outcome, sums, last))
            account.rate = sample.rate
            taken.accounts.append(account)
            taken.events += [(account.subject, event) for event in outcome.events]
        if raw:
            entries.append(Entry("reading", f"{site}/{device}", moment, moment, {"readings": raw}))
        if entries:
            expected = {
                account.subject: account.last_id
                for account, _, _, last in changes
                if last is not None
            }
            ids = self.ledger.append(entries, expected)
            for account, outcome, sums, last in changes:
                account.state, account.sums = outcome.state, sums
                account.amended = account.amended.plus(_added(outcome.amendments))
                account.most = account.shown
                if last is not None:
                    account.last_id = ids[last]
        return taken

    def renew_amendments(self) -> None:
        """Read what was amended by others since.  Raise LedgerError."""
        for account in self.accounts.values():
            amended = _amended(self.ledger.rows("amendment", account.subject))
            with self._lock:
                account.amended = amended
                account.most = account.shown

    def replace(
        self,
        subject: str,
        when: float,
        registers: tuple[float, float],
        *,
        author: str,
        reason: str,
    ) -> None:
        """
        Record a meter's replacement: the old register's end and the new one's beginning (J or L).

        Raise BadInputError if there is no such meter or its registers can't be, LedgerError.
        """
        account, (final, initial) = self._known(subject), registers
        if account.state is None:
            raise BadInputError(f"{subject} was never read", remedy="wait for its first reading")
        try:
            outcome = metering.replaced(account.judged_as, account.state, when, final, initial)
        except ValueError as error:
            raise BadInputError(
                f"{subject} can't have been replaced so",
                why=str(error),
                remedy="correct time and registers; what is counted already needs `amend`",
            ) from error
        body = {"event": "replaced", "final": final, "initial": initial}
        event = Entry("event", subject, when, when, {**body, "author": author, "reason": reason})
        made, _ = _entries(account, outcome)
        self.ledger.append([event, *made], {subject: account.last_id})

    def amend(
        self,
        subject: str,
        span: tuple[float, float],
        amount: float,
        *,
        author: str,
        reason: str,
    ) -> None:
        """
        Add an amount (J or L, negative to take away) to what a meter counted in a span of time.

        The entries that it corrects stay.  Raise BadInputError if there is no such meter.
        """
        self._known(subject)
        if span[0] >= span[1]:
            raise BadInputError("the time span is empty", remedy="give its start before its end")
        made = Amendment(*span, amount, amount, amount, 0.0, reason)
        self.ledger.append([_amendment(subject, made, author)])

    def _known(self, subject: str) -> Account:
        if subject not in self.accounts:
            raise BadInputError(
                f'there is no meter "{subject}"',
                why="the catalogue's sites have none of that name",
                remedy="name it SITE/METER, such as main/ups-a",
            )
        return self.accounts[subject]


def _sampled(
    account: Account, readings: Sequence[Reading]
) -> tuple[Sample | None, list[tuple[Reading, Verdict]]]:
    """Return a meter's sample, if there is one, and its readings, each judged by itself."""
    reads, volume = account.meter.reads, account.meter.carrier in _VOLUMES
    if reads is None:
        return None, []
    register, rate = _QUANTITIES[volume]
    values: dict[Quantity, Reading] = {}
    verdicts = []
    for one in readings:
        if one.point.channel != reads.channel or one.point.quantity not in (register, rate):
            continue
        limit = account.judged_as.limit if one.point.quantity is rate else math.inf
        verdict = _by_itself(one, limit / reads.ct_ratio)
        verdicts.append((one, verdict))
        if verdict is Verdict.GOOD:
            values[one.point.quantity] = one
    if not values:
        return None, verdicts

    def scaled(value: float | None) -> float | None:
        return None if value is None else value * reads.ct_ratio

    shown = values.get(register)
    sample = Sample(
        time=max(one.time for one in values.values()),
        register=scaled(shown.value) if shown else None,
        rate=scaled(values[rate].value) if rate in values else None,
        modulus=scaled(shown.point.modulus) if shown else None,
        ratio=reads.ct_ratio,
    )
    return sample, verdicts


def _judge(verdicts: list[tuple[Reading, Verdict]], verdict: Verdict) -> None:
    """Give the reading that decided, the register if there is one, the outcome's verdict."""
    sound = [index for index, (_, known) in enumerate(verdicts) if known is Verdict.GOOD]
    decisive = min(sound, key=lambda index: verdicts[index][0].point.quantity in _RATES)
    verdicts[decisive] = (verdicts[decisive][0], verdict)


def _by_itself(reading: Reading, limit: float) -> Verdict:
    """Return what is thought of a reading that nothing is compared with."""
    value, point = reading.value, reading.point
    if value is None or math.isnan(value):
        return Verdict.UNAVAILABLE
    low = max(0.0, point.low or 0.0)
    high = min(limit, *(one for one in (point.high, point.modulus) if one is not None), math.inf)
    return Verdict.GOOD if low <= value <= high and math.isfinite(value) else Verdict.LIMIT


def _entries(account: Account, outcome: Outcome) -> tuple[list[Entry], Sums]:
    """Return the entries that an outcome makes, and the meter's sums after them."""
    sums, made = account.sums, []
    added = sum(one.amount for one in outcome.intervals)
    added += sum(one.amount for one in outcome.amendments)
    account = replace(account, most=max(account.shown, account.total + added))
    if account.state is None:
        when = outcome.state.time
        nothing = Interval(when, when, 0.0, 0.0, 0.0, Rule.REGISTER)
        made.append(_counted(account, nothing, BEGUN, sums, outcome.state))
    for interval in outcome.intervals:
        sums = sums.plus(_summed(interval))
        made.append(_counted(account, interval, interval.rule, sums, outcome.state))
    made += [_amendment(account.subject, one, "citydc") for one in outcome.amendments]
    made += [
        Entry("event", account.subject, outcome.state.time, outcome.state.time, {"event": event})
        for event in outcome.events
    ]
    return made, sums


def _last_interval(made: Sequence[Entry], before: int) -> int | None:
    """Return which of all entries the last interval made is, `before` having come before."""
    found = [index for index, one in enumerate(made) if one.kind == "interval"]
    return before + found[-1] if found else None


def _summed(interval: Interval) -> Sums:
    seconds = interval.end - interval.start
    return Sums(
        interval.amount,
        interval.lower,
        interval.upper,
        seconds if interval.measured else 0.0,
        0.0 if interval.measured else interval.amount,
    )


def _counted(account: Account, interval: Interval, rule: str, sums: Sums, state: State) -> Entry:
    # A meter that shows its rate, too, is counted by that until its register first moves.
    begun = rule == BEGUN and state.register is not None and state.rate is None
    step = quantum(account.judged_as, state) if begun else state.blur
    body = {
        "amount": interval.amount,
        "lower": interval.lower,
        "upper": interval.upper,
        "rule": rule,
        "measured": interval.measured,
        "highest": interval.highest,
        "step": step,
        "sums": sums[:-1],
        "most": account.most,
        "state": _written(state),
    }
    return Entry("interval", account.subject, interval.start, interval.end, body)


def _amendment(subject: str, one: Amendment, author: str) -> Entry:
    body = {
        "amount": one.amount,
        "lower": one.lower,
        "upper": one.upper,
        "estimated": one.estimated,
        "reason": one.reason,
        "author": author,
    }
    return Entry("amendment", subject, one.start, one.end, body)


def _added(amendments: Sequence[Amendment]) -> Sums:
    sums = Sums()
    for one in amendments:
        sums = sums.plus(Sums(one.amount, one.lower, one.upper, estimated=one.estimated))
    return sums


def _amended(rows: Iterable[Row]) -> Sums:
    sums = Sums()
    for row in rows:
        body = json.loads(row.body)
        sums = sums.plus(
            Sums(body["amount"], body["lower"], body["upper"], estimated=body["estimated"])
        )
    return sums


_PLAIN = State(time=0.0, register=None)
_MARKS = {"before", "pending"}
_INTEGRALS = {"integral", "held"}


def _written(state: State) -> dict[str, Any]:
    """Return a state as JSON: what differs from a state that knows nothing."""
    found: dict[str, Any] = {"time": state.time}
    for one in dataclasses.fields(State):
        value = getattr(state, one.name)
        if value != getattr(_PLAIN, one.name):
            plain = isinstance(value, Mark | Integral)
            found[one.name] = list(dataclasses.astuple(value)) if plain else value
    return found


def _state(written: dict[str, Any]) -> State:
    """Return a state from JSON; the fields that a later version does not know are passed over."""
    known = {one.name for one in dataclasses.fields(State)}
    values = {name: value for name, value in written.items() if name in known}
    for name in _MARKS & set(values):
        values[name] = Mark(*values[name])
    for name in _INTEGRALS & set(values):
        values[name] = Integral(*values[name])
    return replace(_PLAIN, **values)
