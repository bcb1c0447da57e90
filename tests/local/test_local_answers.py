"""A real language model on this machine answers, acts and streams."""

from __future__ import annotations

import pytest

from agentkit.driver import Driver
from agentkit.errors import ContextTooLong
from agentkit.interfaces import Model, ModelDelta, ModelRequest
from agentkit.messages import ToolResult, user_message
from agentkit.specs import AgentSpec, Limits, ModelSettings
from agentkit.tools import ToolRegistry, builtin_tools

pytestmark = [pytest.mark.local, pytest.mark.asyncio(loop_scope="module")]

QUESTION = "What is the capital of France?"
TOOLS = ToolRegistry(builtin_tools(None))
ACTS = """\
Example. Question: What is 2+3?
Step 1: {"thought": "I need the calculator.", "action": {"name": "calculator", "arguments": {"expression": "2+3"}}}
Observation: 5.
Step 2: {"thought": "I know it.", "action": {"name": "finish", "arguments": {"answer": "5"}}}"""


def agent(planner: str, instructions: str) -> AgentSpec:
    return AgentSpec(
        name="a",
        models=("local:smollm2",),
        planner=planner,
        instructions=instructions,
        tools=(TOOLS.get("calculator").spec,),
        limits=Limits(max_steps=4),
    )


def request(question: str, **settings: int) -> ModelRequest:
    return ModelRequest(
        model="local:smollm2",
        system="You are a helpful assistant.",
        messages=(user_message(question),),
        settings=ModelSettings(**settings),
    )


async def test_it_knows_the_capital_of_france(model: Model) -> None:
    response = await model.respond(request(QUESTION))
    assert "Paris" in response.message.text
    assert response.stop_reason == "end"
    assert 0 < response.usage.output_tokens < response.usage.input_tokens


async def test_the_deltas_make_up_the_answer(model: Model) -> None:
    deltas: list[ModelDelta] = []
    response = await model.respond(request("Name three colours."), deltas.append)
    assert len(deltas) > 3
    assert {delta.kind for delta in deltas} == {"text"}
    assert "".join(delta.text for delta in deltas) == response.message.text


async def test_an_agent_calls_the_calculator_by_schema_and_ends(model: Model) -> None:
    outcome = await Driver({"local": model}, TOOLS).run(agent("react", ACTS), "What is 6*7?")
    results = [part for message in outcome.transcript for part in message.parts if isinstance(part, ToolResult)]
    assert [(result.name, result.content, result.is_error) for result in results] == [("calculator", "42", False)]
    assert outcome.output == "42"


async def test_an_agent_whose_planner_needs_native_calls_answers_all_the_same_and_the_log_says_so(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Driver({"local": model}, TOOLS)
    asked = agent("tools", "You are a helpful assistant. Answer briefly and plainly.")
    outcomes = [await driver.run(asked, QUESTION) for _ in range(2)]
    assert ["Paris" in str(outcome.output) for outcome in outcomes] == [True, True]
    assert [record.message for record in caplog.records if "planner: react" in record.message] == [
        "local:smollm2 makes no tool calls, and isn't told of the agent's tools. To have it use them: planner: react"
    ]


async def test_an_output_limit_is_kept(model: Model) -> None:
    response = await model.respond(request("Tell me a long story.", max_output_tokens=8))
    assert response.stop_reason == "length"
    assert response.usage.output_tokens == 8


async def test_a_question_longer_than_the_context_window_is_refused_with_the_numbers(model: Model) -> None:
    with pytest.raises(ContextTooLong, match=r"9\d\d\d tokens.*8192 tokens"):
        await model.respond(request("hello " * 9_000))
