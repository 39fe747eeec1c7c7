"""What `make demo` works on."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from citydc import project
from lab import demo


def test_demo_keeps_to_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clouds, credentials and states of the user's shell are none of the demo's business."""
    monkeypatch.setattr(os, "environ", {
        "PATH": "/bin",
        "OS_AUTH_URL": "https://production/v3",
        "OS_CLIENT_CONFIG_FILE": "/production.yaml",
        "PULUMI_BACKEND_URL": "s3://production",
        "CITYDC_LAB_HOME": str(tmp_path / "lab"),
    })  # fmt: skip
    demo.keep_to_the_lab(project.Project(tmp_path))
    assert os.environ == {
        "PATH": "/bin",
        "CITYDC_LAB_HOME": str(tmp_path / "lab"),
        "OS_CLIENT_CONFIG_FILE": str(tmp_path / "lab" / "clouds.yaml"),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / ".state" / "lab-passphrase"),
    }


class _Steps(demo.Steps):
    """Steps that are noted, and fail if told so."""

    failing = ""

    def run(self, steps: Mapping[str, Sequence[str]]) -> None:
        for words in steps.values():
            self.seconds[" ".join(words)] = 0
            if words[0] == self.failing:
                raise demo.StepError(1)


def test_hosts_are_configured_again_only_for_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has been configured and still holds is verified alone; after a failure it is no more."""
    (tmp_path / ".state" / "hosts").mkdir(parents=True)
    monkeypatch.setattr(demo, "_fingerprint", lambda _: "these playbooks and hosts")
    monkeypatch.setattr("lab.deployed.outputs", lambda _: {})

    def verbs(failing: str = "") -> list[str]:
        steps = _Steps(project.Project(tmp_path))
        steps.failing = failing
        with contextlib.suppress(demo.StepError):
            demo._hosts(steps.place, steps)
        return [step.split()[0] for step in steps.seconds]

    assert verbs() == ["configure", "configure", "verify", "verify"]
    assert verbs("verify") == ["verify"]
    assert verbs("configure") == ["configure"]
    assert verbs() == ["configure", "configure", "verify", "verify"]
    monkeypatch.setattr(demo, "_fingerprint", lambda _: "a host more")
    assert verbs() == ["configure", "configure", "verify", "verify"]
    assert verbs() == ["verify", "verify"]
