"""What a golden image is made from, and how a stack takes it."""

from pathlib import Path

import pytest
import yaml

from catalogue.errors import BadInputError, OutsideError
from citydc import imaging, pinning
from lab.hosts import images, tree

IMAGE = images.Image("debian-12-0123456789ab", Path("image.raw"), 1, "5a" * 64, "inputs", 0.0)


@pytest.fixture
def stack_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the stack file of a project folder that is the current one."""
    (tmp_path / "Pulumi.yaml").write_text("name: citydc\n")
    file = tmp_path / "Pulumi.main.yaml"
    file.write_text("encryptionsalt: v1:salt\nconfig:\n  citydc:profile: lab\n")
    monkeypatch.chdir(tmp_path)
    return file


def test_stack_takes_the_image_from_where_its_sites_images_lie(stack_file: Path) -> None:
    """The rest of its configuration stays; the newer image takes the older one's place."""
    stack = pinning.Stack("main")
    stack.take(IMAGE._replace(name="debian-12-ba9876543210"))
    stack.take(IMAGE)
    pin = {
        "source": "http://127.0.0.1:23090/debian-12-0123456789ab.raw",
        "sha512": IMAGE.sha512,
    }
    assert yaml.safe_load(stack_file.read_text()) == {
        "encryptionsalt": "v1:salt",
        "config": {"citydc:profile": "lab", "citydc:images": {"debian-12": pin}},
    }


def test_unknown_site_is_refused(stack_file: Path) -> None:
    """Before anything is built."""
    before = stack_file.read_text()
    with pytest.raises(BadInputError, match='no stack "mian"'):
        pinning.Stack("mian")
    assert stack_file.read_text() == before


def test_inputs_are_the_playbooks_the_tree_and_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of any makes another image; one of a README does not."""
    for name in imaging.PLAYED:
        (tmp_path / name).mkdir()
    role = tmp_path / "roles" / "main.yml"
    role.write_text("- one")
    monkeypatch.setattr(imaging, "PLAYBOOKS", tmp_path)
    found = [imaging.digest()]
    (tmp_path / "roles" / "README.md").write_text("words")
    assert imaging.digest() == found[0]
    role.write_text("- two")
    found.append(imaging.digest())
    monkeypatch.setattr(imaging, "KERNEL", ("another",))
    found.append(imaging.digest())
    monkeypatch.setattr(tree, "digest", lambda: "another")
    found.append(imaging.digest())
    assert len(set(found)) == 4


def test_image_s_host_lets_in_ssh_alone() -> None:
    """What a new host lets in before it is configured is what configures it."""
    (host,) = imaging.inventory("ssh", [])["all"]["hosts"].values()
    into = [one for one in host["citydc_flows"] if one["direction"] == "ingress"]
    assert [(one["protocol"], one["port"]) for one in into] == [("tcp", 22)]


def test_image_that_is_built_is_found_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not built needs it, and says so."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(images, "find", lambda _: IMAGE)
    silent = (lambda _: None, lambda _host, _task: None)
    assert imaging.build(*silent) == (IMAGE, False)
    monkeypatch.setattr(images, "find", lambda _: None)
    with pytest.raises(OutsideError, match="root"):
        imaging.build(*silent)


def test_packages_of_services_are_known() -> None:
    """They are those that the roles name."""
    assert {"haproxy", "bind9", "pgbackrest"} <= imaging.service_packages()
