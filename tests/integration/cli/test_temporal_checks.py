"""Search attributes and workers of a Temporal server without any of Opspawn's."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client

from activities.settings import Settings
from cli.errors import CommandFailed, ServerUnreachable
from cli.temporal_checks import (
    connect_to_temporal,
    missing_search_attributes,
    register_search_attributes,
)
from tests.reserved_ports import refusing_port
from workflows.search_attributes import SEARCH_ATTRIBUTES

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def client(bare_temporal: str) -> Client:
    return await connect_to_temporal(Settings(), address=bare_temporal)


async def test_missing_search_attributes_are_registered_once(client: Client) -> None:
    names = sorted(key.name for key in SEARCH_ATTRIBUTES)
    assert sorted(await missing_search_attributes(client)) == names

    assert await register_search_attributes(client) == names

    assert await missing_search_attributes(client) == {}
    assert await register_search_attributes(client) == []


async def test_a_search_attribute_of_another_type_is_an_error(client: Client) -> None:
    wrong = {"OpspawnStatus": IndexedValueType.INDEXED_VALUE_TYPE_INT}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes=wrong)
    )

    with pytest.raises(CommandFailed, match=r"OpspawnStatus is registered as .*INT, but Opspawn needs .*KEYWORD"):
        await register_search_attributes(client)


async def test_a_missing_temporal_is_named_with_its_address() -> None:
    with refusing_port() as port, pytest.raises(ServerUnreachable, match=rf"127\.0\.0\.1:{port}.*opspawn dev"):
        await connect_to_temporal(Settings(temporal_port=port))
