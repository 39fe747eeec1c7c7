"""Debian packages: installed once, by root, without starting their service."""

import os
from pathlib import Path

import pytest

from catalogue.errors import OutsideError
from lab import packages


def _need(machine: Path) -> packages.Need:
    return packages.Need("the name server", ("bind9",), (str(machine / "named"),))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a root of files without bind9, whose apt-get makes it and notes its policy."""
    named, policy = tmp_path / "named", tmp_path / "policy-rc.d"
    apt = tmp_path / "bin" / "apt-get"
    apt.parent.mkdir()
    apt.write_text(
        f"#!/bin/sh\necho $* >> {tmp_path}/asked\ncp {policy} {tmp_path}/seen; touch {named}\n"
    )
    apt.chmod(0o755)
    monkeypatch.setattr(packages, "POLICY", policy)
    monkeypatch.setattr(packages, "SYSTEMD", tmp_path / "no-systemd")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(apt.parent), prepend=os.pathsep)
    return tmp_path


def test_missing_name_server_is_installed_and_told(machine: Path) -> None:
    """Root gets bind9 installed, and is told that its service stays off."""
    said: list[str] = []
    packages.ensure(_need(machine), said.append)
    assert "bind9" in (machine / "asked").read_text()
    assert "installing" in said[0]


def test_service_is_kept_from_starting_while_it_is_installed(machine: Path) -> None:
    """Debian's policy file forbids starts meanwhile, and is gone afterwards."""
    packages.ensure(_need(machine), lambda _: None)
    assert (machine / "seen").read_text() == "#!/bin/sh\nexit 101\n"
    assert not (machine / "policy-rc.d").exists()


def test_policy_of_the_machine_stays(machine: Path) -> None:
    """A policy file that was there is left as it is."""
    (machine / "policy-rc.d").write_text("theirs")
    packages.ensure(_need(machine), lambda _: None)
    assert (machine / "policy-rc.d").read_text() == "theirs"


def test_nothing_is_installed_twice(machine: Path) -> None:
    """With bind9 there, apt-get is not asked."""
    (machine / "named").touch()
    packages.ensure(_need(machine), lambda _: None)
    assert not (machine / "asked").exists()


def test_user_who_is_not_root_is_told_what_to_install(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without root the error has the command."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(OutsideError, match="apt-get install bind9") as told:
        packages.ensure(_need(machine), lambda _: None)
    assert str(machine / "named") in told.value.why


def test_installation_that_fails_is_told_after_a_second_try(machine: Path) -> None:
    """When apt-get fails, its lists are renewed once; then its words are the cause."""
    apt = machine / "bin" / "apt-get"
    apt.write_text(f"#!/bin/sh\necho $* >> {machine}/asked\necho E: no network >&2\nexit 100\n")
    with pytest.raises(OutsideError, match="E: no network"):
        packages.ensure(_need(machine), lambda _: None)
    assert [line.split()[0] for line in (machine / "asked").read_text().splitlines()] == [
        "install",
        "update",
        "install",
    ]
