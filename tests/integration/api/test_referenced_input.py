"""Prompts and resources of MCP servers as input: with real workers, whose servers are in memory."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from activities.temporal.payload_collector import PayloadCollector
from activities.temporal.payload_storage import NO_OWNER
from agentkit.client import PromptReference
from tests.integration.api.conftest import ApiHarness
from tests.integration.api.mcp_workers import CRASHED, problem, scripted, serving


async def test_a_prompt_is_the_input_with_its_arguments_filled_in(harness: ApiHarness) -> None:
    prompt = {"prompt": "notes/review", "arguments": {"change": "17", "tone": "kind"}}
    async with serving(harness):
        task = await harness.task(await harness.submit(input=prompt), wait=20)
    assert (task["status"], task["input"]) == ("completed", "Review 17 in kind words.")
    assert task["title"] == "Review 17 in kind words."


async def test_resources_take_the_place_of_their_parts(harness: ApiHarness) -> None:
    parts = [
        {"type": "text", "text": "Read this:"},
        {"type": "resource", "uri": "file:///plan.md", "server": "notes"},
        {"type": "text", "text": "That was it."},
    ]
    async with serving(harness):
        task = await harness.task(await harness.submit(input=parts), wait=20)
    assert [part["text"] for part in task["input"]] == ["Read this:", "First this.", "That was it."]


@pytest.mark.parametrize(
    ("input_", "pointer", "text"),
    [
        ({"prompt": "note/review"}, "#/input/prompt", "Did you mean 'notes'?"),
        ({"prompt": "notes/reviews"}, "#/input/prompt", "Did you mean 'review'?"),
        ({"prompt": "notes/empty"}, "#/input/prompt", "is empty"),
        ({"prompt": "notes/review", "arguments": {"change": "1"}}, "#/input/arguments", "needs the argument 'tone'"),
        (
            {"prompt": "notes/review", "arguments": {"chance": "1"}},
            "#/input/arguments/chance",
            "Did you mean 'change'?",
        ),
        (
            [{"type": "text", "text": "a"}, {"type": "resource", "uri": "a:b", "server": "notes"}],
            "#/input/1/uri",
            "a:b",
        ),
        ([{"type": "resource", "uri": "a:b", "server": "x"}], "#/input/0/server", "no MCP server 'x'"),
        ([{"type": "resource", "uri": "file:///large", "server": "notes"}], "#/input/0/uri", "1048576 bytes"),
    ],
    ids=["server of a prompt", "prompt", "empty", "missing", "unknown", "resource", "server", "size"],
)
async def test_a_reference_that_is_wrong_names_its_field(
    harness: ApiHarness, input_: object, pointer: str, text: str
) -> None:
    async with serving(harness):
        document = problem(await harness.post(input=input_), 422, "task-refused")
    assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert text in document["detail"]


async def test_a_long_resource_is_read_and_what_the_worker_stored_for_that_is_deleted_later(
    harness: ApiHarness,
) -> None:
    async with serving(harness):
        task_id = await harness.submit(input=[{"type": "resource", "uri": "file:///long", "server": "notes"}])
        task = await harness.task(task_id, wait=20)
    assert task["input"] == "y" * 500_000
    payloads = harness.settings.data_dir / "payloads"
    assert len([*(payloads / NO_OWNER).iterdir()]) == 1
    await PayloadCollector(harness.temporal, payloads, min_age_s=3600, pause_s=0).collect()
    assert len([*(payloads / NO_OWNER).iterdir()]) == 1, "its reader may need it"
    await PayloadCollector(harness.temporal, payloads, min_age_s=0, pause_s=0).collect()
    assert [*(payloads / NO_OWNER).iterdir()] == []
    assert (await harness.task(task_id))["input"] == "y" * 500_000


async def test_a_server_that_fails_starts_no_task(harness: ApiHarness) -> None:
    async with serving(harness):
        response = await harness.post(input={"prompt": "down/review"})
    assert problem(response, 502, "mcp-server-failed")["detail"] == str(CRASHED)


async def test_the_same_key_gives_the_first_task_also_while_the_server_is_down(harness: ApiHarness) -> None:
    servers = scripted()
    body: Mapping[str, object] = {
        "agent": "assistant",
        "input": {"prompt": "notes/review", "arguments": {"change": "17", "tone": "kind"}},
    }
    async with serving(harness, servers):
        first = await harness.http.post("/api/v1/tasks", json=body, headers={"Idempotency-Key": "k"})
        servers.servers["notes"].problem = CRASHED
        again = await harness.http.post("/api/v1/tasks", json=body, headers={"Idempotency-Key": "k"})
        other = await harness.http.post(
            "/api/v1/tasks", json={**body, "input": {"prompt": "notes/empty"}}, headers={"Idempotency-Key": "k"}
        )
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    problem(other, 409, "idempotency-conflict")


async def test_a_fork_takes_a_prompt_too(harness: ApiHarness) -> None:
    async with serving(harness):
        task_id = await harness.submit()
        await harness.task(task_id, wait=20)
        prompt = PromptReference(prompt="notes/review", arguments={"change": "17", "tone": "kind"})
        body = {"from_step": 0, "input": prompt.model_dump()}
        fork = await harness.http.post(f"/api/v1/tasks/{task_id}/fork", json=body)
    assert fork.status_code == 201, fork.text
    assert fork.json()["input"][-1]["text"] == "Review 17 in kind words."
