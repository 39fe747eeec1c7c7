"""What the lab refuses before it starts anything."""

import json
import threading
import time
from pathlib import Path

import psutil
import pytest

from catalogue.errors import BadInputError, OutsideError
from lab import control, hosting, packages, status
from lab.control import Lab
from lab.openstack import ports, processes, releases


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test here start processes or install packages."""
    monkeypatch.setattr(Lab, "_launch", _refuse)
    monkeypatch.setattr(packages, "ensure", lambda *_: None)
    monkeypatch.setattr(ports, "check_free", lambda *_: None)


def test_default_lab_is_in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings the home is .lab beside the packages, from port 23000."""
    for name in ("HOME", "PORT"):
        monkeypatch.delenv(f"CITYDC_LAB_{name}", raising=False)
    lab = Lab.default()
    assert (lab.home.name, lab.port) == (".lab", 23000)
    assert (lab.home.parent / "pyproject.toml").exists()


def test_environment_names_another_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CITYDC_LAB_HOME and CITYDC_LAB_PORT are heeded."""
    monkeypatch.setenv("CITYDC_LAB_HOME", str(tmp_path))
    monkeypatch.setenv("CITYDC_LAB_PORT", "24000")
    assert (Lab.default().home, Lab.default().port) == (tmp_path, 24000)


@pytest.mark.parametrize(
    ("text", "lacking", "hosts"),
    [("yes", "root", True), ("no", "", False), ("", "", True), ("", "root", False)],
)
def test_new_lab_has_real_hosts_where_it_can(
    text: str, lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, hosts: bool
) -> None:
    """CITYDC_LAB_HOSTS decides; without it, what the machine and the user have."""
    monkeypatch.setenv("CITYDC_LAB_HOME", str(tmp_path))
    monkeypatch.setenv("CITYDC_LAB_HOSTS", text)
    monkeypatch.setattr(hosting, "missing", lambda: lacking)
    assert Lab.default().has_hosts is hosts


def test_wish_for_hosts_is_yes_or_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another word is bad input."""
    monkeypatch.setenv("CITYDC_LAB_HOSTS", "true")
    with pytest.raises(BadInputError, match="CITYDC_LAB_HOSTS is 'true'"):
        Lab.default()


@pytest.mark.parametrize("text", ["", "lab", "80", "65500", "-1", "23000.0"])
def test_port_that_is_none_is_bad_input(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port out of range, or not a number, is told with the range."""
    monkeypatch.setenv("CITYDC_LAB_PORT", text)
    with pytest.raises(BadInputError, match="1024 to 65336"):
        Lab.default()


@pytest.mark.parametrize("verb", ["up", "down", "reset", "status"])
def test_folder_with_other_files_is_not_touched(tmp_path: Path, verb: str) -> None:
    """A home that holds something else is refused, and stays as it is."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInputError, match="no lab's folder"):
        getattr(Lab(tmp_path, 24000), verb)()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("verb", ["up", "down", "reset", "status"])
def test_home_that_is_no_folder_is_not_touched(tmp_path: Path, verb: str) -> None:
    """A file in the home's place is refused, and stays as it is."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInputError, match="no lab's folder"):
        getattr(Lab(tmp_path / "thesis.txt", 24000), verb)()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("text", ['{"port": 2', "{}", "[1]", ""])
@pytest.mark.parametrize("verb", ["up", "down", "reset", "status"])
def test_record_that_is_damaged_is_told(tmp_path: Path, text: str, verb: str) -> None:
    """Nothing is removed by a record that does not say whose it is; the error has its place."""
    (tmp_path / "lab.json").write_text(text)
    with pytest.raises(BadInputError, match="record is damaged") as told:
        getattr(Lab(tmp_path, 24000), verb)()
    assert told.value.place == str(tmp_path / "lab.json")
    assert (tmp_path / "lab.json").read_text() == text


def test_lab_made_with_other_ports_is_refused(tmp_path: Path) -> None:
    """The data name their ports, so another port is bad input, with the right one."""
    _record(tmp_path, port=23000)
    with pytest.raises(BadInputError, match="made with port 23000, not 24000"):
        Lab(tmp_path, 24000).up()


def test_lab_made_elsewhere_is_refused(tmp_path: Path) -> None:
    """The data name their files, so a moved home is bad input."""
    _record(tmp_path, port=24000, home="/elsewhere")
    with pytest.raises(BadInputError, match="made with home /elsewhere"):
        Lab(tmp_path, 24000).up()


def test_data_of_other_releases_are_refused(tmp_path: Path) -> None:
    """Databases of another release can't be used; the remedy is to reset."""
    _record(tmp_path, port=24000, releases={**releases.installed(), "nova": "33.0.0"})
    with pytest.raises(OutsideError, match=r"nova 33\.0\.0 → .*\n.*lab reset"):
        Lab(tmp_path, 24000).up()


def test_disk_with_too_little_room_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has what there is and what is needed."""
    monkeypatch.setattr(control, "FREE_BYTES", 1 << 60)
    with pytest.raises(OutsideError, match="too full"):
        Lab(tmp_path / "home", 24000).up()


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A home below a file is an error with its place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutsideError, match="can't be written"):
        Lab(tmp_path / "file" / "home", 24000).up()


def test_lab_that_never_was_is_down(tmp_path: Path) -> None:
    """Its status says down, and looking at it makes no files."""
    home = tmp_path / "home"
    found = Lab(home, 24000).status()
    assert not found["up"]
    assert {site["state"] for site in found["sites"].values()} == {"down"}
    assert found["sites"]["main"]["auth_url"] == "http://127.0.0.1:24000/v3"
    assert (found["hosts"], found["memory_mib"], found["since"]) == ([], 0, None)
    assert not home.exists()


def test_status_is_json(tmp_path: Path) -> None:
    """What status gives can be printed as it is."""
    found = Lab(tmp_path / "home", 24000).status()
    assert json.loads(json.dumps(found)) == found


def test_down_and_reset_of_a_lab_that_never_was_do_nothing(tmp_path: Path) -> None:
    """They succeed and leave no folder."""
    lab = Lab(tmp_path / "home", 24000)
    lab.reset()
    assert not lab.down()
    assert not lab.home.exists()


def test_start_that_fails_is_ended_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the launch fails, what ran is ended, and the next command finds no lock."""
    lab = Lab(tmp_path / "home", 24000)
    ended: list[Path] = []
    monkeypatch.setattr(processes, "end_all", ended.append)
    with pytest.raises(OutsideError, match="refused"):
        lab.up()
    assert ended == [lab.home, lab.home]
    assert not (lab.home / "lock").exists()


def test_second_command_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    """The one that waits names the process that works on the lab."""
    lab = Lab(tmp_path / "home", 24000)
    said: list[str] = []

    def second() -> None:
        with lab._locked(said.append):
            said.append("mine")

    waiter = threading.Thread(target=second)
    with lab._locked():
        waiter.start()
        while not said:
            time.sleep(0.01)
    waiter.join()
    assert said == [
        f"waiting for process {psutil.Process().pid}, which works on the lab",
        "mine",
    ]


def test_lock_of_a_command_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    """A lock file without its process, whoever has the id now, is no lock."""
    lab = Lab(tmp_path / "home", 24000)
    lab.home.mkdir()
    (lab.home / "lock").write_text("1")
    said: list[str] = []
    with lab._locked(said.append):
        assert said == []


def test_processes_of_the_lab_get_no_credentials_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passphrases and cloud settings of the caller stay with the caller."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "word")
    monkeypatch.setenv("OS_PASSWORD", "word")
    environment = Lab(tmp_path, 24000)._environment()
    assert "word" not in environment.values()
    assert environment[processes.MARK] == str(tmp_path)


def test_host_s_address_is_its_own_not_a_floating_one() -> None:
    """A floating address belongs to the router."""
    addresses = [
        {"version": 4, "addr": "198.51.100.9", "OS-EXT-IPS:type": "floating"},
        {"version": 4, "addr": "10.0.0.9", "OS-EXT-IPS:type": "fixed"},
    ]
    assert status._address(addresses, 4) == "10.0.0.9"
    assert status._address(addresses, 6) is None


def test_last_words_of_a_process_are_its_log_s_last_line(tmp_path: Path) -> None:
    """A log that is empty or not there has none."""
    log = tmp_path / "log"
    assert control._last_line(log) == ""
    log.write_text("")
    assert control._last_line(log) == ""
    log.write_text("Traceback\n  ...\nOSError: no space left\n\n")
    assert control._last_line(log) == "OSError: no space left"


def _record(folder: Path, **changed: object) -> None:
    record = {"port": 24000, "home": str(folder), "releases": releases.installed()}
    (folder / "lab.json").write_text(json.dumps({**record, **changed}))


def _refuse(*_: object) -> None:
    raise OutsideError("refused")
