"""Tool results of any size: the model sees start and end, and reads on; the whole is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from activities.storage.content_storage import ContentStorage
from activities.temporal.payload_collector import PayloadCollector
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.tool_results import MAX_RESULT_CHARS
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import File, Image, tool
from agentkit.tools.builtin.read_result import read_result_tool
from tests.workflows.test_continue_as_new import histories_of_runs

if TYPE_CHECKING:
    from tests.workflows.conftest import Handle, TaskEnvironment

LINES = 400_000
LINE_BYTES = 100
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
READ_RESULT = read_result_tool()


def line(number: int) -> str:
    return f"line {number:06d} ".ljust(LINE_BYTES - 1, ".") + "\n"


@tool(effect="pure")
def report(lines: int) -> str:
    return "".join(line(number) for number in range(lines))


@tool(effect="pure")
def rows(count: int) -> list[int]:
    return list(range(count))


def read(call_id: str = "c0", **arguments: int | str) -> ToolCall:
    return ToolCall(
        id=f"r{len(str(arguments))}-{abs(hash(str(arguments)))}",
        name="read_result",
        arguments={"call_id": call_id, **arguments},
    )


async def payload_files(env: TaskEnvironment) -> list[Path]:
    return [path for path in (env.settings.data_dir / "payloads").rglob("*") if path.is_file()]


async def history_bytes(env: TaskEnvironment, handle: Handle) -> int:
    return sum(event.ByteSize() for event in await env.history(handle))


async def test_a_model_reads_ranges_of_a_result_of_40_mb_and_searches_it(env: TaskEnvironment) -> None:
    calls: list[ScriptedResponse] = [
        ToolCall(id="c0", name="report", arguments={"lines": LINES}),
        read(start=20_000_000, end=20_000_400),
        read(search="line 399123"),
        "done",
    ]
    async with env.worker(ScriptedModel(calls), report, READ_RESULT):
        _, handle = await env.run("Go.", env.agent(report, READ_RESULT))
        whole, part, place = await env.tool_results(handle)
    assert whole.whole is not None
    size = len(report(LINES).encode())
    assert whole.whole.size == size == 40_000_000
    assert len(whole.content) < MAX_RESULT_CHARS + 256
    assert whole.content.startswith(line(0) + line(1))
    assert whole.content.endswith(line(LINES - 2) + line(LINES - 1))
    note = re.search(r'read_result with call_id="c0" and start=(\d+)', whole.content)
    assert note is not None
    assert whole.content[: int(note[1])] == report(300)[: int(note[1])], "start is where the shown text ends"
    assert part.content == f"[Bytes 20000000 to 20000400 of {size}. Call again with start=20000400 to read on.]\n\n" + (
        report(LINES).encode()[20_000_000:20_000_400].decode()
    )
    assert "[1 places" in place.content
    assert "At 39912" in place.content
    assert line(399_123).strip() in place.content
    assert await history_bytes(env, handle) < 20_000, "the whole is not in history"


async def test_pages_of_a_result_add_up_to_it_whatever_its_characters_are(env: TaskEnvironment) -> None:
    text = "".join(f"{number} grüße 🎈 " for number in range(6_000))

    @tool(effect="pure")
    def greet() -> str:
        return text

    pages: list[str] = []

    async def script(request: ModelRequest) -> ScriptedResponse:
        result = request.messages[-1].parts[0]
        following = re.search(r"start=(\d+)", getattr(result, "content", ""))
        if request.messages[-1].role == "user":
            return ToolCall(id="c0", name="greet", arguments={})
        if len(request.messages) > 3:
            pages.append(result.content.partition("\n\n")[2])  # type: ignore[union-attr]
        start = 0 if len(request.messages) == 3 else int(following[1]) if following else None
        return "done" if start is None else read(start=start)

    async with env.worker(ScriptedModel(script), greet, READ_RESULT):
        await env.run("Go.", env.agent(greet, READ_RESULT))
    assert "".join(pages) == text


async def test_the_whole_of_a_json_value_is_kept_as_json(env: TaskEnvironment) -> None:
    model = ScriptedModel([ToolCall(id="c0", name="rows", arguments={"count": 500_000}), "done"])
    async with env.worker(model, rows):
        _, handle = await env.run("Go.", env.agent(rows))
        (result,) = await env.tool_results(handle)
    assert result.whole is not None
    assert result.whole.media_type == "application/json"
    assert json.loads(await ContentStorage(env.client).read(result.whole)) == list(range(500_000))
    assert "read_result" not in result.content, "the agent doesn't have the tool"
    assert "Call the tool again for less" in result.content


async def test_a_result_that_a_model_reads_completely_costs_nothing_more(env: TaskEnvironment) -> None:
    model = ScriptedModel([ToolCall(id="c0", name="rows", arguments={"count": 10}), "done"])
    async with env.worker(model, rows, READ_RESULT):
        _, handle = await env.run("Go.", env.agent(rows, READ_RESULT))
        (result,) = await env.tool_results(handle)
    completed = [e for e in await env.history(handle) if e.HasField("activity_task_completed_event_attributes")]
    payload = completed[1].activity_task_completed_event_attributes.result.payloads[0]
    assert (dict(payload.metadata), result.whole) == ({"encoding": b"json/plain"}, None)
    assert await payload_files(env) == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"call_id": "other"}, id="a call of another task, or none"),
        pytest.param({"call_id": "c0"}, id="a result that was not shortened"),
    ],
)
async def test_only_kept_results_of_the_task_itself_can_be_read(
    env: TaskEnvironment, arguments: dict[str, str]
) -> None:
    long = ScriptedModel([ToolCall(id="other", name="report", arguments={"lines": 1_000}), "done"])
    model = ScriptedModel(
        [
            ToolCall(id="c0", name="report", arguments={"lines": 1}),
            ToolCall(id="c1", name="read_result", arguments={**arguments}),
            "done",
        ]
    )
    async with env.worker(long, report, READ_RESULT):
        await env.run("Go.", env.agent(report, READ_RESULT))
    async with env.worker(model, report, READ_RESULT):
        _, handle = await env.run("Go.", env.agent(report, READ_RESULT))
        _, refused = await env.tool_results(handle)
    assert refused.is_error
    assert "No result is kept under call_id" in refused.content


async def test_kept_results_survive_continue_as_new_and_the_collector(short_history_env: TaskEnvironment) -> None:
    env = short_history_env

    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == 0:
            return ToolCall(id="c0", name="report", arguments={"lines": 2_000})
        if step < 20:
            return ToolCall(id=f"c{step}", name="rows", arguments={"count": step})
        if step == 20:
            assert await PayloadCollector(env.client, env.settings.data_dir / "payloads", min_age_s=0).collect() == 0
            return read(start=150_000, end=150_100)
        return "done"

    async with env.worker(ScriptedModel(script), report, rows, READ_RESULT):
        _, handle = await env.run("Go.", env.agent(report, rows, READ_RESULT))
        results = await env.tool_results(handle)
    assert len(await histories_of_runs(env, handle.id)) > 2
    assert results[-1].content.endswith(report(2_000)[150_000:150_100])


async def test_of_a_result_that_can_not_be_stored_the_bounded_text_is_returned_with_a_note(
    env: TaskEnvironment,
) -> None:
    (env.settings.data_dir / "payloads").write_text("in the way")
    sends: list[int] = []

    @tool(effect="irreversible", approval="never")
    def send(lines: int) -> str:
        sends.append(lines)
        return report(lines)

    calls: list[ScriptedResponse] = [
        ToolCall(id="c0", name="send", arguments={"lines": 1_000}),
        ToolCall(id="c1", name="send", arguments={"lines": 250}),
        "done",
    ]
    async with env.worker(ScriptedModel(calls), send, READ_RESULT):
        _, handle = await env.run("Go.", env.agent(send, READ_RESULT))
        lost, short = await env.tool_results(handle)
    assert sends == [1_000, 250]
    assert not lost.is_error
    assert lost.content.startswith(line(0))
    assert "They are not kept (its storage can't be written)" in lost.content
    assert lost.whole is None
    assert short.content == report(250), "stored in a file where that is possible, else in history"


async def test_the_same_long_result_again_and_again_is_still_a_loop(env: TaskEnvironment) -> None:
    async def script(request: ModelRequest) -> ScriptedResponse:
        return ToolCall(id=f"c{len(request.messages)}", name="report", arguments={"lines": 1_000})

    async with env.worker(ScriptedModel(script), report, READ_RESULT):
        handle = await env.start("Go.", env.agent(report, READ_RESULT))
        error, _ = await env.failure(handle)
    assert error.type == "LoopDetected"


async def test_a_model_is_shown_the_images_of_tools_and_the_transcript_refers_to_them(env: TaskEnvironment) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(50_000)

    @tool(effect="pure")
    def draw() -> list[object]:
        return ["a square", Image(png), File(b"%PDF", "application/pdf", "square.pdf")]

    model = ScriptedModel([ToolCall(id="c0", name="draw", arguments={}), "done"])
    async with env.worker(model, draw):
        _, handle = await env.run("Go.", env.agent(draw))
        (result,) = await env.tool_results(handle)
    (shown,) = model.requests[1].messages[-1].parts
    assert isinstance(shown, ToolResult)
    assert [(image.data, image.media_type) for image in shown.images] == [(png, "image/png")]
    assert result.content == (
        "a square\n[File 1: image/png, 50,008 bytes]\n[File 2: square.pdf, application/pdf, 4 bytes]"
    )
    assert result.images == (), "the transcript has no bytes of it"
    assert await history_bytes(env, handle) < 20_000


async def test_a_model_reads_text_files_of_tools(env: TaskEnvironment) -> None:
    @tool(effect="pure")
    def export() -> list[object]:
        return [File(PNG, "image/tiff"), File("name;länge\n".encode() * 3_000, "text/csv", "export.csv")]

    calls: list[ScriptedResponse] = [
        ToolCall(id="c0", name="export", arguments={}),
        read(file=2, start=12, end=24),
        read(file=1),
        "done",
    ]
    async with env.worker(ScriptedModel(calls), export, READ_RESULT):
        _, handle = await env.run("Go.", env.agent(export, READ_RESULT))
        files, part, refused = await env.tool_results(handle)
    assert files.content.splitlines() == [
        f"[File 1: image/tiff, {len(PNG)} bytes, not shown: models see PNG, JPEG, GIF and WebP images up to 3.75 MB]",
        '[File 2: export.csv, text/csv, 36,000 bytes; to read it, call read_result with call_id="c0" and file=2]',
    ]
    assert part.content.endswith("\n\nname;länge\n")
    assert refused.is_error
