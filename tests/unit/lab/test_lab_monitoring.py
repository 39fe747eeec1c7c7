"""How the lab's Prometheus, Alertmanager and exporters are told what to do."""

import ipaddress
import json
import socket
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import yaml

import catalogue
from catalogue.errors import OutsideError
from exporters.uptime import settings
from lab.monitoring import alarm, asking, figures, running, servers
from lab.monitoring.alarm import Alarm, Trial
from lab.monitoring.exporting import Exporters, Ground, exporters
from lab.monitoring.running import Server
from lab.monitoring.servers import Monitoring
from lab.openstack import ports, sites
from lab.openstack.observing import Place
from lab.plant import places

RULES = Path(servers.SOURCE, "rules")


PLACES = {
    site: Place(f"citydc-{site}-observer", ipaddress.IPv6Address(f"fd00::{number}"))
    for number, site in enumerate(("main", "backup"), start=2)
}


def _ground(home: Path, *, port: int = 28000, real: bool = True) -> Ground:
    secrets = home / "secrets"
    (secrets / "authority").mkdir(parents=True)
    (secrets / "authority" / "authority.crt").write_text("the hosts' authority\n")
    for name in ("devices.yaml", "clouds.yaml"):
        (home / name).touch()
    return Ground(
        home,
        port,
        {"main": {"site": "main"}, "backup": {"site": "backup"}},
        PLACES if real else {},
        secrets,
        home / "devices.yaml",
        home / "clouds.yaml",
        "127.0.0.1:28080",
    )


def _without(ground: Ground) -> Ground:
    return Ground(**{**vars(ground), "outputs": {}})


def _names(found: Exporters) -> list[str]:
    return [one.name.removeprefix("exporter-") for one in found.servers]


def test_the_city_s_rules_run_at_the_lab_s_addresses_and_intervals(tmp_path: Path) -> None:
    """What alerts wait for is as in production; samples go to the lab's own servers."""
    found = Monitoring(tmp_path, 28000, {})
    found.configure()
    data = yaml.safe_load((found.folder / "prometheus.yaml").read_text())
    assert len(data["rule_files"]) == len(list(RULES.glob("*.yaml")))
    for path in map(Path, data["rule_files"]):
        mine, theirs = (
            [rule for group in yaml.safe_load(one.read_text())["groups"] for rule in group["rules"]]
            for one in (path, RULES / path.name)
        )
        assert mine == theirs
        assert "interval:" not in path.read_text()
    assert data["remote_write"] == [{"url": "http://127.0.0.1:28082/api/v1/write"}]
    assert "127.0.0.1:28081" in str(data["alerting"])


def test_only_what_runs_is_scraped(tmp_path: Path) -> None:
    """A job of the city's that nothing answers for is left out."""
    found = Monitoring(tmp_path, 28000, {"citydc-energy": servers.at("127.0.0.1:1234")})
    found.configure()
    data = yaml.safe_load((found.folder / "prometheus.yaml").read_text())
    (job,) = data["scrape_configs"]
    assert job["job_name"] == "citydc-energy"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:1234"]}]


def test_monitoring_s_ports_are_nobody_else_s(tmp_path: Path) -> None:
    """They are among the main site's, beside its services' and devices'."""
    found = exporters(_ground(tmp_path, real=False))
    all_ = [*Monitoring(tmp_path, 28000, found.jobs).servers(), *found.servers]
    mine = {httpx.URL(server.url).port for server in all_}
    main = sites.load(tmp_path, 28000)[0]
    assert mine == {28080, 28081, 28082, 28083, 28084}
    assert not mine & {*ports.services(main).values(), *places.ports(28000)["main"]}


def test_exporters_are_those_that_have_something_to_look_at(tmp_path: Path) -> None:
    """Without a deployment energy alone; without hosts no probes; what is lacking is told."""
    ground = _ground(tmp_path)
    alone = exporters(_without(ground))
    assert _names(alone) == ["energy"]
    assert list(alone.lacking.values()) == ["nothing is deployed"]
    fake = exporters(Ground(**{**vars(ground), "places": {}}))
    assert _names(fake) == ["energy", "capacity"]
    assert "uptime, recovery" in fake.lacking
    whole = exporters(ground)
    assert _names(whole) == ["energy", "capacity", "uptime-main", "uptime-backup", "recovery"]
    assert set(whole.jobs) == {
        one["job_name"]
        for one in yaml.safe_load(Path(servers.SOURCE, "prometheus.yaml").read_text())[
            "scrape_configs"
        ]
    }
    assert list(whole.lacking) == ["replication"]
    (ground.secrets / "postgresql").mkdir()
    (ground.secrets / "postgresql" / "monitor").write_text("secret")
    assert not exporters(ground).lacking


def test_exporters_in_places_let_in_only_whom_they_know(tmp_path: Path) -> None:
    """TLS and a password, which no command line and no file of others' shows."""
    found = exporters(_ground(tmp_path))
    folder = tmp_path / "monitoring"
    secret = (folder / "password").read_text()
    for server in found.servers[2:]:
        assert server.command[:2] == (
            "/usr/bin/nsenter",
            f"--net=/run/netns/{PLACES['backup' if 'backup' in server.name else 'main'].namespace}",
        )
        assert "--web-config" in server.command
        assert server.url.startswith("https://[fd00::")
        assert secret not in " ".join(server.command)
    job = found.jobs["citydc-uptime"]
    assert (job["scheme"], job["basic_auth"]["username"]) == ("https", "citydc")
    assert job["static_configs"] == [{"targets": ["[fd00::2]:9812", "[fd00::3]:9812"]}]
    for path in folder.iterdir():
        assert path.is_dir() or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret not in (folder / "web.yaml").read_text()


def test_observers_are_each_other_s_peers(tmp_path: Path) -> None:
    """Each proves its own path, to both sites, in both families."""
    exporters(_ground(tmp_path))
    known = catalogue.load().sites
    for site, other in (("main", "backup"), ("backup", "main")):
        found = settings.observer(tmp_path / "monitoring" / f"observer-{site}.yaml", known)
        assert found.peer
        assert (found.site, found.peer.site) == (site, other)
        assert found.peer.url == f"https://[{PLACES[other].address}]:9812"
        assert len(found.self_checks) == 4


def test_certificate_and_password_stay_while_the_places_do(tmp_path: Path) -> None:
    """So that what runs needs no new start; other addresses need another certificate."""
    ground = _ground(tmp_path)
    before = [one.fingerprint for one in exporters(ground).servers]
    assert [one.fingerprint for one in exporters(ground).servers] == before
    moved = {**PLACES, "main": PLACES["main"]._replace(address=ipaddress.IPv6Address("fd00::9"))}
    after = exporters(Ground(**{**vars(ground), "places": moved}))
    assert after.servers[3].fingerprint != before[3]


def test_devices_are_read_at_the_lab_s_own_ports(tmp_path: Path) -> None:
    """A lab on other ports has a catalogue that says so; the city's own is as it was."""
    command = exporters(_without(_ground(tmp_path))).servers[0].command
    copy = catalogue.load(Path(command[command.index("--catalogue") + 1]))
    for site in catalogue.load().sites.values():
        for mine, theirs in zip(copy.sites[site.id].devices, site.devices, strict=True):
            assert mine.address.lab == f"127.0.0.1:{places.port_of(theirs, 28000)}"
            assert mine.address.production == theirs.address.production


def test_server_that_reads_something_new_is_another(tmp_path: Path) -> None:
    """Its fingerprint is of its command, its environment and its files."""
    file = tmp_path / "file"
    file.write_text("one")
    server = Server("server", "http://nowhere", ("/bin/true",), reads=(file,))
    before = server.fingerprint
    assert before == server.fingerprint
    file.write_text("two")
    assert before != server.fingerprint


def test_server_whose_port_another_has_is_refused_before_any_starts(tmp_path: Path) -> None:
    """It names the port and its holder; the log of the one before was not begun."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        several = [
            Server("free", "http://[::1]:1", ("/bin/true",)),
            Server("prometheus", f"http://127.0.0.1:{port}/-/ready", ("/bin/true",)),
        ]
        with pytest.raises(OutsideError, match=f"prometheus can't start: port {port} is taken"):
            running.start(tmp_path / "home", tmp_path, several, {})
    assert not list(tmp_path.iterdir())


# -- alarms ---------------------------------------------------------------------------------------


class _Alertmanager:
    """Holds an alert from the second look at it on, until it is told of its end."""

    def __init__(self, alert: Mapping[str, str], *, silent: bool = False) -> None:
        self.alert, self.silent = alert, silent
        self.happens, self.looks, self.ends = False, 0, 0

    def held(self, _address: str) -> list[Mapping[str, str]]:
        self.looks += self.happens
        if not self.happens and self.looks:
            self.looks, self.ends = 0, 1
        return [self.alert] if self.looks > 1 and not self.silent else []

    def told(self, _address: str) -> int:
        return self.ends

    def let(self, happens: bool) -> None:  # noqa: FBT001
        self.happens = happens


def _alarm(found: _Alertmanager, monkeypatch: pytest.MonkeyPatch) -> tuple[Alarm, list[str]]:
    monkeypatch.setattr(asking, "alerts", found.held)
    monkeypatch.setattr(asking, "ends_told", found.told)
    monkeypatch.setattr(alarm, "LOOK_S", 0)
    said: list[str] = []
    trial = Trial("it is hot", found.alert, lambda: found.let(True), lambda: found.let(False))
    return Alarm("127.0.0.1:1", said.append, [trial]), said


def test_alarm_that_is_interrupted_undoes_all_that_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also what it was just undoing, and what comes after something that cannot be undone."""
    found = _Alertmanager({"alertname": "Hot", "site": "main"})
    made, _ = _alarm(found, monkeypatch)
    undone: list[str] = []

    def stubborn() -> None:
        undone.append("stubborn")
        raise KeyboardInterrupt

    (hot,) = made.trials
    made.trials[:] = [
        replace(hot, begin=lambda: None, undo=stubborn, what="stubborn"),
        replace(hot, undo=lambda: undone.append("hot")),
    ]
    with pytest.raises(KeyboardInterrupt):
        made.run()
    assert sorted(undone) == ["hot", "stubborn", "stubborn"]


def test_alarm_fires_and_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """What made it fire is undone as soon as it does."""
    found = _Alertmanager({"alertname": "Hot", "site": "main"})
    made, said = _alarm(found, monkeypatch)
    made.run()
    assert [one.split(",")[0] for one in said] == [
        "it is hot; waiting for Hot (main)",
        "Hot (main) fires",
        "Hot (main) is resolved",
    ]
    assert not found.happens


def test_alarm_that_stays_out_is_told_and_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stays overloaded or stopped."""
    found = _Alertmanager({"alertname": "Hot"}, silent=True)
    made, _ = _alarm(found, monkeypatch)
    monkeypatch.setattr(alarm, "PATIENCE_S", 0)
    with pytest.raises(OutsideError, match="is not firing"):
        made.run()
    assert not found.happens


# -- figures --------------------------------------------------------------------------------------


def _answering(answers: Mapping[str, list[tuple[dict[str, str], float]]]) -> object:
    """Give what stands for httpx.get: a Prometheus that knows these queries' answers."""

    def get(url: str, *, params: Mapping[str, str], **_: object) -> httpx.Response:
        known = next((value for key, value in answers.items() if key in params["query"]), [])
        result = [{"metric": labels, "value": [0, str(value)]} for labels, value in known]
        text = json.dumps({"data": {"result": result}})
        return httpx.Response(200, text=text, request=httpx.Request("GET", url))

    return get


def test_figures_tell_each_service_s_state_and_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commonest state of the last minute is the one now; ratios have their bounds."""
    web = {"service": "web", "family": "ipv6"}
    answers = {
        "increase": [({**web, "state": "bad"}, 40.0), ({**web, "state": "good"}, 20.0)],
        "ratio_lower{window": [(web, 0.1)],
        "ratio_upper{window": [(web, 0.9)],
        "ratio{window": [(web, 0.5)],
    }
    monkeypatch.setattr(httpx, "get", _answering(answers))
    (found,) = figures.availability("127.0.0.1:1")
    assert found["now"] == "bad"
    assert found["gross"] == found["net"] == (0.5, 0.1, 0.9)


def test_service_to_stop_is_good_in_both_families_and_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is bad already, or good in one family alone, proves nothing when it is stopped."""
    good = {"small": "46", "large": "46", "half": "4", "none": "46"}
    series = [
        ({"service": name, "family": f"ipv{family}", "state": "good"}, 60.0)
        for name, families in good.items()
        for family in families
    ]
    monkeypatch.setattr(httpx, "get", _answering({"increase": series}))
    servers_of = {"small": 1, "large": 3, "half": 1}
    assert alarm.good_service("127.0.0.1:1", servers_of, print) == "small"
