"""One real Temporal server for the integration tests of a process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from cli.temporal_server import DYNAMIC_CONFIG
from tests.reserved_ports import reserve_port
from workflows.search_attributes import SEARCH_ATTRIBUTES

_TEMPORAL = Path(sys.executable).parent / "temporal"


@pytest.fixture(scope="session")
def temporal_port() -> Iterator[int]:
    """Return the port of a Temporal server that all tests of the process share, with their tasks."""
    with running_temporal() as port:
        yield port


_CONFIG = (*DYNAMIC_CONFIG, 'history.transferProcessorUpdateAckInterval="1s"')
"""Ended workflows that are deleted are gone after a second; by default after half a minute."""


@contextmanager
def running_temporal() -> Iterator[int]:
    """Run a dev server with our search attributes, outside the tests' event loops; yield its port."""
    with asyncio.Runner() as runner:
        environment = runner.run(
            WorkflowEnvironment.start_local(
                port=reserve_port(),
                dev_server_existing_path=str(_TEMPORAL),
                search_attributes=SEARCH_ATTRIBUTES,
                dev_server_extra_args=[part for value in _CONFIG for part in ("--dynamic-config-value", value)],
            )
        )
        yield int(environment.client.service_client.config.target_host.rpartition(":")[2])
        runner.run(environment.shutdown())
