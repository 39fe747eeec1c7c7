"""A scripted cloud for the tests of the resource types."""

from collections.abc import Iterator

import pytest
from scripted_cloud import ScriptedCloud

from lab.engine.cloud import Cloud


@pytest.fixture(scope="session")
def server() -> Iterator[ScriptedCloud]:
    """Give a server that answers from a script."""
    with ScriptedCloud().running() as running:
        yield running


@pytest.fixture(scope="session")
def connected(server: ScriptedCloud) -> Cloud:
    """Give a cloud of the server whose connection other clouds share."""
    return server.cloud()


@pytest.fixture
def cloud(server: ScriptedCloud, connected: Cloud) -> Cloud:
    """Give a cloud that knows nothing yet, without another login."""
    fresh = server.cloud()
    fresh._connection = connected.connection
    return fresh
