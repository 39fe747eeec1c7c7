"""`citydc exporter ledger`: what an auditor and an operator do with the books."""

import json
import sqlite3
from pathlib import Path

import pytest

import catalogue
from citydc import main
from exporters.energy.books import Books
from exporters.energy.tree import Tree
from exporters.ledger import Ledger
from exporters.readings import Point, Quantity, Reading

BEGIN = 1.8e9 - 1.8e9 % 3600
BY_CLOCK = "2027-01-15T15:00:00"
"""BEGIN in Asia/Ho_Chi_Minh."""


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(["exporter", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Give a ledger in which a UPS's meter was read three times, a minute apart."""
    file = tmp_path / "energy.sqlite"
    opened = Ledger(file)
    books = Books(opened, [Tree(catalogue.load().sites["main"])])
    for step in range(3):
        value, time = 1e12 + 6e4 * step, BEGIN - 120 + 60.0 * step
        reading = Reading("meter-ups-a", Point(Quantity.ENERGY), value, str(value), time)
        books.take("main", "meter-ups-a", [reading])
    opened.close()
    return file


def _total(file: Path) -> float:
    opened = Ledger(file)
    total = opened.total("main/ups-a").amount
    opened.close()
    return total


def test_whole_chain_is_told_with_its_head(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people and for programs."""
    assert _run("ledger", "verify", str(ledger)) == 0
    assert "The chain is whole; 6 entries fit" in capsys.readouterr().out
    assert _run("ledger", "verify", str(ledger), "--json") == 0
    assert json.loads(capsys.readouterr().out)["sound"]


def test_broken_chain_and_lost_seal_are_found(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and the entry's name."""
    assert _run("ledger", "verify", str(ledger), "--seal", "ab" * 32) == 1
    assert "is not in the chain" in capsys.readouterr().out
    with sqlite3.connect(ledger) as db:
        db.execute("DROP TRIGGER entries_stay")
        db.execute("UPDATE entries SET body = '{}' WHERE id = 3")
    db.close()
    assert _run("ledger", "verify", str(ledger)) == 1
    assert "entry 3 (interval of main/ups-a) was changed" in capsys.readouterr().out


def test_replacement_is_recorded_as_measured(ledger: Path) -> None:
    """The old register's end counts; the new one's beginning is where counting goes on."""
    options = ["--when", "2027-01-15T15:01:00", "--final", "1.00000018e12", "--initial", "5e9"]
    who = ["--author", "N. V. An", "--reason", "work order 118"]
    assert _run("ledger", "replaced", str(ledger), "main/ups-a", *options, *who) == 0
    assert _total(ledger) == 180_000
    assert _run("ledger", "replaced", str(ledger), "main/ups-a", *options, *who) == 2


def test_amendment_is_recorded(ledger: Path) -> None:
    """What it corrects stays."""
    options = ["--from", "2027-01-15T14:00:00", "--to", BY_CLOCK, "--amount", "-20000"]
    who = ["--author", "N. V. An", "--reason", "CT ratio"]
    assert _run("ledger", "amend", str(ledger), "main/ups-a", *options, *who) == 0
    assert _total(ledger) == 100_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ledger", "verify", "nowhere.sqlite"], "no such ledger"),
        (["energy", "--listen", "0.0.0.0:9811"], "beyond loopback"),
        (["energy", "--shard", "3/2"], "no shard"),
        (["energy", "--site", "third", "--ledger", "LEDGER"], "no site"),
    ],
)
def test_wrong_usage_is_told_and_changes_nothing(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, with the cause."""
    given = [one.replace("LEDGER", str(tmp_path / "energy.sqlite")) for one in arguments]
    assert _run(*given) == 2
    assert told in capsys.readouterr().err
