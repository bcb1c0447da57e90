"""``opspawn dev`` for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.settings import Settings
from cli.temporal_server import find_temporal
from tests.integration.cli.dev_process import DevProcess
from tests.reserved_ports import reserve_port


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[DevProcess]:
    """Return one that the test starts."""
    dev = DevProcess(tmp_path / "work")
    yield dev
    dev.close()


@pytest.fixture(scope="module")
def running_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevProcess]:
    """Return one that runs, for tests that leave it running."""
    dev = DevProcess(tmp_path_factory.mktemp("dev"))
    dev.start()
    yield dev
    dev.close()


@pytest.fixture
async def bare_temporal() -> AsyncIterator[str]:
    """Start a Temporal server without our search attributes; return its address."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(find_temporal(Settings())), port=reserve_port()
    ) as environment:
        yield environment.client.service_client.config.target_host
