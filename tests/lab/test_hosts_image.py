"""The golden image, and two hosts that start from it: a container, and one with its own kernel."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hardened import CITYDC, GATEWAYS, PARTS, VARIABLES, Site
from lab_helpers import wait_for

from citydc.configuring import PLAYBOOKS
from lab.hosts import machine
from lab.hosts.command import run
from lab.hosts.segment import Segment

pytestmark = pytest.mark.hosts

SHARED, OWNED = PARTS
LYNIS = 85
PATIENCE_S = 300  # for what a host that software emulates does beside other work
# Without the services', which are the same on every kernel.
HARDENING = ",".join(
    one["role"]
    for play in yaml.safe_load((PLAYBOOKS / "site.yml").read_text())
    for one in play.get("roles", ())
)
# What is a host's own: its message of the day, key, addresses, flows, and its database of files.
OF_ITS_OWN = [
    "base: Write the configuration",
    "certificate: Have a key and a request for its certificate",
    "certificate: Have the certificate",
    "firewall: Write the rules",
    "integrity: Take the files as they are, the first time",
    "ipv6: Write the addresses",
]
IDENTITIES = (
    "etc/ssh/ssh_host_*", "etc/hostname", "etc/resolv.conf", "home/*/.ssh", "root/.ssh",
    "etc/systemd/network/*", "var/lib/dbus/machine-id", "var/lib/aide/aide.db*", "var/log/*.log",
    "var/log/journal/*", "var/lib/systemd/random-seed", "var/lib/citydc/rollback/*",
)  # fmt: skip


def _build(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [CITYDC, "image", "build", "--json"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the image, built now or before."""
    return _build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, image: dict[str, Any]) -> Iterator[Site]:
    """Give a site with both hosts up."""
    with Segment(*GATEWAYS, outward=True) as segment:
        made = Site(tmp_path_factory.mktemp("site"), segment)
        made.start(Path(image["file"]), emulated=[OWNED])
        made.set_variables({**VARIABLES, "rollback_seconds": PATIENCE_S})
        yield made


def test_image_is_built_once_and_named_by_its_content(
    image: dict[str, Any], tmp_path: Path
) -> None:
    """A second build finds it; its name and checksum are those of the file."""
    again = _build(tmp_path)
    with Path(image["file"]).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    with Path(image["file"]).open("rb") as file:
        sha512 = hashlib.file_digest(file, "sha512").hexdigest()
    assert again == {**image, "built": False}
    assert image["name"] == f"debian-12-{sha256[:12]}"
    assert image["sha512"] == sha512


def test_image_is_nobody_s(image: dict[str, Any], tmp_path: Path) -> None:
    """It has no key, id, address, log or database that one host would share with others."""
    machine.mount_image(Path(image["file"]), tmp_path)
    try:
        found = [str(path) for one in IDENTITIES for path in tmp_path.glob(one)]
        number = (tmp_path / "etc/machine-id").read_text()
        kernels = list((tmp_path / "boot").glob("vmlinuz-*"))
    finally:
        run("umount", tmp_path)
    assert found == []
    assert number == ""
    assert len(kernels) == 1


def test_hosts_of_the_image_need_what_is_their_own_alone(site: Site) -> None:
    """Configuring changes a handful of tasks on the container; the second run changes nothing."""
    done = site.result("configure", "--tags", HARDENING)
    again = site.result("configure", "--tags", HARDENING)
    tasks = sorted(one["task"] for one in done["changes"] if one["host"] == SHARED)
    assert tasks == OF_ITS_OWN
    assert again["changes"] == []


def test_what_a_container_has_written_an_owned_kernel_has_applied(site: Site) -> None:
    """Every control passes on both; the evidence tells on which kind of host it was proved."""
    found = site.result("verify")
    evidence = json.loads(Path(site.folder, found["evidence"]).read_text())["records"]
    proofs = {
        name: {one["control"]: one["proof"] for one in evidence if one["host"] == name}
        for name in PARTS
    }
    kernels = {one["host"]: one["kernel"] for one in evidence}
    written = {control for control, proof in proofs[SHARED].items() if proof == "written"}
    assert found["failed"] == []
    assert kernels == {SHARED: "shared", OWNED: "owned"}
    assert len(written) >= 70
    assert {control: proofs[OWNED][control] for control in written} == dict.fromkeys(
        written, "applied"
    )
    assert set(proofs[OWNED].values()) == {"applied"}


def test_kernel_refuses_records_and_confines(site: Site) -> None:
    """Audit rules are locked and record, AppArmor enforces, a blocked module is not loaded."""
    status = dict(
        line.split(maxsplit=1) for line in _said(site, "auditctl -s").splitlines() if " " in line
    )
    profiles = json.loads(_said(site, "aa-status --json"))["profiles"]
    assert status["enabled"] == "2"
    assert int(status["pid"]) > 0
    assert "enforce" in profiles.values()
    assert set(profiles.values()) <= {"enforce", "unconfined"}
    assert site.ssh(OWNED, "sudo auditctl -D").returncode != 0
    assert site.ssh(OWNED, "sudo modprobe usb-storage").returncode != 0
    assert site.ssh(OWNED, "cp /bin/true /tmp/true && /tmp/true").returncode == 126
    site.ssh(OWNED, "sudo touch /etc/sudoers")
    # Without a terminal it would read its standard input.
    look = "ausearch --input-logs --interpret --file /etc/sudoers"
    wait_for(lambda: "/etc/sudoers" in _said(site, look), PATIENCE_S)


def _said(site: Site, command: str) -> str:
    done = site.ssh(OWNED, f"sudo {command}")
    return done.stdout


def test_outside_yardstick_is_met(site: Site) -> None:
    """Lynis's hardening index is 85 or more where the host owns its kernel."""
    site.ssh(OWNED, "sudo apt-get install -qq -y --no-install-recommends lynis")
    site.ssh(OWNED, "sudo lynis audit system --quick --quiet --no-colors")
    report = _said(site, "cat /var/log/lynis-report.dat").splitlines()
    (index,) = [one for one in report if one.startswith("hardening_index=")]
    left = [one for one in report if one.startswith(("warning", "suggestion"))]
    assert int(index.partition("=")[2]) >= LYNIS, "\n".join([index, *left])
