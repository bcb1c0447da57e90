"""The client's calls against a scripted API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from agentkit.client import ApiUnreachable, OpspawnClient, PromptReference, RequestRefused, ResourceReference
from agentkit.messages import ImagePart, TextPart
from tests.reserved_ports import refusing_port
from tests.unit.scripted_api import (
    EVENTS,
    ScriptedApi,
    ScriptedResponse,
    final_event,
    input_request,
    problem,
    stream,
    task,
)

DROPPED_CONNECTION = ScriptedResponse(0, None)


@pytest.fixture
async def client(api: ScriptedApi) -> AsyncIterator[OpspawnClient]:
    async with OpspawnClient(api.url, reconnect_timeout=10) as client:
        yield client


async def test_only_given_fields_are_submitted(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", "/tasks", ScriptedResponse(201, task()))

    await client.create("assistant", "Hello")

    assert api.requests[0].body == {"agent": "assistant", "input": "Hello"}


async def test_all_fields_are_submitted_as_json(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", "/tasks", ScriptedResponse(201, task()))

    await client.create(
        input=[TextPart(text="Look."), ImagePart(url="https://images.example/pixel.png")],
        agent_spec={"name": "inline"},
        model="demo:demo",
        output_schema={"type": "object"},
        limits={"max_steps": 5},
        tags=["a"],
        metadata={"k": "v"},
        user="ada",
        start_at=datetime(2026, 11, 21, tzinfo=UTC),
        idempotency_key="key-1",
    )

    assert api.requests[0].headers["idempotency-key"] == "key-1"
    assert api.requests[0].body == {
        "input": [{"type": "text", "text": "Look."}, {"type": "image", "url": "https://images.example/pixel.png"}],
        "agent_spec": {"name": "inline"},
        "model": "demo:demo",
        "output_schema": {"type": "object"},
        "limits": {"max_steps": 5},
        "tags": ["a"],
        "metadata": {"k": "v"},
        "user": "ada",
        "start_at": "2026-11-21T00:00:00+00:00",
    }


async def test_a_submission_that_may_have_arrived_is_repeated_with_the_same_key(
    api: ScriptedApi, client: OpspawnClient
) -> None:
    api.on("POST", "/tasks", DROPPED_CONNECTION, ScriptedResponse(200, task()))

    created = await client.create("assistant", "Hello")

    first, second = api.requests
    assert created.id == "task-1"
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_a_submission_without_a_server_fails_at_once() -> None:
    with refusing_port() as port:
        async with OpspawnClient(f"http://127.0.0.1:{port}") as client:
            with pytest.raises(ApiUnreachable):
                await client.create("assistant", "Hello")


async def test_waiting_ends_with_the_task(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("GET", "/tasks/task-1", task("running"), DROPPED_CONNECTION, task(output="42"))

    assert (await client.wait("task-1")).output == "42"
    assert api.requests[0].path.endswith("?wait=30")


async def test_waiting_for_an_unknown_task_is_refused(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("GET", "/tasks/nope", problem(404, "Task not found", "nope"))

    with pytest.raises(RequestRefused):
        await client.wait("nope")


async def test_filters_and_cursor_are_query_parameters(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("GET", "/tasks", {"tasks": [task()], "next_cursor": "c2", "total": 9})

    page = await client.tasks(status=["failed", "cancelled"], agent="a", tag="t", tenant="acme", limit=1, cursor="c1")

    query = "limit=1&status=failed&status=cancelled&agent=a&tag=t&tenant=acme&cursor=c1"
    assert api.requests[0].path == f"/api/v1/tasks?{query}"
    assert (page.next_cursor, page.total) == ("c2", 9)


async def test_events_leave_out_breaks_of_the_connection(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("GET", "/tasks/task-1/events", DROPPED_CONNECTION, stream(*EVENTS[:2], final_event()))

    assert [event.type async for event in client.events("task-1")] == ["task.status", "task.started", "task.completed"]


async def test_transcripts_agents_and_cancellation_use_their_paths(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("GET", "/tasks/task-1/transcript", {"messages": []})
    api.on("GET", "/agents", {"agents": []})
    api.on("POST", "/tasks/task-1/cancel", ScriptedResponse(202, task("running")))

    await client.transcript("task-1", start=7)
    await client.agents()
    await client.cancel("task-1")

    assert [(request.method, request.path) for request in api.requests] == [
        ("GET", "/api/v1/tasks/task-1/transcript?start=7"),
        ("GET", "/api/v1/agents"),
        ("POST", "/api/v1/tasks/task-1/cancel"),
    ]


async def test_a_task_is_deleted_with_its_memories_by_choice(api: ScriptedApi, client: OpspawnClient) -> None:
    body = {"id": "task-1", "status": "erasing", "memories": None, "waiting_for_worker": True, "problem": "refused"}
    api.on("DELETE", "/tasks/task-1", ScriptedResponse(202, body), ScriptedResponse(202, {**body, "memories": 2}))

    deleted = await client.delete("task-1")
    assert (deleted.waiting_for_worker, deleted.problem) == (True, "refused")
    assert (await client.delete("task-1", memories=True)).memories == 2

    assert [request.path for request in api.requests] == [
        "/api/v1/tasks/task-1",
        "/api/v1/tasks/task-1?memories=true",
    ]


async def test_a_task_id_is_quoted_in_the_path(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("GET", "/tasks/..%2Fagents%3Fx", task())

    assert (await client.get("../agents?x")).id == "task-1"


async def test_an_answer_is_sent_with_its_given_fields_alone(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", "/tasks/task-1/input-requests/input_1", task("running"))

    await client.answer("task-1", "input_1", "approve")
    await client.answer(
        *("task-1", "input_1", "approve"),
        arguments={"amount": 70},
        comment="less",
        remember="task",
        answered_by="ada",
        groups=["finance"],
        sha256="5" * 64,
        idempotency_key="key-1",
    )

    assert api.requests[0].body == {"decision": "approve"}
    assert api.requests[1].headers["idempotency-key"] == "key-1"
    assert api.requests[1].body == {
        "decision": "approve",
        "arguments": {"amount": 70},
        "comment": "less",
        "remember": "task",
        "answered_by": "ada",
        "groups": ["finance"],
        "sha256": "5" * 64,
    }


async def test_an_answer_that_may_have_arrived_is_repeated_with_the_same_key(
    api: ScriptedApi, client: OpspawnClient
) -> None:
    api.on("POST", "/tasks/task-1/input-requests/input_1", DROPPED_CONNECTION, task("running"))

    await client.answer("task-1", "input_1", "answer", answer={"n": 1})

    first, second = api.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_the_verdict_on_an_answer_is_the_kind_of_the_error(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on(
        *("POST", "/tasks/task-1/input-requests/input_1"),
        problem(409, "Answered already", "denied by bob", kind="already-answered"),
    )

    with pytest.raises(RequestRefused, match="denied by bob") as refused:
        await client.answer("task-1", "input_1", "approve")

    assert (refused.value.status, refused.value.kind) == (409, "already-answered")


async def test_the_inbox_has_the_task_of_each_request(api: ScriptedApi, client: OpspawnClient) -> None:
    listed = {**input_request(), "task_id": "task-1", "agent": "clerk"}
    api.on("GET", "/input-requests", {"input_requests": [listed], "next_cursor": "c", "total": 7})

    page = await client.input_requests(kind=["approval"], approver="finance", older_than=90, cursor="b")

    [request] = page.input_requests
    assert (request.task_id, request.agent, request.tool, page.total) == ("task-1", "clerk", "transfer_money", 7)
    assert api.requests[0].path == (
        "/api/v1/input-requests?approver=finance&older_than=90&cursor=b&limit=50&kind=approval"
    )


async def test_a_task_is_steered_and_forked(api: ScriptedApi, client: OpspawnClient) -> None:
    for path in ("messages", "pause", "resume", "terminate", "fork"):
        api.on("POST", f"/tasks/task-1/{path}", ScriptedResponse(202, task("running")))
    api.on("PATCH", "/tasks/task-1/limits", task("running"))

    await client.send("task-1", "Use euros.", interrupt=True, pinned=True, sent_by="ada")
    await client.raise_limits("task-1", {"max_steps": 60})
    await client.fork("task-1", 2, input=[TextPart(text="Go on.")], agent="clerk", limits={"max_steps": 5})
    for call in (client.pause, client.resume, client.terminate):
        await call("task-1")

    assert [(request.method, request.path.removeprefix("/api/v1/tasks/task-1/")) for request in api.requests] == [
        ("POST", "messages"),
        ("PATCH", "limits"),
        ("POST", "fork"),
        ("POST", "pause"),
        ("POST", "resume"),
        ("POST", "terminate"),
    ]
    assert [request.body for request in api.requests[:3]] == [
        {"text": "Use euros.", "mode": "interrupt", "pinned": True, "sent_by": "ada"},
        {"max_steps": 60},
        {"from_step": 2, "input": [{"type": "text", "text": "Go on."}], "agent": "clerk", "limits": {"max_steps": 5}},
    ]


async def test_the_requests_of_a_task_are_read_whole(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("GET", "/tasks/task-1/input-requests", {"input_requests": [input_request()]})

    [request] = (await client.task_input_requests("task-1")).input_requests

    assert request.arguments == {"to": "DE02", "amount": 700}


async def test_a_prompt_is_submitted_with_the_arguments_that_are_given(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", "/tasks", ScriptedResponse(201, task()))

    await client.create("assistant", PromptReference(prompt="notes/review", arguments={"change": "17"}))
    await client.create("assistant", [ResourceReference(server="notes", uri="a:b")])

    prompt, resource = ((request.body or {})["input"] for request in api.requests)
    assert prompt == {"prompt": "notes/review", "arguments": {"change": "17"}}
    assert resource == [{"type": "resource", "uri": "a:b", "server": "notes"}]


async def test_what_mcp_servers_offer_is_read(api: ScriptedApi, client: OpspawnClient) -> None:
    problem_fields = {"kind": "crashed", "message": "It crashed."}
    servers = [{"name": "a b", "transport": "stdio", "tools": 1}, {"name": "c", "problem": problem_fields}]
    api.on("GET", "/mcp/servers", {"servers": servers})
    api.on("GET", "/mcp/servers/a%20b/tools", {"tools": [{"name": "convert", "effect": "pure"}]})
    api.on("GET", "/mcp/servers/a%20b/resources", {"resources": [{"uri": "a:b", "name": "b"}]})
    api.on("GET", "/mcp/servers/a%20b/prompts", {"prompts": [{"name": "review"}]})

    listed = await client.mcp_servers()
    tools = await client.mcp_tools("a b")
    resources = await client.mcp_resources("a b")
    prompts = await client.mcp_prompts("a b")

    assert [(server.tools, server.problem and server.problem.kind) for server in listed.servers] == [
        (1, None),
        (None, "crashed"),
    ]
    assert [tools.tools[0].name, resources.resources[0].uri, prompts.prompts[0].name] == ["convert", "a:b", "review"]


async def test_the_usage_of_a_tenant_is_asked_for_by_its_name(api: ScriptedApi, client: OpspawnClient) -> None:
    usage = {"tenant": "acme", "day": "2026-11-28", "resets_at": "2026-11-29T00:00:00Z", "running_tasks": 1}
    api.on("GET", "/tenants/acme/usage", {**usage, "tokens": 15})
    found = await client.tenant_usage("acme")
    assert (found.tokens, found.cost_usd, found.resets_at.day) == (15, None, 29)
