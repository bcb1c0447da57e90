from __future__ import annotations

import asyncio

import pytest
from pydantic import JsonValue

from agentkit.errors import (
    ContextTooLong,
    LimitExceeded,
    MessageTooLong,
    ModelNotAuthorized,
    ModelRequestRejected,
    ModelUnavailable,
    NotDone,
    ToolUnavailable,
)
from agentkit.interfaces import ModelDelta, ModelRequest, ToolContext
from agentkit.llm import DemoModel
from agentkit.messages import Message, ToolCall, ToolResult, user_message
from agentkit.policy_rules import PolicyRule
from agentkit.runtime.local_runner import LocalRunner
from agentkit.specs import AgentSpec, CompactionSettings, Limits
from agentkit.testing import ScriptedCompactor, ScriptedModel, ScriptedResponse
from agentkit.token_estimates import message_tokens
from agentkit.tools import Done, ToolRegistry, tool


def call(name: str, id: str = "c", /, **arguments: str | int) -> ToolCall:
    return ToolCall(id=id, name=name, arguments={**arguments})


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


@tool(effect="idempotent")
def key(context: ToolContext) -> str:
    return context.idempotency_key


@tool(effect="pure")
def unavailable() -> str:
    raise ToolUnavailable("The station is closed. Try again tomorrow.")


TOOLS = ToolRegistry([double, key, unavailable])


def agent(planner: str = "tools", models: tuple[str, ...] = ("demo:demo",), limits: Limits | None = None) -> AgentSpec:
    return AgentSpec(name="a", models=models, planner=planner, tools=tuple(TOOLS.specs()), limits=limits or Limits())


def results(message: Message) -> list[tuple[str, bool]]:
    """Return the content of a message's tool results, and whether each is an error."""
    return [(part.content, part.is_error) for part in message.parts if isinstance(part, ToolResult)]


async def test_a_task_calls_its_tools_and_the_last_response_is_its_output() -> None:
    model = ScriptedModel([call("double", number=21), "It is 42."])
    result = await LocalRunner({"demo": model}, TOOLS).run(agent(), "Double 21.")
    assert (result.output, result.steps) == ("It is 42.", 2)
    assert (result.usage.model_calls, result.usage.tool_calls, result.usage.tokens) == (2, 1, 30)
    assert [message.role for message in result.transcript] == ["user", "assistant", "tool", "assistant"]
    assert results(result.transcript[2]) == [("42", False)]


async def test_each_request_holds_the_transcript_so_far_and_the_agents_tools() -> None:
    model = ScriptedModel([call("double", number=21), "It is 42."])
    result = await LocalRunner({"demo": model}, TOOLS).run(agent(), user_message("Double 21."))
    assert [tuple(request.messages) for request in model.requests] == [result.transcript[:1], result.transcript[:3]]
    assert list(model.requests[0].tools) == list(TOOLS.specs())


async def test_every_call_has_an_idempotency_key_of_its_own_even_where_ids_repeat() -> None:
    model = ScriptedModel([(call("key"), call("key")), call("key"), "done"])
    result = await LocalRunner({"demo": model}, TOOLS).run(agent(), "go", task_id="task-1")
    keys = [content for message in result.transcript for content, _ in results(message)]
    assert keys[0] == "task-1/c"
    assert len(set(keys)) == 3


async def test_an_unavailable_tool_is_called_once_and_the_task_continues() -> None:
    model = ScriptedModel([call("unavailable"), "sorry"])
    result = await LocalRunner({"demo": model}, TOOLS).run(agent(), "go")
    assert results(result.transcript[2]) == [("The station is closed. Try again tomorrow.", True)]
    assert result.output == "sorry"


async def test_deltas_of_the_responses_go_to_emit() -> None:
    deltas: list[ModelDelta] = []
    await LocalRunner({"demo": ScriptedModel(["hi there"])}, TOOLS).run(agent(), "go", emit=deltas.append)
    assert "".join(delta.text for delta in deltas) == "hi there"


async def test_the_placeholder_planner_needs_no_model() -> None:
    result = await LocalRunner({}, TOOLS).run(agent("placeholder"), "echo this")
    assert result.output == "echo this"


async def test_a_reached_limit_is_raised() -> None:
    model = ScriptedModel.by_step([call("double", number=1)] * 3)
    with pytest.raises(LimitExceeded, match="max_steps is 2"):
        await LocalRunner({"demo": model}, TOOLS).run(agent(limits=Limits(max_steps=2)), "go")
    assert len(model.requests) == 2


async def test_the_deadline_is_raised_as_a_limit() -> None:
    async def respond_never(_: ModelRequest) -> ScriptedResponse:
        await asyncio.Event().wait()
        return "never"

    runner = LocalRunner({"demo": ScriptedModel(respond_never)}, TOOLS)
    with pytest.raises(LimitExceeded, match=r"deadline is 0\.01 s"):
        await runner.run(agent(limits=Limits(deadline=0.01)), "go")


async def test_a_timeout_error_of_a_model_client_is_not_taken_for_the_deadline() -> None:
    runner = LocalRunner({"demo": ScriptedModel([TimeoutError("no route")])}, TOOLS)
    with pytest.raises(TimeoutError, match="no route"):
        await runner.run(agent(limits=Limits(deadline=60)), "go")


async def test_a_provider_without_a_model_is_named_in_the_error() -> None:
    with pytest.raises(ModelRequestRejected, match="'demo' of 'demo:demo'"):
        await LocalRunner({}, TOOLS).run(agent(), "go")


async def test_each_model_of_the_chain_is_requested_by_its_provider_until_none_is_left() -> None:
    first = ScriptedModel([call("double", number=1), ModelNotAuthorized("first key", status=401)])
    second = ScriptedModel([ModelNotAuthorized("second key", status=401)])
    runner = LocalRunner({"first": first, "second": second}, TOOLS)
    with pytest.raises(ModelNotAuthorized, match="second key"):
        await runner.run(agent(models=("first:m", "second:m")), "go")
    assert [request.model for request in (*first.requests, *second.requests)] == ["first:m", "first:m", "second:m"]


WORDS = "word " * 80


@tool(effect="irreversible", approval="never")
def pay(number: int) -> str:
    return f"paid {number}"


@tool(effect="pure")
def read(number: int) -> str:
    return f"{number}: {WORDS}"


PAYMENTS = ToolRegistry([pay, read])
LONG_TASK = "\n".join(['call pay {"number": 17}', *(f'call read {{"number": {n}}}' for n in range(25)), "say Done."])


def paying_agent(**compaction: object) -> AgentSpec:
    settings = CompactionSettings.model_validate(compaction)
    return agent().model_copy(update={"tools": tuple(PAYMENTS.specs()), "compaction": settings})


async def test_a_long_task_goes_on_with_a_shorter_transcript() -> None:
    result = await LocalRunner({"demo": DemoModel()}, PAYMENTS).run(paying_agent(window=2_500), LONG_TASK)
    assert (result.output, result.steps) == ("Done.", 27)
    assert result.usage.tool_calls == 26
    summaries = [message for message in result.transcript if message.source == "compaction"]
    assert len(summaries) == 1
    assert 'pay {"number": 17} was done at' in summaries[0].text
    assert result.usage.model_calls > 27
    assert result.transcript[0].text == LONG_TASK


async def test_a_transcript_that_is_refused_as_too_long_is_shortened_and_sent_again() -> None:
    demo = DemoModel()

    async def respond(request: ModelRequest) -> ScriptedResponse:
        if message_tokens(request.messages) > 1_500:
            return ContextTooLong("1,500 tokens at most")
        return await demo.respond(request)

    result = await LocalRunner({"demo": ScriptedModel(respond)}, PAYMENTS).run(paying_agent(), LONG_TASK)
    assert (result.output, result.steps) == ("Done.", 27)
    assert len(result.transcript) < 27


async def test_a_message_that_is_longer_than_the_window_fails_with_the_numbers() -> None:
    model = ScriptedModel([ContextTooLong("1,000 tokens at most")] * 9)
    with pytest.raises(MessageTooLong, match=r"context window of demo:demo, 1,000 tokens.* 10,000"):
        await LocalRunner({"demo": model}, PAYMENTS).run(paying_agent(window=1_000), "x" * 40_000)


async def test_a_task_whose_summary_fails_goes_on_without() -> None:
    compactor = ScriptedCompactor(failures=[ModelUnavailable("busy")] * 99)
    runner = LocalRunner({"demo": DemoModel()}, PAYMENTS, compactor=compactor)
    result = await runner.run(paying_agent(window=2_500), LONG_TASK)
    assert result.output == "Done."
    assert compactor.requests[0].reason == "share"
    assert len(result.transcript) == 54


async def test_where_compaction_is_off_nothing_is_shortened() -> None:
    compactor = ScriptedCompactor()
    runner = LocalRunner({"demo": DemoModel()}, PAYMENTS, compactor=compactor)
    result = await runner.run(paying_agent(window=2_500, off=True), LONG_TASK)
    assert compactor.requests == []
    assert len(result.transcript) == 54


async def test_a_payment_that_arrives_after_the_first_probe_is_found_by_the_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agentkit.runtime.local_runner.PROBE_INTERVAL_S", 0.0)
    outcomes: list[Done | NotDone] = [Done("receipt 7"), NotDone("no such payment")]

    def find(key: str, arguments: dict[str, JsonValue]) -> Done | NotDone:
        return outcomes.pop()

    @tool(effect="irreversible", probe=find)
    def pay() -> str:
        raise ConnectionResetError("reset by peer")

    rules = (PolicyRule(tool="pay", then="allow"),)
    spec = AgentSpec(name="a", models=("demo:demo",), planner="tools", tools=(pay.spec,), policy=rules)
    model = ScriptedModel([call("pay"), "Paid."])
    result = await LocalRunner({"demo": model}, ToolRegistry([pay])).run(spec, "Pay.")
    assert result.output == "Paid."
    assert results(model.requests[1].messages[-1]) == [("receipt 7", False)]
    assert not outcomes
