from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.messages import Message, TextPart, ToolCall

MESSAGE = Message(
    role="assistant",
    parts=(TextPart(text="grüße"), ToolCall(id="c", name="look", arguments={"at": None, "of": [1.5, {"x": True}]})),
)


async def test_the_payload_of_a_message_is_its_canonical_json(tmp_path: Path) -> None:
    (payload,) = await data_converter(Settings(data_dir=tmp_path)).encode([MESSAGE])
    assert payload.data == MESSAGE.canonical_json()
    assert payload.metadata == {"encoding": b"json/plain"}


@pytest.mark.parametrize(
    "value", [MESSAGE, None, {"a": [1, None]}, "text", b"bytes"], ids=["record", "null", "json", "text", "bytes"]
)
async def test_decoding_returns_the_encoded_value(tmp_path: Path, value: object) -> None:
    converter = data_converter(Settings(data_dir=tmp_path))
    assert await converter.decode(await converter.encode([value]), [type(value)]) == [value]


async def test_payloads_over_the_threshold_are_stored_in_files(tmp_path: Path) -> None:
    converter = data_converter(Settings(data_dir=tmp_path, payload_threshold_bytes=1000))
    small, large = await converter.encode(["x" * 500, "x" * 5000])
    assert (b"xxx" in small.data, b"xxx" in large.data) == (True, False)
    assert large.ByteSize() < 500
    assert len([path for path in (tmp_path / "payloads").rglob("*") if path.is_file()]) == 1
    assert await converter.decode([small, large]) == ["x" * 500, "x" * 5000]


async def test_decoding_a_reference_to_a_changed_file_is_an_error(tmp_path: Path) -> None:
    converter = data_converter(Settings(data_dir=tmp_path, payload_threshold_bytes=1000))
    payloads = await converter.encode(["x" * 5000])
    (file,) = (path for path in (tmp_path / "payloads").rglob("*") if path.is_file())
    file.write_bytes(Payload(data=b"something else").SerializeToString())
    with pytest.raises(PayloadStorageFailed, match="is damaged"):
        await converter.decode(payloads)
