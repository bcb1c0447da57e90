from __future__ import annotations

import asyncio

import pytest

from agentkit.errors import LimitExceeded, ModelNotAuthorized, ModelRequestRejected, ToolUnavailable
from agentkit.interfaces import ModelDelta, ModelRequest, ToolContext
from agentkit.messages import Message, ToolCall, ToolResult, user_message
from agentkit.runtime.local_runner import LocalRunner
from agentkit.runtime.tool_results import MAX_RESULT_CHARS
from agentkit.specs import AgentSpec, Limits
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry, tool


def call(name: str, id: str = "c", /, **arguments: str | int) -> ToolCall:
    return ToolCall(id=id, name=name, arguments={**arguments})


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


@tool(effect="idempotent")
def key(context: ToolContext) -> str:
    return context.idempotency_key


@tool(effect="pure")
def big() -> str:
    return "#" * 1_000_000


@tool(effect="pure")
def broken() -> str:
    raise ValueError("the disk is full")


@tool(effect="pure")
def away() -> str:
    raise ToolUnavailable("The station is away. Ask again tomorrow.")


@tool(effect="pure", timeout="10ms")
async def slow() -> str:
    await asyncio.Event().wait()
    return "never"


TOOLS = ToolRegistry([double, key, big, broken, away, slow])


def agent(planner: str = "tools", limits: Limits | None = None) -> AgentSpec:
    return AgentSpec(
        name="a", models=("demo:demo",), planner=planner, tools=tuple(TOOLS.specs()), limits=limits or Limits()
    )


def results(message: Message) -> list[tuple[str, bool]]:
    return [(part.content, part.is_error) for part in message.parts if isinstance(part, ToolResult)]


async def test_a_task_goes_through_its_tools_to_an_answer() -> None:
    model = ScriptedModel([call("double", number=21), "It is 42."])
    outcome = await LocalRunner({"demo": model}, TOOLS).run(agent(), "Double 21.")
    assert (outcome.output, outcome.steps) == ("It is 42.", 2)
    assert (outcome.usage.model_calls, outcome.usage.tool_calls, outcome.usage.tokens) == (2, 1, 30)
    assert [message.role for message in outcome.transcript] == ["user", "assistant", "tool", "assistant"]
    assert results(outcome.transcript[2]) == [("42", False)]


async def test_the_model_is_asked_with_the_transcript_so_far() -> None:
    model = ScriptedModel([call("double", number=21), "It is 42."])
    outcome = await LocalRunner({"demo": model}, TOOLS).run(agent(), user_message("Double 21."))
    assert [tuple(request.messages) for request in model.requests] == [outcome.transcript[:1], outcome.transcript[:3]]
    assert list(model.requests[0].tools) == list(TOOLS.specs())


async def test_the_calls_of_a_step_run_in_parallel_and_answer_in_their_order() -> None:
    both = asyncio.Barrier(2)

    @tool(effect="pure")
    async def meet(name: str) -> str:
        await both.wait()
        return name

    tools = ToolRegistry([meet])
    spec = agent().model_copy(update={"tools": tuple(tools.specs())})
    model = ScriptedModel([(call("meet", "1", name="first"), call("meet", "2", name="second")), "met"])
    async with asyncio.timeout(5):
        outcome = await LocalRunner({"demo": model}, tools).run(spec, "go")
    assert results(outcome.transcript[2]) == [("first", False), ("second", False)]


async def test_every_call_has_its_own_idempotency_key_even_where_ids_repeat() -> None:
    model = ScriptedModel([(call("key"), call("key")), call("key"), "done"])
    outcome = await LocalRunner({"demo": model}, TOOLS).run(agent(), "go", task_id="task-1")
    keys = [content for message in outcome.transcript for content, _ in results(message)]
    assert keys[0] == "task-1/c"
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param(call("broken"), "the disk is full", id="it raises"),
        pytest.param(call("away"), "Ask again tomorrow", id="it is unavailable"),
        pytest.param(call("slow"), "slow timed out after 0.01 s", id="it is too slow"),
        pytest.param(call("double", number="many"), "number", id="wrong arguments"),
        pytest.param(call("tripel"), "There is no tool 'tripel'", id="it isn't there"),
    ],
)
async def test_a_failing_tool_is_told_to_the_model_and_the_task_goes_on(asked: ToolCall, told: str) -> None:
    outcome = await LocalRunner({"demo": ScriptedModel([asked, "sorry"])}, TOOLS).run(agent(), "go")
    ((content, is_error),) = results(outcome.transcript[2])
    assert (told in content, is_error, outcome.output) == (True, True, "sorry")


async def test_a_large_result_is_bounded() -> None:
    outcome = await LocalRunner({"demo": ScriptedModel([call("big"), "ok"])}, TOOLS).run(agent(), "go")
    assert len(results(outcome.transcript[2])[0][0]) <= MAX_RESULT_CHARS


async def test_an_empty_answer_is_fed_back() -> None:
    model = ScriptedModel(["", "better"])
    outcome = await LocalRunner({"demo": model}, TOOLS).run(agent(), "go")
    assert outcome.output == "better"
    assert model.requests[1].messages[-1].source == "planner"


async def test_deltas_reach_the_listener() -> None:
    heard: list[ModelDelta] = []
    await LocalRunner({"demo": ScriptedModel(["hi there"])}, TOOLS).run(agent(), "go", emit=heard.append)
    assert "".join(delta.text for delta in heard) == "hi there"


async def test_the_placeholder_asks_no_model() -> None:
    outcome = await LocalRunner({}, TOOLS).run(agent("placeholder"), "back to me")
    assert outcome.output == "back to me"


async def test_a_spent_limit_ends_the_task() -> None:
    model = ScriptedModel.by_step([call("double", number=1)] * 3)
    with pytest.raises(LimitExceeded, match="max_steps is 2"):
        await LocalRunner({"demo": model}, TOOLS).run(agent(limits=Limits(max_steps=2)), "go")
    assert len(model.requests) == 2


async def test_the_deadline_ends_the_task_as_a_limit() -> None:
    async def never(_: ModelRequest) -> ScriptedResponse:
        await asyncio.Event().wait()
        return "never"

    driver = LocalRunner({"demo": ScriptedModel(never)}, TOOLS)
    with pytest.raises(LimitExceeded, match=r"deadline is 0\.01 s"):
        await driver.run(agent(limits=Limits(deadline=0.01)), "go")


async def test_the_failure_of_a_model_ends_the_task() -> None:
    with pytest.raises(ModelNotAuthorized, match="bad key"):
        await LocalRunner({"demo": ScriptedModel([ModelNotAuthorized("bad key")])}, TOOLS).run(agent(), "go")


async def test_a_provider_that_was_not_given_is_named() -> None:
    with pytest.raises(ModelRequestRejected, match="'demo' of 'demo:demo'"):
        await LocalRunner({}, TOOLS).run(agent(), "go")


async def test_when_a_model_fails_the_next_of_the_chain_takes_over_and_stays() -> None:
    first = ScriptedModel([ToolCall(id="1", name="look"), ModelNotAuthorized("wrong key", status=401)])
    second = ScriptedModel(["done"])
    agent = AgentSpec(name="a", models=("first:m", "second:m"), planner="tools")
    outcome = await LocalRunner({"first": first, "second": second}, ToolRegistry([])).run(agent, "Go.")
    assert outcome.output == "done"
    assert [request.model for request in (*first.requests, *second.requests)] == ["first:m", "first:m", "second:m"]


async def test_when_no_model_is_left_the_last_ones_error_ends_the_task() -> None:
    models = {name: ScriptedModel([ModelNotAuthorized(name, status=401)]) for name in ("first", "second")}
    agent = AgentSpec(name="a", models=("first:m", "second:m"), planner="tools")
    with pytest.raises(ModelNotAuthorized, match="second"):
        await LocalRunner(models, ToolRegistry([])).run(agent, "Go.")
