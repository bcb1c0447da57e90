from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload

from activities.settings import Settings
from activities.temporal.client import connect, data_converter, temporal_address
from agentkit.messages import Message, TextPart, ToolCall

MESSAGE = Message(
    role="assistant",
    parts=(TextPart(text="grüße"), ToolCall(id="c", name="look", arguments={"at": None, "of": [1.5, {"x": True}]})),
)


async def test_a_message_lies_in_history_as_the_very_json_that_its_digest_is_taken_over(tmp_path: Path) -> None:
    (payload,) = await data_converter(Settings(data_dir=tmp_path)).encode([MESSAGE])
    assert payload.data == MESSAGE.canonical_json()
    assert payload.metadata == {"encoding": b"json/plain"}


@pytest.mark.parametrize(
    "value", [MESSAGE, None, {"a": [1, None]}, "text", b"bytes"], ids=["record", "null", "json", "text", "bytes"]
)
async def test_values_come_back_as_they_went(tmp_path: Path, value: object) -> None:
    converter = data_converter(Settings(data_dir=tmp_path))
    assert await converter.decode(await converter.encode([value]), [type(value)]) == [value]


async def test_payloads_from_the_threshold_on_lie_in_files(tmp_path: Path) -> None:
    converter = data_converter(Settings(data_dir=tmp_path, payload_threshold_bytes=1000))
    small, large = await converter.encode(["x" * 500, "x" * 5000])
    assert (b"xxx" in small.data, b"xxx" in large.data) == (True, False)
    assert large.ByteSize() < 500
    assert len([path for path in (tmp_path / "payloads").rglob("*") if path.is_file()]) == 1
    assert await converter.decode([small, large]) == ["x" * 500, "x" * 5000]


async def test_a_damaged_payload_file_fails_the_read(tmp_path: Path) -> None:
    converter = data_converter(Settings(data_dir=tmp_path, payload_threshold_bytes=1000))
    payloads = await converter.encode(["x" * 5000])
    (file,) = (path for path in (tmp_path / "payloads").rglob("*") if path.is_file())
    file.write_bytes(Payload(data=b"something else").SerializeToString())
    with pytest.raises(ValueError, match="is damaged"):
        await converter.decode(payloads)


def test_the_embedded_server_is_where_temporal_is_unless_something_else_is_set() -> None:
    assert temporal_address(Settings(temporal_port=7300)) == "127.0.0.1:7300"


def test_temporals_own_environment_says_where_temporal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    assert temporal_address(Settings()) == "temporal.example:7233"


async def test_a_lazy_client_is_there_before_temporal_is(tmp_path: Path) -> None:
    client = await connect(Settings(data_dir=tmp_path, temporal_port=1), lazy=True)
    assert client.service_client.config.target_host == "127.0.0.1:1"


async def test_a_client_that_isnt_lazy_says_that_temporal_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        await connect(Settings(data_dir=tmp_path, temporal_port=1))
