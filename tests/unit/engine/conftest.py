"""Fixtures of the engine's tests."""

from pathlib import Path

import pytest
from engine_stack import Stack

from lab.engine import crypter


def pytest_configure(config: pytest.Config) -> None:
    """Let the provider's SDK warn of its own old names."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_openstack")


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the time of what protects from guessing and from power cuts."""
    monkeypatch.setattr(crypter, "_ITERATIONS", 10)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """Give an empty stack."""
    return Stack(tmp_path)
