"""What can go wrong with a stack: one clear error, its exit code, and nothing is lost."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import city as cities
import pytest
import yaml
from city import CITYDC, City
from lab_helpers import wait_for

BAD_INPUT, OUTSIDE = 2, 3
PROGRAM = """
import openstack.config
import pulumi
import pulumi_openstack as osp

config = pulumi.Config()
auth = openstack.config.OpenStackConfig().get_one(cloud="main").config["auth"]
here = pulumi.ResourceOptions(provider=osp.Provider(
    "site", auth_url=auth["auth_url"], user_name=auth["username"], tenant_name="admin",
    password=pulumi.Output.secret(auth["password"]), user_domain_name="Default",
    project_domain_name="Default", region="main"))
net = osp.networking.Network("net", name="failures", opts=here)
sub = osp.networking.Subnet(
    "sub", name="failures", network_id=net.id, ip_version=4, cidr="10.9.0.0/24", opts=here)
image = osp.images.Image(
    "image", name="failures", container_format="bare", disk_format="raw", web_download=True,
    image_source_url=config.require("image"), opts=here)
flavor = osp.compute.Flavor(
    "flavor", name="failures", ram=config.require_int("ram"), vcpus=1, disk=1, opts=here)
osp.compute.Instance(
    "server", name="failures", flavor_id=flavor.id, image_id=image.id,
    networks=[{"uuid": net.id}], opts=pulumi.ResourceOptions(
        provider=here.provider, depends_on=[sub]))
"""


@pytest.fixture
def city(lab: Any, tmp_path: Path) -> Any:
    """Give a project whose program makes one server; what it deployed is removed in the end."""
    made = cities.make(tmp_path / "project", lab.clouds_file)
    about = yaml.safe_load((made.folder / "Pulumi.yaml").read_text())
    (made.folder / "Pulumi.yaml").write_text(yaml.safe_dump({**about, "main": "program"}))
    (made.folder / "program").mkdir()
    (made.folder / "program" / "__main__.py").write_text(PROGRAM)
    _configure(made, ram=64)
    yield made
    _configure(made, ram=64)
    assert made.run("destroy", "main", "--yes").returncode == 0


def _configure(city: City, ram: int) -> None:
    config = {
        "citydc:catalogue": "catalogue",
        "citydc:ram": ram,
        "citydc:image": f"http://127.0.0.1:{city.port + 90}/debian-12.raw",
    }
    city.folder.joinpath("Pulumi.main.yaml").write_text(yaml.safe_dump({"config": config}))


def _state(city: City) -> Path:
    return city.state / ".pulumi" / "stacks" / "citydc" / "main.json"


def _fails(city: City, code: int, *arguments: str, **variables: str) -> str:
    """Run the command, which fails with that code and one error; return what it says of it."""
    done = city.run(*arguments, **variables)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


def _clouds(city: City, file: Path, **auth: str) -> str:
    """Write a clouds.yaml like the lab's, with something wrong in it."""
    clouds = yaml.safe_load(city.clouds_file.read_text())
    clouds["clouds"]["main"]["auth"].update(auth)
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(clouds))
    return str(file)


def test_wrong_password_is_told_once(city: City, tmp_path: Path) -> None:
    """Keystone's refusal is one error, though every resource would have met it."""
    file = _clouds(city, tmp_path / "clouds.yaml", password="wrong")
    said = _fails(city, BAD_INPUT, "deploy", "main", "--yes", OS_CLIENT_CONFIG_FILE=file)
    assert "refuses the credentials" in said


def test_unreachable_endpoint_is_told_once(city: City, tmp_path: Path) -> None:
    """The error names the address; nothing listens on port 9 of loopback."""
    file = _clouds(city, tmp_path / "clouds.yaml", auth_url="http://127.0.0.1:9/v3")
    said = _fails(city, OUTSIDE, "deploy", "main", "--yes", OS_CLIENT_CONFIG_FILE=file)
    assert "127.0.0.1:9" in said


def test_quota_met_is_told_and_the_next_deploy_completes(city: City, lab: Any) -> None:
    """The error names server and quota; what was made stays, the rest follows later."""
    with lab.cloud("main") as cloud:
        project = cloud.current_project_id
        cloud.set_compute_quotas(project, cores=0)
        try:
            said = _fails(city, OUTSIDE, "deploy", "main", "--yes")
        finally:
            cloud.delete_compute_quotas(project)
    assert "::server" in said
    assert "quota" in said.lower()
    assert "req-" in said
    assert city.result("deploy", "main", "--yes")["changes"]["create"] == 1


def test_no_valid_host_is_told_and_the_server_is_made_anew(city: City) -> None:
    """No compute has so much memory; with a smaller flavor the broken server is replaced."""
    _configure(city, ram=1 << 30)
    assert "valid host" in _fails(city, OUTSIDE, "deploy", "main", "--yes").lower()
    _configure(city, ram=64)
    assert city.result("deploy", "main", "--yes")["changes"]["same"] > 3
    assert not city.result("preview", "main")["resources"]


def test_missing_passphrase_is_bad_input(city: City) -> None:
    """The remedy names the variable."""
    environment = city.environment
    del environment["PULUMI_CONFIG_PASSPHRASE"]
    done = subprocess.run(
        [CITYDC, "deploy", "main", "--yes"],
        cwd=city.folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == BAD_INPUT
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" in done.stderr


def test_trouble_with_the_state_loses_nothing(city: City) -> None:
    """A wrong passphrase, a state in use, a damaged state: told, and the file stays as it is."""
    city.result("deploy", "main", "--yes")
    whole = _state(city).read_bytes()
    said = _fails(city, BAD_INPUT, "deploy", "main", "--yes", PULUMI_CONFIG_PASSPHRASE="wrong")
    assert "passphrase" in said
    said = _in_use(city)
    assert "locked by another run" in said
    whole = _state(city).read_bytes()
    damaged = whole[: len(whole) // 2]
    _state(city).write_bytes(damaged)
    said = _fails(city, BAD_INPUT, "deploy", "main", "--yes")
    assert str(_state(city)) in said
    assert _state(city).read_bytes() == damaged
    _state(city).write_bytes(whole)
    assert not city.result("deploy", "main", "--yes")["resources"]


def _in_use(city: City) -> str:
    """Return what a deploy says while another one, which is held up, has the stack's lock."""
    other = subprocess.Popen(
        [CITYDC, "deploy", "main", "--yes"],
        cwd=city.folder, env=city.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    locks = city.state / ".pulumi" / "locks"
    wait_for(lambda: [one for one in locks.rglob("*.json") if one.stat().st_size])
    os.kill(other.pid, signal.SIGSTOP)
    try:
        before = _state(city).read_bytes()
        said = _fails(city, OUTSIDE, "deploy", "main", "--yes")
        assert _state(city).read_bytes() == before
        return said
    finally:
        os.kill(other.pid, signal.SIGCONT)
        assert other.wait(timeout=60) == 0


def test_unknown_site_and_unsound_catalogue_are_bad_input(city: City) -> None:
    """The remedy names the sites; a typo in a file is told with its place."""
    assert "main" in _fails(city, BAD_INPUT, "preview", "mian")
    file = city.folder / "catalogue" / "services" / "lgsp.yaml"
    sound = file.read_text()
    file.write_text(sound.replace("security_level: 3", "security_levle: 3"))
    said = _fails(city, BAD_INPUT, "deploy", "main", "--yes")
    file.write_text(sound)
    assert "lgsp.yaml:" in said
    assert 'did you mean "security_level"?' in said
