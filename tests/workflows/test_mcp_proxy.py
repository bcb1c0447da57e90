"""``mcp_call`` in tasks: its calls are those of MCP tools, under the rules of these."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pytest
from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError

from agentkit.errors import McpServerUnavailable, ToolInterrupted
from agentkit.interfaces import ModelRequest, ToolContext
from agentkit.messages import ToolCall
from agentkit.specs import McpSelection, PolicyRule
from agentkit.testing import (
    ScriptedMcpServer,
    ScriptedMcpServers,
    ScriptedMcpTool,
    ScriptedModel,
    ScriptedResponse,
)
from agentkit.tools.mcp_proxy_tools import mcp_proxy_tools
from tests.unit.api.events.golden import events_of
from tests.workflows.answering import answer, pending_requests
from tests.workflows.bookings import ASKED, SAMPLING, Bookings, required
from tests.workflows.conftest import TIMEOUT_S
from tests.workflows.steering_calls import refusal_of
from workflows.agent_task import AgentTask

if TYPE_CHECKING:
    from agentkit.input_requests import InputRequest
    from agentkit.interfaces import McpServers, Tool
    from agentkit.specs import AgentSpec, ToolSpec
    from api.events.event import Event
    from tests.workflows.conftest import Handle, TaskEnvironment
    from workflows.task_types import ToolCallLedger

TWO_NUMBERS: Mapping[str, JsonValue] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
ALLOWED = (PolicyRule(tool="mcp:*", then="allow"),)


def add(arguments: Mapping[str, JsonValue], _: ToolContext) -> JsonValue:
    first, second = arguments["a"], arguments["b"]
    assert isinstance(first, int)
    assert isinstance(second, int)
    return first + second


class Mailbox:
    """An irreversible tool that remembers its calls."""

    def __init__(self) -> None:
        self.sent: list[tuple[Mapping[str, JsonValue], ToolContext]] = []

    def send(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        self.sent.append((arguments, context))
        return "Sent."


def office_servers(mailbox: Mailbox | None = None) -> ScriptedMcpServers:
    math = {"add": ScriptedMcpTool(add, effect="pure", description="Adds two numbers.", parameters=TWO_NUMBERS)}
    text: Mapping[str, JsonValue] = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    mail = {"send": ScriptedMcpTool((mailbox or Mailbox()).send, description="Sends mail.", parameters=text)}
    return ScriptedMcpServers({"math": ScriptedMcpServer(math), "mail": ScriptedMcpServer(mail)})


def proxied(call_id: str, server: str, tool: str, arguments: JsonValue = None, **others: JsonValue) -> ToolCall:
    """Return a call of ``mcp_call``."""
    return ToolCall(
        id=call_id, name="mcp_call", arguments={"server": server, "tool": tool, "arguments": arguments, **others}
    )


ADD = proxied("c1", "math", "add", {"a": 2, "b": 3})
SEND = proxied("c1", "mail", "send", {"text": "hello"})


def proxy_agent(env: TaskEnvironment, **fields: object) -> AgentSpec:
    return env.agent(*mcp_proxy_tools(), **fields)


def proxy_tools(servers: McpServers) -> list[Tool]:
    return list(mcp_proxy_tools(servers))


async def ledger(handle: Handle) -> list[tuple[str, str | None, str]]:
    found: ToolCallLedger = await handle.query(AgentTask.tool_calls)
    return [(entry.tool, entry.effect, entry.state) for entry in found.tool_calls]


async def activity_types(env: TaskEnvironment, handle: Handle) -> list[str]:
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in await env.history(handle)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


async def tool_events(env: TaskEnvironment, handle: Handle) -> list[Event]:
    events = await events_of(await handle.fetch_history(), data_dir=env.settings.data_dir)
    return [event for event in events if event.type.startswith("tool.")]


async def test_a_proxied_call_is_a_call_of_the_servers_tool(env: TaskEnvironment) -> None:
    servers = office_servers()
    again = proxied("c2", "math", "add", {"a": 5, "b": 5})
    model = ScriptedModel([ADD, again, "It is 10."])
    async with env.worker(model, *proxy_tools(servers), mcp=servers):
        result, handle = await env.run("Add.", proxy_agent(env))

        assert result.output == "It is 10."
        assert [(each.name, each.content) for each in await env.tool_results(handle)] == [
            ("mcp_call", "5"),
            ("mcp_call", "10"),
        ]
        assert await activity_types(env, handle) == [
            "request_model",
            "describe_mcp_tools",
            "tool.math/add",
            "request_model",
            "tool.math/add",
            "request_model",
        ]
        assert await ledger(handle) == [("math__add", "pure", "done")] * 2
        assert servers.servers["math"].list_count == 1
        assert servers.servers["mail"].list_count == 0
    assert {spec.name for request in model.requests for spec in request.tools} == {
        "mcp_search",
        "mcp_describe",
        "mcp_call",
    }


async def test_the_model_searches_reads_the_schema_and_calls(env: TaskEnvironment) -> None:
    servers = office_servers()
    calls = [
        ToolCall(id="c1", name="mcp_search", arguments={"query": "add numbers"}),
        ToolCall(id="c2", name="mcp_describe", arguments={"server": "math", "tool": "add"}),
        proxied("c3", "math", "add", {"a": 1, "b": 1}),
    ]
    async with env.worker(ScriptedModel([*calls, "2"]), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Add.", proxy_agent(env))

        searched, described, called = await env.tool_results(handle)
    assert '"server": "math", "tool": "add"' in searched.content
    assert '"required": ["a", "b"]' in described.content
    assert called.content == "2"


async def test_events_name_the_tool_and_its_own_arguments(env: TaskEnvironment) -> None:
    servers = office_servers()
    async with env.worker(ScriptedModel([ADD, "5"]), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Add.", proxy_agent(env))

        started, completed = await tool_events(env, handle)
        summaries = [event.user_metadata.summary.data for event in await env.history(handle)]
    assert started.data["call"] == {
        "type": "tool_call",
        "id": "c1",
        "name": "math__add",
        "arguments": {"a": 2, "b": 3},
    }
    result = completed.data["result"]
    assert isinstance(result, dict)
    assert (result["name"], result["content"]) == ("math__add", "5")
    assert b'"math__add(a=2, b=3)"' in summaries
    assert b'"Describe MCP tools: math/add"' in summaries


async def test_several_calls_of_a_step_describe_each_tool_once_and_list_their_servers_together(
    env: TaskEnvironment,
) -> None:
    servers = office_servers()
    calls = [proxied(f"c{number}", "math", "add", {"a": number, "b": 1}) for number in range(3)] + [
        proxied("m1", "mail", "send", {"text": "hi"})
    ]
    model = ScriptedModel([tuple(calls), "Done."])
    async with env.worker(model, *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Work.", proxy_agent(env, policy=ALLOWED))

        assert [each.content for each in await env.tool_results(handle)] == ["1", "2", "3", "Sent."]
        types = await activity_types(env, handle)
        assert types.count("describe_mcp_tools") == 1
        assert [servers.servers[name].list_count for name in ("math", "mail")] == [1, 1]
        assert [spec.name for spec in (await handle.query(AgentTask.agent_spec)).proxied] == ["math__add", "mail__send"]


async def test_an_irreversible_tool_is_approved_by_its_own_name_and_called_once(env: TaskEnvironment) -> None:
    mailbox = Mailbox()
    servers = office_servers(mailbox)
    async with env.worker(ScriptedModel([SEND, "Done."]), *proxy_tools(servers), mcp=servers):
        handle = await env.start("Send.", proxy_agent(env))
        (request,) = await pending_requests(handle)
        assert (request.kind, request.tool, request.arguments) == ("approval", "mail__send", {"text": "hello"})
        await answer(handle, request, "approve", arguments={"text": "bye"})
        (changed,) = await until_asked(handle, "input_2")  # as the policy asks about these arguments, too
        assert (changed.tool, changed.arguments) == ("mail__send", {"text": "bye"})
        await answer(handle, changed, "approve")
        await env.result(handle)

        (result,) = await env.tool_results(handle)
        assert result.name == "mcp_call"
        assert result.content.endswith("Sent.")
    ((arguments, context),) = mailbox.sent
    assert arguments == {"text": "bye"}
    assert context.idempotency_key == f"{handle.id}/c1"


async def until_asked(handle: Handle, request_id: str) -> Sequence[InputRequest]:
    """Wait until this request is pending; return the pending ones."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            pending = await pending_requests(handle)
            if any(request.id == request_id for request in pending):
                return pending


async def test_changed_arguments_of_an_approval_must_fit_the_tools_schema(env: TaskEnvironment) -> None:
    mailbox = Mailbox()
    servers = office_servers(mailbox)
    async with env.worker(ScriptedModel([SEND, "Done."]), *proxy_tools(servers), mcp=servers):
        handle = await env.start("Send.", proxy_agent(env))
        (request,) = await pending_requests(handle)
        await answer(handle, request, "approve", arguments={"text": 5})
        await answer(handle, request, "approve")
        await env.result(handle)
    assert [arguments for arguments, _ in mailbox.sent] == [{"text": "hello"}]


async def test_a_denied_call_is_not_made_and_its_event_names_the_tool(env: TaskEnvironment) -> None:
    mailbox = Mailbox()
    servers = office_servers(mailbox)
    async with env.worker(ScriptedModel([SEND, "Done."]), *proxy_tools(servers), mcp=servers):
        handle = await env.start("Send.", proxy_agent(env))
        (request,) = await pending_requests(handle)
        await answer(handle, request, "deny", comment="Not today")
        await env.result(handle)

        (event,) = await tool_events(env, handle)
        (result,) = await env.tool_results(handle)
    assert mailbox.sent == []
    assert "Not today" in result.content
    call = event.data["call"]
    assert isinstance(call, dict)
    assert (call["name"], call["arguments"]) == ("mail__send", {"text": "hello"})


ASK_MATH = PolicyRule(tool="mcp:math/*", then="ask", reason="Sums are checked")


@pytest.mark.parametrize(
    ("rules", "refused_by"),
    [
        pytest.param([PolicyRule(tool="mcp:math/*", then="deny", reason="No sums")], "policy rule 1", id="of the tool"),
        pytest.param([PolicyRule(tool="math__add", then="deny")], "policy rule 1", id="of its name for models"),
        pytest.param([PolicyRule(tool="mcp_call", then="deny")], "policy rule 1", id="of mcp_call"),
        pytest.param(
            [PolicyRule(tool="mcp:math/*", then="allow"), PolicyRule(tool="mcp_call", then="deny")],
            "policy rule 2",
            id="of mcp_call, after the tool is allowed",
        ),
        pytest.param(
            [PolicyRule.model_validate({"tool": "mcp_call", "if": {"server": {"equals": "math"}}, "then": "deny"})],
            "policy rule 1",
            id="of mcp_call, by the server",
        ),
        pytest.param([ASK_MATH, PolicyRule(tool="mcp_call", then="deny")], "policy rule 2", id="before a person"),
        pytest.param(
            [PolicyRule(tool="mcp_call", then="allow"), PolicyRule(tool="*", then="deny")],
            "policy rule 2",
            id="although mcp_call is allowed",
        ),
    ],
)
async def test_what_either_rule_denies_is_not_called(
    env: TaskEnvironment, rules: list[PolicyRule], refused_by: str
) -> None:
    servers = office_servers()
    async with env.worker(ScriptedModel([ADD, "Done."]), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Add.", proxy_agent(env, policy=tuple(rules)))

        (result,) = await env.tool_results(handle)
        (event,) = await tool_events(env, handle)
        assert (result.is_error, result.name) == (True, "mcp_call")
        assert "is not allowed" in result.content
        assert event.data["decided_by"] == refused_by
        assert [state for _, _, state in await ledger(handle)] == ["refused"]
        assert "tool.math/add" not in await activity_types(env, handle)


async def test_changed_arguments_that_a_rule_for_mcp_call_denies_are_not_accepted(env: TaskEnvironment) -> None:
    servers = office_servers(mailbox := Mailbox())
    secret = {"tool": "mcp_call", "if": {"arguments.text": {"matches": "secret"}}, "then": "deny"}
    agent = proxy_agent(env, policy=(PolicyRule.model_validate(secret),))
    async with env.worker(ScriptedModel([SEND, "Done."]), *proxy_tools(servers), mcp=servers):
        handle = await env.start("Send.", agent)
        (request,) = await pending_requests(handle)
        data: dict[str, JsonValue] = {"input_request_id": request.id, "decision": "approve"}
        refusal = await refusal_of(handle, "answer_input", {**data, "arguments": {"text": "a secret"}})
        assert refusal[0] == "AnswerMismatch"
        assert "mail__send is not allowed with these arguments" in refusal[1]
        await answer(handle, request, "approve")
        await env.result(handle)
    assert [arguments for arguments, _ in mailbox.sent] == [{"text": "hello"}]


@pytest.mark.parametrize("rule", [ASK_MATH, PolicyRule(tool="mcp_call", then="ask", reason="All calls are checked")])
async def test_a_rule_that_asks_for_either_asks_once_for_the_tool(env: TaskEnvironment, rule: PolicyRule) -> None:
    servers = office_servers()
    async with env.worker(ScriptedModel([ADD, "Done."]), *proxy_tools(servers), mcp=servers):
        handle = await env.start("Add.", proxy_agent(env, policy=(rule, *ALLOWED)))
        (request,) = await pending_requests(handle)
        assert request.tool == "math__add"
        assert "are checked" in request.message
        await answer(handle, request, "approve", remember="task")
        await env.result(handle)

        assert [each.content for each in await env.tool_results(handle)] == ["5"]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(
            proxied("c1", "maths", "add"),
            "'maths' in mcp.json. Did you mean 'math'? Servers: mail, math.",
            id="server",
        ),
        pytest.param(proxied("c1", "math", "ad"), "no tool 'ad'. Did you mean 'add'? It has: add.", id="tool"),
        pytest.param(proxied("c1", "math", "add", {"a": "x"}), "The arguments of math__add are wrong", id="arguments"),
        pytest.param(proxied("c1", "math", "add", [1]), "must have one JSON object", id="list as arguments"),
        pytest.param(proxied("c1", "math", "add", "{a:"), "must have one JSON object", id="no JSON"),
        pytest.param(proxied("c1", "math", "add", a=1, b=2), "unknown arguments: a, b", id="beside arguments"),
        pytest.param(proxied("c1", "", "add"), "server must be the name of one", id="no server"),
        pytest.param(ToolCall(id="c1", name="mcp_call", malformed="{"), "Send one JSON object", id="malformed"),
    ],
)
async def test_a_call_that_cannot_be_made_is_an_error_that_says_what_exists(
    env: TaskEnvironment, call: ToolCall, expected: str
) -> None:
    servers = office_servers()
    async with env.worker(ScriptedModel([call, "Done."]), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Add.", proxy_agent(env))

        (result,) = await env.tool_results(handle)
        assert (result.is_error, result.name) == (True, "mcp_call")
        assert expected in result.content
        assert [event.type for event in await tool_events(env, handle)] == ["tool.failed"]


async def test_wrong_arguments_are_refused_before_a_person_is_asked_also_of_a_tool_that_is_known(
    env: TaskEnvironment,
) -> None:
    mailbox = Mailbox()
    servers = office_servers(mailbox)
    wrong = [proxied(f"c{number}", "mail", "send", {"text": number}) for number in range(2)]
    async with env.worker(ScriptedModel([*wrong, "Done."]), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Send.", proxy_agent(env))

        results = await env.tool_results(handle)
        assert await ledger(handle) == [("mail__send", "irreversible", "refused")] * 2
        events = await tool_events(env, handle)
        assert (await activity_types(env, handle)).count("describe_mcp_tools") == 1
    assert all("text" in result.content and "is not of type 'string'" in result.content for result in results)
    named = [event.data["call"] for event in events]
    assert [call["name"] for call in named if isinstance(call, dict)] == ["mail__send"] * 2


async def test_arguments_as_json_text_are_read(env: TaskEnvironment) -> None:
    servers = office_servers()
    call = proxied("c1", "math", "add", '{"a": 2, "b": 3}')
    async with env.worker(ScriptedModel([call, "Done."]), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Add.", proxy_agent(env))

        assert [each.content for each in await env.tool_results(handle)] == ["5"]


async def test_a_server_that_is_down_refuses_its_calls_only_and_is_asked_again_later(env: TaskEnvironment) -> None:
    servers = office_servers()
    servers.servers["mail"].problem = McpServerUnavailable("MCP server mail: it crashed.", server="mail")

    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == 0:
            return (ADD, SEND.model_copy(update={"id": "c2"}))
        servers.servers["mail"].problem = None
        return proxied("c3", "mail", "send", {"text": "again"}) if step == 1 else "Done."

    async with env.worker(ScriptedModel(script), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Work.", proxy_agent(env, policy=ALLOWED))

        contents = [each.content for each in await env.tool_results(handle)]
    assert contents == ["5", "Nothing was called. MCP server mail: it crashed.", "Sent."]


async def test_a_direct_tool_is_not_described_again_and_keeps_its_name(env: TaskEnvironment) -> None:
    servers = office_servers()
    agent = proxy_agent(env, mcp=McpSelection(tools=("math/*",)))
    direct = ToolCall(id="c2", name="math__add", arguments={"a": 1, "b": 1})
    async with env.worker(ScriptedModel([(ADD, direct), "Done."]), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Add.", agent)

        assert "describe_mcp_tools" not in await activity_types(env, handle)
        assert [(each.name, each.content) for each in await env.tool_results(handle)] == [
            ("mcp_call", "5"),
            ("math__add", "2"),
        ]
        assert await ledger(handle) == [("math__add", "pure", "done")] * 2


async def test_a_proxied_tool_that_is_called_directly_is_refused_with_a_hint(env: TaskEnvironment) -> None:
    servers = office_servers()
    direct = ToolCall(id="c2", name="math__add", arguments={"a": 1, "b": 1})
    async with env.worker(ScriptedModel([ADD, direct, "Done."]), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Add.", proxy_agent(env))

        assert (await env.tool_results(handle))[1].content == (
            "There is no tool 'math__add'. Your tools: mcp_search, mcp_describe, mcp_call. Call that one by mcp_call."
        )


async def test_an_unknown_outcome_is_asked_about_by_the_tools_name(env: TaskEnvironment) -> None:
    def cut_off(_: Mapping[str, JsonValue], __: ToolContext) -> JsonValue:
        raise ToolInterrupted("The connection was lost.")

    servers = ScriptedMcpServers({"mail": ScriptedMcpServer({"send": ScriptedMcpTool(cut_off)})})
    async with env.worker(ScriptedModel([SEND, "Done."]), *proxy_tools(servers), mcp=servers):
        handle = await env.start("Send.", proxy_agent(env, policy=ALLOWED))
        (request,) = await pending_requests(handle)
        assert (request.kind, request.tool) == ("unknown_outcome", "mail__send")
        await answer(handle, request, "happened", result="Sent, as I see.")
        await env.result(handle)

        (result,) = await env.tool_results(handle)
        types = [event.type for event in await tool_events(env, handle)]
    assert (result.name, result.content) == ("mcp_call", "Sent, as I see.")
    assert types == ["tool.started", "tool.interrupted", "tool.completed"]


async def test_tools_that_were_described_are_carried_over_continue_as_new(short_history_env: TaskEnvironment) -> None:
    env, servers = short_history_env, office_servers()

    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        return "Done." if step == 12 else proxied(f"c{step}", "math", "add", {"a": step, "b": 1})

    async with env.worker(ScriptedModel(script), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("Count.", proxy_agent(env))
        results = await env.tool_results(handle)
        description = await handle.describe()
        first_run = description.raw_description.workflow_execution_info.first_run_id
        events = await tool_events(env, handle)
    assert first_run != description.run_id
    assert [each.content for each in results] == [str(step + 1) for step in range(12)]
    assert servers.servers["math"].list_count == 1
    calls = [event.data["call"] for event in events if event.type == "tool.started"]
    assert calls
    assert all(isinstance(call, dict) and call["name"] == "math__add" for call in calls)


async def test_another_worker_goes_on_with_the_tools_that_the_first_described(env: TaskEnvironment) -> None:
    servers, approver = office_servers(mailbox := Mailbox()), ScriptedModel([SEND])
    agent = proxy_agent(env)
    async with env.worker(approver, *proxy_tools(servers), mcp=servers):
        handle = await env.start("Send.", agent)
        (request,) = await pending_requests(handle)
    again = proxied("c2", "mail", "send", {"text": 7})
    async with env.worker(ScriptedModel([again, "Done."]), *proxy_tools(servers), mcp=servers):
        await answer(handle, request, "approve")
        await env.result(handle)

        sent, refused = await env.tool_results(handle)
    assert sent.content == "Sent."
    assert refused.content.startswith("The arguments of mail__send are wrong")
    assert len(mailbox.sent) == 1
    assert servers.servers["mail"].list_count == 1


class SlowServers(ScriptedMcpServers):
    """Servers whose tools are listed when a gate opens."""

    def __init__(self, servers: ScriptedMcpServers) -> None:
        super().__init__(servers.servers)
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def list_tools(self, server: str) -> Sequence[ToolSpec]:
        self.asked.set()
        await self.gate.wait()
        return await super().list_tools(server)


async def test_a_person_interrupts_the_description_and_nothing_is_called(env: TaskEnvironment) -> None:
    servers = SlowServers(office_servers(mailbox := Mailbox()))
    model = ScriptedModel([SEND, "Stopped."])
    async with env.worker(model, *proxy_tools(servers), mcp=servers):
        handle = await env.start("Send.", proxy_agent(env, policy=ALLOWED))
        await asyncio.wait_for(servers.asked.wait(), TIMEOUT_S)
        await handle.signal("send_message", {"text": "Stop!", "mode": "interrupt"})
        result = await env.result(handle)

        (refused,) = await env.tool_results(handle)
    assert result.output == "Stopped."
    assert refused.content == "Not called: a person interrupted. Read their message first."
    assert model.requests[1].messages[-1].text == "Stop!"
    assert mailbox.sent == []


async def test_a_task_is_cancelled_while_a_tool_is_described(env: TaskEnvironment) -> None:
    servers = SlowServers(office_servers())
    async with env.worker(ScriptedModel([ADD]), *proxy_tools(servers), mcp=servers):
        handle = await env.start("Add.", proxy_agent(env))
        await asyncio.wait_for(servers.asked.wait(), TIMEOUT_S)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await env.result(handle)
        assert (await handle.query(AgentTask.status)).status == "cancelled"


async def test_a_paused_task_describes_no_tool(env: TaskEnvironment) -> None:
    servers, asked, gate = office_servers(), asyncio.Event(), asyncio.Event()

    async def script(request: ModelRequest) -> ScriptedResponse:
        if request.messages[-1].role == "tool":
            return "Done."
        asked.set()
        await gate.wait()
        return ADD

    async with env.worker(ScriptedModel(script), *proxy_tools(servers), mcp=servers):
        handle = await env.start("Add.", proxy_agent(env))
        await asyncio.wait_for(asked.wait(), TIMEOUT_S)
        await handle.execute_update("pause")
        gate.set()
        async with asyncio.timeout(TIMEOUT_S):
            while (await activity_results(env, handle)) < 1:
                pass
        assert (await handle.query(AgentTask.status)).steps == 1
        assert await activity_types(env, handle) == ["request_model"]
        await handle.execute_update("resume")
        await env.result(handle)
        assert "describe_mcp_tools" in await activity_types(env, handle)


async def activity_results(env: TaskEnvironment, handle: Handle) -> int:
    completed = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
    return sum(event.event_type == completed for event in await env.history(handle))


async def test_one_of_300_tools_is_found_and_called(env: TaskEnvironment) -> None:
    def answering(name: str) -> ScriptedMcpTool:
        return ScriptedMcpTool(lambda *_: name, effect="pure", description=f"Reads the {name} of a machine.")

    servers = ScriptedMcpServers(
        {
            f"plant{number}": ScriptedMcpServer(
                {f"read_gauge_{number}_{each}": answering(f"gauge {number} {each}") for each in range(60)}
            )
            for number in range(5)
        }
    )
    servers.servers["plant3"].tools["read_temperature"] = answering("temperature")
    calls = [
        ToolCall(id="c1", name="mcp_search", arguments={"query": "temperature of the machine", "limit": 3}),
        proxied("c2", "plant3", "read_temperature"),
    ]
    async with env.worker(ScriptedModel([*calls, "Done."]), *proxy_tools(servers), mcp=servers):
        _, handle = await env.run("How warm is it?", proxy_agent(env))

        searched, called = await env.tool_results(handle)
        history = await env.history(handle)
    assert searched.content.startswith('{"tools": [{"server": "plant3", "tool": "read_temperature"')
    assert called.content == "temperature"
    assert sum(event.ByteSize() for event in history) < 40_000


async def test_react_calls_a_tool_of_a_server(env: TaskEnvironment) -> None:
    action = '{"server": "math", "tool": "add", "arguments": {"a": 2, "b": 3}}'
    responses = [f"Thought: sum\nAction: mcp_call\nAction Input: {action}", "Thought: done\nFinal Answer: 5"]
    servers = office_servers()
    async with env.worker(ScriptedModel(responses), *proxy_tools(servers), mcp=servers):
        result, handle = await env.run("Add.", proxy_agent(env, planner="react"))

        assert result.output == "5"
        assert [(each.name, each.content) for each in await env.tool_results(handle)] == [("mcp_call", "5")]
        started, completed = await tool_events(env, handle)
    call = started.data["call"]
    assert isinstance(call, dict)
    assert (call["name"], call["arguments"]) == ("math__add", {"a": 2, "b": 3})
    assert completed.type == "tool.completed"


async def test_the_server_of_a_proxied_call_asks_a_person_and_the_model(env: TaskEnvironment) -> None:
    async def script(request: ModelRequest) -> ScriptedResponse:
        if not request.tools:
            return "Time, lime."
        return "Done." if request.messages[-1].role == "tool" else proxied("c1", "travel", "book", {})

    bookings = Bookings(required(ASKED, SAMPLING), "Booked.")
    servers = bookings.servers(sampling="allow")
    async with env.worker(ScriptedModel(script), *proxy_tools(servers), mcp=servers):
        handle = await env.start("Book.", proxy_agent(env, policy=ALLOWED))
        (request,) = await pending_requests(handle)
        assert (request.tool, request.call_id) == ("travel__book", "c1")
        assert request.message == "MCP server travel asks: Which seat?"
        await answer(handle, request, "answer", answer={"seat": "4A"})
        result = await env.result(handle)

        assert [(each.name, each.content) for each in await env.tool_results(handle)] == [("mcp_call", "Booked.")]
        assert [entry[2] for entry in await ledger(handle)] == ["not_done", "done"]
        assert [event.type for event in await tool_events(env, handle)] == ["tool.started", "tool.completed"]
    assert result.usage.model_calls == 3
    resumed = bookings.contexts[1].mcp
    assert resumed is not None
    assert set(resumed.inputs or {}) == {"seat", "text"}
