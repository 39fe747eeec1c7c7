"""What `make demo` works on."""

import os
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
