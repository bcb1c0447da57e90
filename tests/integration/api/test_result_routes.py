"""The whole result of a tool call over REST: bytes, ranges, files, and problems that say what is missing."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx2

from agentkit.client import OpspawnClient
from agentkit.messages import ToolCall, user_message
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedResponse
from agentkit.tools import File, Image, tool
from agentkit.tools.builtin.ask_person import ask_person_tool
from tests.integration.api.conftest import WITHIN, ApiHarness
from tests.integration.api.watching import served
from workflows.task_types import TaskInput

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
SIZE = 9_000_000
WHOLE = "".join(f"{number:09d}\n" for number in range(SIZE // 10)).encode()
UNBLOCK = asyncio.Event()


@tool(effect="pure")
def dump() -> str:
    return WHOLE.decode()


@tool(effect="pure")
def chart() -> Image:
    return Image(PNG)


@tool(effect="pure")
def report() -> list[object]:
    return [{"pages": 2}, Image(PNG, name="plan.png"), File(b"%PDF-1.7 ...", "application/pdf", "übersicht.pdf")]


@tool(effect="pure", fast=True)
def add(left: int, right: int) -> int:
    return left + right


@tool(effect="pure")
def broken() -> str:
    raise ValueError("the disk is full")


@tool(effect="pure")
async def wait() -> str:
    await UNBLOCK.wait()
    return "through"


TOOLS = (dump, chart, report, add, broken, wait)


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(id=f"call/{name}", name=name, arguments=arguments)


async def started_task(harness: ApiHarness) -> str:
    """Start a task whose agent has all tools; return its id."""
    agent = AgentSpec(name="a", models=("demo:m",), planner="tools", tools=tuple(tool.spec for tool in TOOLS))
    task = TaskInput(agent=agent, message=user_message("Go."))
    queue, task_id = harness.settings.task_queue, f"task-{uuid.uuid4().hex}"
    await harness.temporal.start_workflow("AgentTask", task, id=task_id, task_queue=queue)
    return task_id


async def ended_task(harness: ApiHarness, *calls: ToolCall) -> str:
    """Run a task that makes these calls, one a step; return its id."""
    script: list[ScriptedResponse] = [*calls, "done"]
    async with harness.worker(script, *TOOLS):
        task_id = await started_task(harness)
        assert (await harness.task(task_id, wait=WITHIN))["status"] == "completed"
    return task_id


async def result_of(harness: ApiHarness, task_id: str, name: str, **options: Any) -> httpx2.Response:
    return await harness.http.get(f"/api/v1/tasks/{task_id}/tool-calls/call%2F{name}/result", **options)


async def test_the_whole_of_a_long_result_and_ranges_of_it_are_read_without_a_worker(harness: ApiHarness) -> None:
    task_id = await ended_task(harness, call("dump"))
    whole = await result_of(harness, task_id, "dump")
    assert (whole.status_code, whole.content == WHOLE) == (200, True)
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["content-length"] == str(SIZE)
    assert "sandbox" in whole.headers["content-security-policy"]

    part = await result_of(harness, task_id, "dump", params={"start": 4_194_300, "end": 4_194_310})
    assert (part.status_code, part.content) == (206, WHOLE[4_194_300:4_194_310]), "from two blocks"
    assert part.headers["content-range"] == f"bytes 4194300-4194309/{SIZE}"

    for header, expected in (
        ("bytes=0-9", WHOLE[:10]),
        ("bytes=-10", WHOLE[-10:]),
        (f"bytes={SIZE - 5}-", WHOLE[-5:]),
        ("bytes=0-9,20-29", WHOLE),
        ("pages=1-2", WHOLE),
    ):
        response = await result_of(harness, task_id, "dump", headers={"Range": header})
        assert response.content == expected, header

    outside = await result_of(harness, task_id, "dump", params={"start": SIZE})
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert outside.headers["content-type"] == "application/problem+json"


async def test_short_results_are_text_or_json_of_local_activities_too(harness: ApiHarness) -> None:
    task_id = await ended_task(harness, call("add", left=1, right=2))
    response = await result_of(harness, task_id, "add")
    assert (response.headers["content-type"], response.content) == ("application/json", b"3")


async def test_images_and_files_have_their_media_types_and_names(harness: ApiHarness) -> None:
    task_id = await ended_task(harness, call("chart"), call("report"))
    image = await result_of(harness, task_id, "chart")
    assert (image.headers["content-type"], image.content) == ("image/png", PNG)
    value = await result_of(harness, task_id, "report")
    assert (value.headers["content-type"], value.json()) == ("application/json", {"pages": 2})
    plan = await result_of(harness, task_id, "report", params={"file": 1})
    pdf = await result_of(harness, task_id, "report", params={"file": 2})
    assert (plan.headers["content-type"], plan.content) == ("image/png", PNG)
    assert (pdf.headers["content-type"], pdf.content) == ("application/pdf", b"%PDF-1.7 ...")
    assert "%C3%BCbersicht.pdf" in pdf.headers["content-disposition"]
    missing = await result_of(harness, task_id, "report", params={"file": 3})
    assert (missing.status_code, "returned 2 files" in missing.json()["detail"]) == (404, True)


async def test_transcript_and_events_describe_what_is_kept_but_not_where(harness: ApiHarness) -> None:
    async with harness.worker([call("report"), call("dump"), "done"], *TOOLS):
        task_id = await started_task(harness)
        await harness.task(task_id, wait=WITHIN)
        transcript = await harness.get(f"/tasks/{task_id}/transcript")
    results = [part for message in transcript["messages"] for part in message["parts"] if message["role"] == "tool"]
    assert [file["media_type"] for file in results[0]["files"]] == ["image/png", "application/pdf"]
    assert results[0]["content"].splitlines()[1:] == [
        "[File 1: plan.png, image/png, 264 bytes]",
        "[File 2: übersicht.pdf, application/pdf, 12 bytes]",
    ]
    assert results[1]["whole"]["size"] == SIZE
    assert "sha256" not in str(transcript)
    async with served(harness) as api, api.stream(f"/tasks/{task_id}/events") as stream:
        completed = [event.data["result"] async for event in stream if event.type == "tool.completed"]
    assert [result["content"] for result in completed] == [result["content"] for result in results]
    assert "sha256" not in str(completed)


async def test_a_call_without_a_result_is_a_problem_that_says_why(harness: ApiHarness) -> None:
    async with harness.worker([call("broken"), call("nothing"), call("wait"), "done"], *TOOLS):
        task_id = await started_task(harness)
        async with served(harness) as api, api.stream(f"/tasks/{task_id}/events") as stream:
            async for event in stream:
                if event.type == "tool.started" and event.data["call"]["name"] == "wait":
                    break
        responses = {name: await result_of(harness, task_id, name) for name in ("broken", "nothing", "wait", "other")}
        UNBLOCK.set()
        await harness.task(task_id, wait=WITHIN)
        assert (await result_of(harness, task_id, "wait")).text == "through"
    problems = {name: (response.status_code, response.json()["type"]) for name, response in responses.items()}
    assert problems == {
        "broken": (409, "urn:opspawn:problem:tool-call-failed"),
        "nothing": (409, "urn:opspawn:problem:tool-call-failed"),
        "wait": (409, "urn:opspawn:problem:tool-call-unfinished"),
        "other": (404, "urn:opspawn:problem:tool-call-not-found"),
    }
    assert "the disk is full" in responses["broken"].json()["detail"]
    assert (await result_of(harness, "no-such-task", "add")).json()["type"] == "urn:opspawn:problem:task-not-found"


async def test_a_stored_result_that_is_gone_is_a_problem_with_its_place(harness: ApiHarness) -> None:
    task_id = await ended_task(harness, call("dump"))
    for path in (harness.settings.data_dir / "payloads").rglob("*"):
        if path.is_file() and path.stat().st_size > 1_000_000:
            path.unlink()
    response = await result_of(harness, task_id, "dump")
    assert (response.status_code, response.json()["type"]) == (503, "urn:opspawn:problem:payload-unavailable")
    assert str(harness.settings.data_dir) in response.json()["detail"]


async def test_the_client_streams_a_result(harness: ApiHarness) -> None:
    task_id = await ended_task(harness, call("dump"))
    async with served(harness) as api:
        client = OpspawnClient(api.url)
        async with client.result(task_id, "call/dump", start=10) as blocks:
            received = [block async for block in blocks]
        await client.aclose()
    assert len(received) > 1
    assert b"".join(received) == WHOLE[10:]


async def test_the_answer_of_a_person_is_the_result_of_the_call_that_asked(harness: ApiHarness) -> None:
    ask = ask_person_tool()
    asking = ToolCall(id="call/ask", name="ask_person", arguments={"question": "Which colour?"})
    async with harness.worker([asking, "done"], ask):
        agent = AgentSpec(name="a", models=("demo:m",), planner="tools", tools=(ask.spec,))
        task = TaskInput(agent=agent, message=user_message("Go."))
        queue, task_id = harness.settings.task_queue, f"task-{uuid.uuid4().hex}"
        handle = await harness.temporal.start_workflow("AgentTask", task, id=task_id, task_queue=queue)
        while not (await harness.task(task_id))["input_requests"]:
            pass
        await handle.signal("answer_input", {"input_request_id": "input_1", "decision": "answer", "answer": "red"})
        assert (await harness.task(task_id, wait=WITHIN))["status"] == "completed"
    result = await result_of(harness, task_id, "ask")
    assert (result.status_code, result.text) == (200, "red")
