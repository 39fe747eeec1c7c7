"""Which releases of OpenStack are installed."""

import importlib.metadata

import pytest

from catalogue.errors import BadInputError
from lab.openstack import releases


def test_services_that_are_not_installed_are_told_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A production environment is without the lab's services."""

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(BadInputError, match="keystone is not installed") as caught:
        releases.of("keystone")
    assert "make setup" in caught.value.remedy
