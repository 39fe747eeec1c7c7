"""Sites, their secrets and the files these are in."""

import stat
from pathlib import Path

import pytest

from lab import files
from lab.openstack import credentials, ports, sites


def test_sites_have_ports_of_their_own(tmp_path: Path) -> None:
    """No two services of the lab share a port, and each site has its hundred."""
    both = sites.load(tmp_path, 23000)
    taken = [port for site in both for port in ports.services(site).values()]
    assert len(set(taken)) == len(taken)
    assert [site.port for site in both] == [23000, 23100]
    assert all(23000 <= port < 23200 for port in taken)


def test_image_mirror_is_at_offset_90(tmp_path: Path) -> None:
    """The mirror's port is part of the contract."""
    assert [site.port_of("mirror") for site in sites.load(tmp_path, 23000)] == [23090, 23190]


def test_endpoint_has_the_project_s_port_and_path(tmp_path: Path) -> None:
    """An endpoint is plain HTTP on loopback."""
    main, backup = sites.load(tmp_path, 23000)
    assert main.url("keystone") == "http://127.0.0.1:23000/v3"
    assert backup.url("nova") == "http://127.0.0.1:23104/v2.1"


def test_computes_are_spread_over_the_zones(tmp_path: Path) -> None:
    """Each zone has three hypervisors, so that three servers can be kept apart in it."""
    main, _ = sites.load(tmp_path, 23000)
    zones = [zone for _, zone in main.computes()]
    assert {zone: zones.count(zone) for zone in zones} == {"az1": 3, "az2": 3}
    assert len(dict(main.computes())) == 6


def test_external_prefixes_of_the_sites_differ(tmp_path: Path) -> None:
    """The sites' uplinks have nothing in common."""
    main, backup = sites.load(tmp_path, 23000)
    assert main.uplink == ("198.51.100.0/25", "2001:db8:ff00::/64")
    assert not set(main.uplink) & set(backup.uplink)


def test_credentials_are_random_and_stay(tmp_path: Path) -> None:
    """Two sites never share a secret, and a site keeps its own."""
    paths = tmp_path / "a.json", tmp_path / "b.json"
    for path in paths:
        credentials.make(path)
    first, second = map(credentials.Credentials.load, paths)
    credentials.make(paths[0])
    assert first.admin != second.admin
    assert first.barbican != second.barbican
    assert credentials.Credentials.load(paths[0]) == first


def test_credentials_show_no_secret_when_printed(tmp_path: Path) -> None:
    """Their representation has no value in it."""
    credentials.make(tmp_path / "a.json")
    made = credentials.Credentials.load(tmp_path / "a.json")
    assert made.admin not in repr(made)
    assert made.rndc not in repr(made)


def test_credentials_that_were_never_made_are_not_invented(tmp_path: Path) -> None:
    """Reading a site's secrets before they are made fails."""
    with pytest.raises(FileNotFoundError):
        _ = sites.load(tmp_path, 23000)[0].credentials


def test_file_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    """A file is 0600 in folders of 0700, and no draft is left."""
    path = tmp_path / "new" / "deep" / "file"
    files.write(path, "one")
    files.write(path, "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]
