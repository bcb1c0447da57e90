from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from agentkit.messages import Usage
from api.tasks.errors import PayloadUnavailable
from api.tasks.payload_decoding import decode_record
from workflows.task_types import TaskResult

RESULT = TaskResult(output="42", usage=Usage(), steps=1)


@pytest.fixture
def converter(tmp_path: Path) -> DataConverter:
    return data_converter(Settings(data_dir=tmp_path))


def json_payload(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


async def test_a_record_is_decoded(converter: DataConverter) -> None:
    assert await decode_record(converter, await converter.encode([RESULT]), TaskResult) == RESULT


@pytest.mark.parametrize(
    "payloads",
    [[], [json_payload(b'"text"')], [json_payload(b'{"steps": "many"}')], [json_payload(b"{}")] * 2],
    ids=["none", "text", "fields", "two"],
)
async def test_payloads_that_hold_something_else_are_no_record(
    converter: DataConverter, payloads: list[Payload]
) -> None:
    assert await decode_record(converter, payloads, TaskResult) is None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (json_payload(b'{"output": ' + b"[" * 230 + b"]" * 230 + b', "steps": 1}'), "recursion limit exceeded"),
        (json_payload(b"{"), "Invalid JSON"),
        (Payload(metadata={"encoding": b"binary/encrypted"}, data=b"secret"), "binary/encrypted"),
    ],
    ids=["too deep", "cut off", "encrypted"],
)
async def test_a_payload_that_can_not_be_read_is_an_error_with_the_reason_and_without_the_data(
    converter: DataConverter, payload: Payload, reason: str
) -> None:
    with pytest.raises(PayloadUnavailable, match=reason) as raised:
        await decode_record(converter, [payload], TaskResult)
    assert "secret" not in str(raised.value)
    assert "[[" not in str(raised.value)
