"""What is measured on the lab: devices, exporters, Prometheus, figures, alerts."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_helpers import LabOfTests, wait_for

import catalogue
from exporters.devices.profile import named
from exporters.energy.tree import Tree
from lab.control import Monitored
from lab.monitoring import figures, running
from lab.monitoring.asking import ask
from lab.plant import places
from lab.plant.record import STEP_S, Record
from lab.plant.truth import Truth

SITES = catalogue.load().sites
PROTOCOLS = {named(device.profile).protocol for site in SITES.values() for device in site.devices}


@pytest.fixture(scope="module")
def began() -> float:
    """Give the moment before anything was measured."""
    return time.time()


@pytest.fixture(scope="module")
def monitored(
    lab: LabOfTests, began: float, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Monitored]:
    """Give what measures a lab to which nothing is deployed; end it."""
    assert began
    yield lab.monitor({}, tmp_path_factory.mktemp("secrets"))
    lab.unmonitor()


def true_pue(lab: LabOfTests, site: str, start: float, end: float) -> float:
    """Return what truly entered a site, by what its racks truly drew."""
    record = Record(places.folder(lab.home, site))
    truth = Truth(SITES[site], record.origin, step_s=STEP_S, events=record.overloads)
    tree = Tree(SITES[site])

    def passed(meters: list[str]) -> float:
        return sum(truth.energy_j(one, end) - truth.energy_j(one, start) for one in meters)

    added, taken = tree.it
    return passed(tree.boundary) / (passed(added) - passed(taken))


def test_both_sites_have_an_interim_pue_that_holds(
    lab: LabOfTests, monitored: Monitored, began: float
) -> None:
    """With its category, and bounds around what the plants truly used meanwhile."""
    prometheus = monitored.servers.prometheus
    assert list(monitored.lacking.values()) == ["nothing is deployed"]
    wait_for(lambda: figures.told(figures.read(prometheus)))
    found = figures.read(prometheus)
    ended = time.time()
    told = {(one["site"], one["indicator"]): one for one in found["indicators"]}
    for site in SITES:
        pue = told[site, "PUE"]
        assert (pue["kind"], pue["category"]) == ("interim", "2")
        assert pue["lower"] is not None
        assert pue["value"] is not None
        assert pue["upper"] is not None
        assert pue["lower"] < pue["value"] < pue["upper"]
        assert pue["lower"] < true_pue(lab, site, began, ended) < pue["upper"]
        for name in ("WUE", "CUE"):
            assert told[site, name]["value"]
    assert told["main", "REF"]["value"] is not None
    assert told["backup", "REF"]["untold"] == "no meter measures renewable energy"


def test_devices_of_every_protocol_are_read(monitored: Monitored) -> None:
    """All of both sites."""

    def all_up() -> list[figures.Collectors]:
        found = figures.read(monitored.servers.prometheus)["collectors"]
        return found if all(one["up"] == one["devices"] for one in found) else []

    found = wait_for(all_up)
    assert {one["protocol"] for one in found if one["site"] == "main"} == PROTOCOLS
    assert sum(one["devices"] for one in found) == sum(len(one.devices) for one in SITES.values())


def test_overloaded_ups_alerts_until_it_is_relieved(lab: LabOfTests, monitored: Monitored) -> None:
    """From its meter to Alertmanager, and back."""
    said: list[str] = []
    assert monitored.servers.alertmanager == lab.alertmanager
    lab.alarm(said.append)
    assert [one.rpartition(")")[2].split(",")[0] for one in said[-3:]] == [
        "",
        " fires",
        " is resolved",
    ]
    assert all("UpsOverloaded (main, ups-a)" in one for one in said[-3:])
    assert lab.relieve("main") == 0


def test_dead_exporter_is_told_and_started_again(
    lab: LabOfTests, monitored: Monitored, tmp_path: Path
) -> None:
    """It goes on from its ledger; what runs stays as it is."""
    query = 'citydc_energy_joules_total{site="main",node="utility-a"}'
    (before,) = ask(monitored.servers.prometheus, query)
    there = running.found(lab.home)
    process, _ = there["exporter-energy"]
    process.kill()
    wait_for(lambda: not process.is_running())
    told = lab.status()
    assert told["up"]
    assert told["monitoring"]["exporter-energy"]["pid"] is None
    assert told["monitoring"]["prometheus"]["pid"] == there["prometheus"][0].pid
    lab.monitor({}, tmp_path)
    again = running.found(lab.home)
    assert again.pop("exporter-energy")[0].pid != there.pop("exporter-energy")[0].pid
    assert {name: one.pid for name, (one, _) in again.items()} == {
        name: one.pid for name, (one, _) in there.items()
    }
    (after,) = wait_for(lambda: ask(monitored.servers.prometheus, query))
    assert after.value >= before.value
