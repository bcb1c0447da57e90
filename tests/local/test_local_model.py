"""A real language model on this machine responds, calls tools and streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.catalog.catalog import load_catalog
from agentkit.config.agent_settings import AgentSettings
from agentkit.errors import ContextTooLong
from agentkit.interfaces import Model, ModelDelta, ModelRequest
from agentkit.messages import ToolResult, user_message
from agentkit.runtime.local_runner import LocalRunner
from agentkit.specs import AgentSpec, Limits, ModelSettings
from agentkit.tools import ToolRegistry, builtin_tools

pytestmark = [pytest.mark.local, pytest.mark.asyncio(loop_scope="module")]

QUESTION = "What is the capital of France?"
TOOLS = ToolRegistry(builtin_tools(None))


def agent(planner: str, instructions: str) -> AgentSpec:
    return AgentSpec(
        name="a",
        models=("local:smollm2",),
        planner=planner,
        instructions=instructions,
        tools=(TOOLS.get("calculator").spec,),
        limits=Limits(max_steps=4),
        model_settings=ModelSettings(max_output_tokens=120),
    )


def request(question: str, max_output_tokens: int | None = None) -> ModelRequest:
    return ModelRequest(
        model="local:smollm2",
        system="You are a helpful assistant.",
        messages=(user_message(question),),
        settings=ModelSettings(max_output_tokens=max_output_tokens),
    )


async def test_it_names_the_capital_of_france(model: Model) -> None:
    response = await model.respond(request(QUESTION))
    assert "Paris" in response.message.text
    assert response.stop_reason == "end"
    assert 0 < response.usage.output_tokens < response.usage.input_tokens


async def test_the_deltas_add_up_to_the_response(model: Model) -> None:
    deltas: list[ModelDelta] = []
    response = await model.respond(request("Name three colours."), deltas.append)
    assert len(deltas) > 3
    assert {delta.kind for delta in deltas} == {"text"}
    assert "".join(delta.text for delta in deltas) == response.message.text


@pytest.mark.parametrize("planner_tools", [("calculator",), ("calculator", "current_time", "http_fetch")])
async def test_a_react_agent_calls_the_calculator_and_gives_its_result(
    model: Model, planner_tools: tuple[str, ...]
) -> None:
    spec = agent("react", "").model_copy(update={"tools": tuple(TOOLS.get(name).spec for name in planner_tools)})
    outcome = await LocalRunner({"local": model}, TOOLS).run(spec, "What is 6*7?")
    results = [part for message in outcome.transcript for part in message.parts if isinstance(part, ToolResult)]
    assert [(result.name, result.content) for result in results] == [("calculator", "42")]
    assert outcome.output == "42"


async def test_the_default_assistant_answers_the_questions_of_the_docs_with_react(model: Model, tmp_path: Path) -> None:
    settings = AgentSettings(app_dir=tmp_path, tool_host="inline")
    changed = {"default_provider": "local", "default_model": "smollm2", "default_planner": "react"}
    catalog = load_catalog(settings.model_copy(update=changed))
    runner = LocalRunner({"local": model}, catalog.toolset)
    spec = catalog.spec("assistant")
    spec = spec.model_copy(update={"model_settings": ModelSettings(max_output_tokens=120)})
    sum_, capital = [await runner.run(spec, question) for question in ("What is 6*7?", QUESTION)]
    assert sum_.output == "42"
    assert "Paris" in str(capital.output)


async def test_an_agent_whose_planner_needs_native_calls_finishes_and_the_log_has_one_warning(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    runner = LocalRunner({"local": model}, TOOLS)
    spec = agent("tools", "You are a helpful assistant. Answer briefly and plainly.")
    outcomes = [await runner.run(spec, QUESTION) for _ in range(2)]
    assert ["Paris" in str(outcome.output) for outcome in outcomes] == [True, True]
    assert [record.message for record in caplog.records if "planner: react" in record.message] == [
        "local:smollm2 makes no tool calls, so the agent's tools are left out. To have it use them: planner: react"
    ]


async def test_an_output_limit_is_kept(model: Model) -> None:
    response = await model.respond(request("Tell me a long story.", max_output_tokens=8))
    assert response.stop_reason == "length"
    assert response.usage.output_tokens == 8


async def test_a_request_longer_than_the_context_window_is_rejected_with_both_numbers(model: Model) -> None:
    with pytest.raises(ContextTooLong, match=r"9\d\d\d tokens.*8192 tokens"):
        await model.respond(request("hello " * 9_000))
