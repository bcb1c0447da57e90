"""Tools of MCP servers in tasks: listed once, called as activities, under the same rules as any tool."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from activities.storage.transcript_cache import TranscriptCache
from agentkit.errors import McpServerUnavailable, ToolError
from agentkit.interfaces import ModelRequest, ToolContext, ToolOutput
from agentkit.messages import StoredContent, ToolCall
from agentkit.runtime.calls.effect_ledger import LedgerEntry
from agentkit.specs import McpSelection, McpToolName, PolicyRule, ToolSpec
from agentkit.testing import (
    ScriptedMcpServer,
    ScriptedMcpServers,
    ScriptedMcpTool,
    ScriptedModel,
    ScriptedResponse,
)
from agentkit.tools import tool
from tests.unit.api.events.golden import events_of
from tests.workflows.answering import answer, pending_requests
from tests.workflows.test_forks import fork
from workflows.agent_task import AgentTask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.workflows.conftest import Handle, TaskEnvironment

ADD = ToolCall(id="c1", name="math__add", arguments={"a": 2, "b": 3})


def add(arguments: Mapping[str, JsonValue], _: ToolContext) -> JsonValue:
    first, second = arguments["a"], arguments["b"]
    assert isinstance(first, int)
    assert isinstance(second, int)
    return first + second


def math_servers(**tools: ScriptedMcpTool) -> ScriptedMcpServers:
    offered = tools or {"add": ScriptedMcpTool(add, effect="pure", description="Adds.")}
    return ScriptedMcpServers({"math": ScriptedMcpServer(offered)})


def selection(*patterns: str, required: tuple[str, ...] | None = None) -> McpSelection:
    return McpSelection(tools=patterns or ("math/*",), required=required)


async def ledger(handle: Handle) -> list[LedgerEntry]:
    return list((await handle.query(AgentTask.tool_calls)).tool_calls)


async def activity_types(env: TaskEnvironment, handle: Handle) -> list[str]:
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in await env.history(handle)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


async def test_a_tool_of_a_server_is_listed_once_and_called_as_an_activity(env: TaskEnvironment) -> None:
    servers = math_servers()
    model = ScriptedModel([ADD, ToolCall(id="c2", name="math__add", arguments={"a": 5, "b": 5}), "It is 10."])
    async with env.worker(model, mcp=servers):
        result, handle = await env.run("Add.", env.agent(mcp=selection()))

        assert result.output == "It is 10."
        assert [each.content for each in await env.tool_results(handle)] == ["5", "10"]
        assert servers.servers["math"].list_count == 1
        assert [spec.name for spec in model.requests[0].tools] == ["math__add"]
        calls = ["request_model", "tool.math/add"] * 2
        assert await activity_types(env, handle) == ["list_mcp_tools", *calls, "request_model"]
        assert [(entry.tool, entry.effect, entry.state) for entry in await ledger(handle)] == [
            ("math__add", "pure", "done")
        ] * 2


async def test_events_name_the_tool_as_the_model_does(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([ADD, "5."]), mcp=math_servers()):
        _, handle = await env.run("Add.", env.agent(mcp=selection()))

        events = await events_of(await handle.fetch_history(), data_dir=env.settings.data_dir)
    named = [event.data for event in events if event.type in ("tool.started", "tool.completed")]
    assert named[0]["call"] == {"type": "tool_call", "id": "c1", "name": "math__add", "arguments": {"a": 2, "b": 3}}
    result = named[1]["result"]
    assert isinstance(result, dict)
    assert (result["name"], result["content"]) == ("math__add", "5")


async def test_a_task_without_mcp_tools_lists_none_and_its_history_names_none(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["Hello."]), mcp=math_servers()):
        _, handle = await env.run("Hi.", env.agent())

        assert await activity_types(env, handle) == ["request_model"]
        assert b"mcp" not in b"".join(event.SerializeToString() for event in await env.history(handle))


async def test_a_server_that_changes_its_tools_in_mid_task_changes_nothing_in_the_task(env: TaskEnvironment) -> None:
    servers = math_servers()
    seen: list[list[str]] = []

    async def script(request: ModelRequest) -> ScriptedResponse:
        seen.append([spec.name for spec in request.tools])
        if len(seen) == 1:
            servers.change_tools("math", {"subtract": ScriptedMcpTool(add, effect="pure")})
            return ADD
        return "Done."

    async with env.worker(ScriptedModel(script), mcp=servers):
        _, handle = await env.run("Add.", env.agent(mcp=selection()))

        assert seen == [["math__add"], ["math__add"]]
        assert [(each.is_error, each.content) for each in await env.tool_results(handle)] == [
            (True, "MCP server math has no tool 'add'.")
        ]
        assert [spec.name for spec in (await handle.query(AgentTask.agent_spec)).tools] == ["math__add"]


async def test_without_a_server_that_is_down_the_task_goes_on_and_the_model_is_told(env: TaskEnvironment) -> None:
    servers = math_servers()
    servers.servers["mail"] = ScriptedMcpServer(
        problem=McpServerUnavailable("MCP server mail: it crashed at its start.", server="mail", kind="crashed")
    )
    model = ScriptedModel([ADD, "5."])
    async with env.worker(model, mcp=servers):
        result, _ = await env.run("Add.", env.agent(mcp=selection("math/*", "mail/*", "math/multiply", "maths")))

    assert result.output == "5."
    notice = model.requests[0].messages[-1]
    assert (notice.role, notice.source) == ("user", "planner")
    assert "MCP server mail: it crashed at its start." in notice.text
    assert "MCP server math has no tool 'multiply'. It has: add." in notice.text
    assert "There is no MCP server 'maths' in mcp.json. Did you mean 'math'? Servers: mail, math." in notice.text


async def test_a_task_fails_without_a_server_that_its_agent_requires(env: TaskEnvironment) -> None:
    problem = McpServerUnavailable("MCP server math: not authorized.", server="math", kind="not_authorized")
    servers = ScriptedMcpServers({"math": ScriptedMcpServer(problem=problem)})
    async with env.worker(ScriptedModel(["never"]), mcp=servers):
        handle = await env.start("Add.", env.agent(mcp=selection(required=("math",))))
        error, failure = await env.failure(handle)

    assert error.type == "McpServerUnavailable"
    assert failure.message == "MCP server math: not authorized."


@pytest.mark.parametrize(
    ("rule", "result"),
    [
        pytest.param(PolicyRule(tool="mcp:math/a*", then="deny", reason="No sums"), "No sums", id="path"),
        pytest.param(PolicyRule(tool="math__add", then="deny", reason="No sums"), "No sums", id="name of the model"),
        pytest.param(PolicyRule(tool="mcp:math/sub*", then="deny", reason="No sums"), "5", id="another tool"),
        pytest.param(PolicyRule(tool="add", then="deny", reason="No sums"), "5", id="the server's name alone"),
    ],
)
async def test_rules_of_a_policy_match_tools_by_server_and_name(
    env: TaskEnvironment, rule: PolicyRule, result: str
) -> None:
    async with env.worker(ScriptedModel([ADD, "Done."]), mcp=math_servers()):
        _, handle = await env.run("Add.", env.agent(mcp=selection(), policy=(rule,)))

        assert result in (await env.tool_results(handle))[0].content


async def test_an_irreversible_tool_of_a_server_waits_for_approval_and_is_called_once(env: TaskEnvironment) -> None:
    contexts: list[ToolContext] = []

    def send(_: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        contexts.append(context)
        raise ToolError("The mailbox is full.")

    servers = math_servers(send=ScriptedMcpTool(send))
    async with env.worker(ScriptedModel([ToolCall(id="c1", name="math__send"), "Done."]), mcp=servers):
        handle = await env.start("Send.", env.agent(mcp=selection()))
        (request,) = await pending_requests(handle)
        assert (request.kind, request.tool) == ("approval", "math__send")
        await answer(handle, request, "approve")
        await env.result(handle)

        (result,) = await env.tool_results(handle)
        assert (result.is_error, result.content) == (True, "The mailbox is full.")
        (context,) = contexts
        assert context.idempotency_key == f"{handle.id}/c1"
        assert [entry.state for entry in await ledger(handle)] == ["failed"]


async def test_files_of_a_result_are_kept_as_those_of_any_tool(env: TaskEnvironment) -> None:
    image = StoredContent(media_type="image/png", size=3, name="x.png").model_copy(update={"data": b"png"})

    def draw(_: Mapping[str, JsonValue], __: ToolContext) -> ToolOutput:
        return ToolOutput(value="Drawn.", files=(image,))

    servers = math_servers(draw=ScriptedMcpTool(draw, effect="pure"))
    async with env.worker(ScriptedModel([ToolCall(id="c1", name="math__draw"), "Done."]), mcp=servers):
        _, handle = await env.run("Draw.", env.agent(mcp=selection()))

        (result,) = await env.tool_results(handle)
    assert result.content.startswith("Drawn.")
    assert [file.name for file in result.files or ()] == ["x.png"]


async def test_tools_are_carried_over_continue_as_new_and_not_listed_again(short_history_env: TaskEnvironment) -> None:
    servers = math_servers()

    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == 12:
            return "Done."
        return ToolCall(id=f"c{step}", name="math__add", arguments={"a": step, "b": 1})

    async with short_history_env.worker(ScriptedModel(script), mcp=servers):
        _, handle = await short_history_env.run("Count.", short_history_env.agent(mcp=selection()))
        results = await short_history_env.tool_results(handle)
        assert (await handle.describe()).raw_description.workflow_execution_info.first_run_id != (
            (await handle.describe()).run_id
        )

        events = await events_of(await handle.fetch_history(), data_dir=short_history_env.settings.data_dir)
    assert [each.content for each in results] == [str(step + 1) for step in range(12)]
    assert servers.servers["math"].list_count == 1
    calls = [event.data["call"] for event in events if event.type == "tool.started"]
    assert calls
    assert all(isinstance(call, dict) and call["name"] == "math__add" for call in calls)


def sender(sent: list[ToolContext]) -> ScriptedMcpServers:
    def send(_: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        sent.append(context)
        return "Sent."

    return math_servers(send=ScriptedMcpTool(send))


SEND = ToolCall(id="c1", name="math__send")


async def test_a_worker_without_the_server_leaves_the_call_to_another(env: TaskEnvironment) -> None:
    model, sent = ScriptedModel.by_step([SEND, "Done."]), list[ToolContext]()
    async with env.worker(model, mcp=sender(sent)):
        handle = await env.start("Send.", env.agent(mcp=selection()))
        (request,) = await pending_requests(handle)
    async with env.worker(model):
        await answer(handle, request, "approve")
        refusal = await first_refusal(handle)
    async with env.worker(model, mcp=sender(sent)):
        await env.result(handle)
        (result,) = await env.tool_results(handle)
    assert "There is no MCP server 'math' in mcp.json." in refusal
    assert (result.content, len(sent)) == ("Sent.", 1)


async def first_refusal(handle: Handle) -> str:
    """Wait until a worker has refused a call; return its message."""
    async with asyncio.timeout(30):
        async for event in handle.fetch_history_events(wait_new_event=True):
            failure = event.activity_task_failed_event_attributes.failure
            if failure.application_failure_info.type == "ToolNotServed":
                return failure.message
    raise AssertionError("the task ended without a refusal")


async def test_a_worker_whose_server_has_changed_goes_on_with_the_tools_as_they_were_listed(
    env: TaskEnvironment,
) -> None:
    sent: list[ToolContext] = []
    async with env.worker(ScriptedModel([SEND]), mcp=sender(sent)):
        handle = await env.start("Send.", env.agent(mcp=selection()))
        (request,) = await pending_requests(handle)
    changed = sender(sent)
    changed.servers["math"].tools["send"].effect = "pure"
    changed.change_tools("math", {**changed.servers["math"].tools, "other": ScriptedMcpTool(add)})
    model = ScriptedModel(["Done."])
    async with env.worker(model, mcp=changed):
        await answer(handle, request, "approve")
        await env.result(handle)

        assert [spec.name for spec in model.requests[0].tools] == ["math__send"]
        assert [(entry.effect, entry.state) for entry in await ledger(handle)] == [("irreversible", "done")]
    assert [context.mcp and context.mcp.effect for context in sent] == ["irreversible"]
    assert changed.servers["math"].list_count == 0


async def test_a_worker_that_has_cached_the_agent_before_its_listing_uses_the_one_with_tools(
    env: TaskEnvironment,
) -> None:
    cache, agent = TranscriptCache(1_000_000), env.agent(mcp=selection())
    cache.put_agent(agent)
    async with env.worker(ScriptedModel([SEND]), mcp=sender([])):
        handle = await env.start("Send.", agent)
        (request,) = await pending_requests(handle)
    model = ScriptedModel(["Done."])
    async with env.worker_without_sharing(model, cache=cache):
        await answer(handle, request, "deny")
        await env.result(handle)
    assert [spec.name for spec in model.requests[0].tools] == ["math__send"]


async def test_a_long_list_of_tools_is_stored_once_and_events_and_further_runs_read_it(
    short_history_env: TaskEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    env = short_history_env
    names = ["add", *(f"tool_{number}" for number in range(150))]
    servers = math_servers(**{name: ScriptedMcpTool(add, effect="pure", description="x" * 10_000) for name in names})
    calls = [ToolCall(id=f"c{step}", name="math__add", arguments={"a": step, "b": 1}) for step in range(12)]
    model = ScriptedModel.by_step([*calls, "Done."])
    async with env.worker(model, mcp=servers):
        _, handle = await env.run("Count.", env.agent(mcp=selection()))

        payloads = (env.settings.data_dir / "payloads").rglob("*")
        large = [path for path in payloads if path.is_file() and path.stat().st_size > 1_000_000]
        assert len((await handle.query(AgentTask.agent_spec)).tools) == len(names)
        assert [each.content for each in await env.tool_results(handle)] == [str(step + 1) for step in range(12)]
        first = env.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        newest = env.client.get_workflow_handle(handle.id)
        runs = [await each.fetch_history() for each in (first, newest)]
        events = await events_of(runs[0], data_dir=env.settings.data_dir)
    assert runs[0].run_id != runs[1].run_id
    assert all(len(run.to_json()) < 200_000 for run in runs)
    calls_shown = [event.data["call"] for event in events if event.type == "tool.started"]
    assert calls_shown
    assert all(isinstance(call, dict) and call["name"] == "math__add" for call in calls_shown)
    assert len(large) == 2, "the list, and the agent with it in all further runs"
    assert "The agent has 151 tools. Some providers refuse requests with more than 128" in caplog.text


class HangingServers(ScriptedMcpServers):
    """Servers that never list their tools."""

    def __init__(self) -> None:
        super().__init__(math_servers().servers)
        self.asked, self.cancelled = asyncio.Event(), asyncio.Event()

    async def list_tools(self, server: str) -> Sequence[ToolSpec]:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return []


async def test_a_task_is_cancelled_while_its_tools_are_listed(env: TaskEnvironment) -> None:
    servers, model = HangingServers(), ScriptedModel(["never"])
    async with env.worker(model, mcp=servers):
        handle = await env.start("Add.", env.agent(mcp=selection()))
        await asyncio.wait_for(servers.asked.wait(), 20)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as raised:
            await env.result(handle)
        assert isinstance(raised.value.cause, CancelledError)
        await asyncio.wait_for(servers.cancelled.wait(), 20)
        assert (await handle.query(AgentTask.status)).status == "cancelled"
    assert model.requests == []


async def test_the_deadline_of_a_task_holds_while_its_tools_are_listed(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["never"]), mcp=HangingServers()):
        handle = await env.start("Add.", env.agent(mcp=selection(), limits={"deadline": "500ms"}))
        error, _ = await env.failure(handle)
    assert error.type == "DeadlineExceeded"


async def test_a_fork_lists_the_tools_anew(short_history_env: TaskEnvironment) -> None:
    """Also of a task that continued as new, whose newest run was started with the tools."""
    env, servers = short_history_env, math_servers()
    calls = [ToolCall(id=f"c{step}", name="math__add", arguments={"a": step, "b": 1}) for step in range(12)]
    async with env.worker(ScriptedModel.by_step([*calls, "Done."]), mcp=servers):
        _, source = await env.run("Count.", env.agent(mcp=selection()))
        listed = await source.query(AgentTask.agent_spec)
    servers.change_tools("math", {**servers.servers["math"].tools, "negate": ScriptedMcpTool(add)})
    model = ScriptedModel(["Forked."])
    async with env.worker(model, mcp=servers):
        await env.result(await fork(env, source, 2, listed, "Go on."))
    assert [spec.name for spec in model.requests[0].tools] == ["math__add", "math__negate"]


@tool(effect="pure")
def math__add(a: int, b: int) -> str:
    return f"own {a + b}"


async def test_a_name_that_the_agent_has_already_gets_another_for_the_model(env: TaskEnvironment) -> None:
    model = ScriptedModel(["Done."])
    async with env.worker(model, math__add, mcp=math_servers()):
        await env.run("Add.", env.agent(math__add, mcp=selection()))

    first, second = (spec.name for spec in model.requests[0].tools)
    assert first == "math__add"
    assert second.startswith("math__add_")


async def test_a_fork_lists_its_own_tools_in_place_of_those_of_its_source(env: TaskEnvironment) -> None:
    servers = math_servers()
    old = ToolSpec(name="math__add", description="Old.", parameters={}, mcp=McpToolName(server="math", name="add"))
    agent = env.agent(mcp=selection(), tools=(old,), proxied=(old.model_copy(update={"name": "math__add_1"}),))
    model = ScriptedModel([ADD, "5."])
    async with env.worker(model, mcp=servers):
        _, handle = await env.run("Add.", agent)

        assert [each.content for each in await env.tool_results(handle)] == ["5"]
        assert (await handle.query(AgentTask.agent_spec)).proxied == ()
    assert [(spec.name, spec.description) for spec in model.requests[0].tools] == [("math__add", "Adds.")]


async def test_react_uses_a_tool_of_a_server(env: TaskEnvironment) -> None:
    responses = ['Thought: sum\nAction: math__add\nAction Input: {"a": 2, "b": 3}', "Thought: done\nFinal Answer: 5"]
    model = ScriptedModel(responses)
    async with env.worker(model, mcp=math_servers()):
        result, handle = await env.run("Add.", env.agent(mcp=selection(), planner="react"))

        assert result.output == "5"
        assert [each.content for each in await env.tool_results(handle)] == ["5"]
    assert "math__add" in model.requests[0].system
