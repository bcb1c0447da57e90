"""Search attributes of a Temporal server whose database an earlier release has made."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest

from activities.settings import Settings
from cli.dev.attribute_registration import registering_search_attributes
from cli.dev.child_process import ChildSpec
from cli.dev.dev_plan import DevPlan
from cli.dev.log_view import LogView
from cli.temporal_checks import connect_to_temporal, missing_search_attributes
from tests.polling import eventually, eventually_found

pytestmark = pytest.mark.acceptance


def plan(address: str) -> DevPlan:
    child = ChildSpec("temporal", (), {}, lambda _: True, grace_s=1.0)
    return DevPlan(child, (), child, "http://127.0.0.1", {}, temporal_address=address)


async def test_missing_ones_are_registered_when_opspawn_dev_starts(bare_temporal: str) -> None:
    client = await connect_to_temporal(Settings(), address=bare_temporal)
    assert await missing_search_attributes(client)

    async def nothing_is_missing() -> bool:
        return not await missing_search_attributes(client)

    async with registering_search_attributes(Settings(), plan(bare_temporal), LogView(Console(), lambda: None)):
        await eventually_found(nothing_is_missing)


async def test_one_of_another_type_is_named(bare_temporal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.dev.attribute_registration._MAX_REFUSED_S", 0)
    client = await connect_to_temporal(Settings(), address=bare_temporal)
    wrong = {"OpspawnStatus": IndexedValueType.INDEXED_VALUE_TYPE_INT}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes=wrong)
    )
    shown = io.StringIO()
    view = LogView(Console(file=shown), lambda: None)
    async with registering_search_attributes(Settings(), plan(bare_temporal), view):
        await eventually(lambda: "OpspawnStatus is registered as" in shown.getvalue())
