"""Large payloads, results and files in S3: over HTTP, by Temporal's own driver."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from temporalio.client import Client

from activities.storage.content_storage import ContentStorage
from activities.temporal.data_converter import data_converter
from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.errors import ConfigurationInvalid
from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel
from agentkit.tools import Image, tool
from agentkit.tools.builtin.read_result import read_result_tool
from tests.bucket_server import BucketServer
from tests.workflows.conftest import TaskEnvironment

if TYPE_CHECKING:
    from activities.settings import Settings

READ_RESULT = read_result_tool()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20_000)


@tool(effect="pure")
def report(rows: int) -> str:
    return "".join(f"row {number:05d}\n" for number in range(rows))


@tool(effect="pure")
def draw() -> Image:
    return Image(PNG)


def in_bucket(env: TaskEnvironment) -> TaskEnvironment:
    """Return the environment with payloads in the bucket."""
    settings: Settings = env.settings.model_copy(update={"payload_storage": "s3://payloads/team/a"})
    return TaskEnvironment(Client(env.client.service_client, data_converter=data_converter(settings)), settings)


async def test_results_files_and_payloads_are_objects_below_the_prefix(
    env: TaskEnvironment, bucket: BucketServer
) -> None:
    stored = in_bucket(env)
    calls = [
        ToolCall(id="c0", name="report", arguments={"rows": 500_000}),
        ToolCall(id="c1", name="read_result", arguments={"call_id": "c0", "start": 4_194_300, "end": 4_194_310}),
        ToolCall(id="c2", name="draw", arguments={}),
    ]
    model = ScriptedModel([*calls, "o" * 50_000])
    async with stored.worker(model, report, READ_RESULT, draw):
        result, handle = await stored.run("i" * 50_000, stored.agent(report, READ_RESULT, draw))
        whole, part, _ = await stored.tool_results(handle)
    assert result.output == "o" * 50_000
    assert whole.whole is not None
    assert await ContentStorage(stored.client).read(whole.whole, 0, 20) == b"row 00000\nrow 00001\n"
    assert part.content.endswith(report(500_000)[4_194_300:4_194_310])
    assert all(path.startswith("/payloads/team/a/v0/ns/default/") for path in bucket.objects)
    assert sum(map(len, bucket.objects.values())) > 5_000_000
    assert not (stored.settings.data_dir / "payloads").exists()
    assert bucket.writes == len(bucket.objects), "equal payloads are sent once"


async def test_what_was_stored_in_a_directory_before_is_still_read(env: TaskEnvironment, bucket: BucketServer) -> None:
    model = ScriptedModel([ToolCall(id="c0", name="report", arguments={"rows": 50_000}), "o" * 50_000])
    async with env.worker(model, report):
        _, handle = await env.run("Go.", env.agent(report))
    later = in_bucket(env)
    async with later.worker(ScriptedModel([]), report):
        (whole,) = await later.tool_results(later.client.get_workflow_handle(handle.id))
    assert whole.whole is not None
    assert await ContentStorage(later.client).read(whole.whole) == report(50_000).encode()


async def test_a_bucket_that_refuses_requests_is_an_error_that_names_it_and_loses_no_outcome(
    env: TaskEnvironment, bucket: BucketServer
) -> None:
    stored = in_bucket(env)
    bucket.failing = True
    with pytest.raises(PayloadStorageFailed, match=r"A payload can't be stored in s3://payloads/team/a .*privileges"):
        await ContentStorage(stored.client).write("w", b"data", media_type="text/plain")
    model = ScriptedModel([ToolCall(id="c0", name="report", arguments={"rows": 50_000}), "done"])
    async with stored.worker(model, report):
        _, handle = await stored.run("Go.", stored.agent(report))
        (lost,) = await stored.tool_results(handle)
    assert "They are not kept (its storage can't be written)" in lost.content


def test_a_missing_extra_is_an_error_with_the_command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ConfigurationInvalid, match=r"pip install 'opspawn\[s3\]'"):
        data_converter(settings.model_copy(update={"payload_storage": "s3://payloads"}))
