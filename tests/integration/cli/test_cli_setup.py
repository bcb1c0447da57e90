"""``opspawn setup`` on a Temporal that knows nothing of Opspawn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client

from activities.settings import Settings
from cli.errors import CommandFailed, ServerUnreachable
from cli.temporal_checks import missing_search_attributes, polling_workers, reach, register_search_attributes
from cli.temporal_server import find_temporal
from tests.integration.cli.dev_process import free_ports
from workflows.search_attributes import SEARCH_ATTRIBUTES

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Return a client of a bare Temporal of the test's own."""
    (port,) = free_ports(1)
    binary = str(find_temporal(Settings()))
    command = [binary, "server", "start-dev", "--headless", "--port", str(port), "--log-level", "never"]
    server = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield await _reached(Settings(temporal_port=port))
    finally:
        server.kill()
        await server.wait()


async def _reached(settings: Settings) -> Client:
    for _ in range(100):
        with suppress(ServerUnreachable):
            return await reach(settings)
        await asyncio.sleep(0.1)
    return await reach(settings)


async def test_what_is_missing_is_registered_once(client: Client) -> None:
    names = sorted(key.name for key in SEARCH_ATTRIBUTES)
    assert sorted(await missing_search_attributes(client)) == names

    assert await register_search_attributes(client) == names

    assert await missing_search_attributes(client) == {}
    assert await register_search_attributes(client) == []


async def test_another_type_under_our_name_is_told(client: Client) -> None:
    wrong = {"OpspawnStatus": IndexedValueType.INDEXED_VALUE_TYPE_INT}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes=wrong)
    )

    with pytest.raises(CommandFailed, match=r"OpspawnStatus is registered as .*INT, but Opspawn needs .*KEYWORD"):
        await register_search_attributes(client)


async def test_a_queue_without_workers_has_none(client: Client) -> None:
    assert await polling_workers(client, "nobody-here") == []


async def test_a_temporal_that_is_not_there_is_named() -> None:
    (port,) = free_ports(1)

    with pytest.raises(ServerUnreachable, match=rf"127\.0\.0\.1:{port}.*opspawn dev"):
        await reach(Settings(temporal_port=port))
