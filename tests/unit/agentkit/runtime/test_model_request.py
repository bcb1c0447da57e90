from __future__ import annotations

import pytest

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import ContextUse, ModelDelta, ModelResponse
from agentkit.messages import Message, ToolCall, Usage, user_message
from agentkit.runtime.model_request import request_model
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec, CompactionSettings, ToolSpec
from agentkit.testing import ScriptedModel

AGENT = AgentSpec(
    name="a",
    models=("demo:first", "demo:second"),
    planner="tools",
    instructions="Be brief.",
    tools=(ToolSpec(name="look", description="", parameters={}),),
)
MESSAGES = [
    user_message("hello"),
    Message(role="assistant", parts=(ToolCall(id="c", name="look"),)),
]


async def test_the_request_holds_the_agents_instructions_and_tools_and_the_messages() -> None:
    model = ScriptedModel(["fine"])
    response = await request_model(
        model, AGENT, MESSAGES, checker=InlineOutputChecker(), name="demo:second", step=2, attempt=3
    )
    (request,) = model.requests
    assert (request.model, request.attempt, request.system) == ("demo:second", 3, "Be brief.")
    assert (list(request.messages), tuple(request.tools)) == (MESSAGES, AGENT.tools)
    assert response.message.text == "fine"


async def test_call_ids_that_the_transcript_has_already_are_replaced() -> None:
    model = ScriptedModel(
        [
            (
                ToolCall(id="c", name="look"),
                ToolCall(id="", name="look"),
            )
        ]
    )
    response = await request_model(model, AGENT, MESSAGES, checker=InlineOutputChecker(), name="demo:first", step=2)
    ids = [call.id for call in response.message.tool_calls]
    assert len({*ids, "c", ""}) == 4


@pytest.mark.parametrize(
    ("cost_usd", "unpriced_calls"), [(None, 1), (0.0, 0), (0.5, 0)], ids=["unknown", "free", "known"]
)
async def test_a_response_without_a_cost_counts_as_an_unpriced_call(
    cost_usd: float | None, unpriced_calls: int
) -> None:
    scripted = ModelResponse(
        message=Message(role="assistant", parts=()), stop_reason="end", usage=Usage(cost_usd=cost_usd, model_calls=1)
    )
    response = await request_model(
        ScriptedModel([scripted]), AGENT, MESSAGES, checker=InlineOutputChecker(), name="demo:first", step=1
    )
    assert (response.usage.cost_usd, response.usage.unpriced_calls) == (cost_usd, unpriced_calls)


async def test_deltas_go_to_emit() -> None:
    deltas: list[ModelDelta] = []
    await request_model(
        ScriptedModel(["hi there"]),
        AGENT,
        MESSAGES,
        checker=InlineOutputChecker(),
        name="demo:first",
        step=2,
        emit=deltas.append,
    )
    assert "".join(delta.text for delta in deltas) == "hi there"


async def test_an_error_of_the_model_is_raised_as_it_is() -> None:
    with pytest.raises(ModelUnavailable, match="overloaded"):
        await request_model(
            ScriptedModel([ModelUnavailable("overloaded")]),
            AGENT,
            MESSAGES,
            checker=InlineOutputChecker(),
            name="demo:x",
            step=2,
        )


@pytest.mark.parametrize(("window", "reached"), [(1_000, False), (10, True)])
async def test_the_response_says_when_the_transcript_takes_too_much_of_the_window(window: int, reached: bool) -> None:
    agent = AGENT.model_copy(update={"compaction": CompactionSettings.model_construct(window=window)})
    response = await request_model(
        ScriptedModel(["fine"]), agent, MESSAGES, checker=InlineOutputChecker(), name="demo:first", step=2
    )
    assert response.context == (ContextUse(tokens=15, window=window) if reached else None)
