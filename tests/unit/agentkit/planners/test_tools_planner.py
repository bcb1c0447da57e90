from __future__ import annotations

import pytest

from agentkit.interfaces import CallTools, Finish, ModelResponse, Retry, StopReason
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolCall, Usage, user_message
from agentkit.planners import ToolsPlanner
from agentkit.specs import AgentSpec, ToolSpec

CALL = ToolCall(id="1", name="look")
AGENT = AgentSpec(name="a", models=("demo:one",), planner="tools")


def response(*parts: ContentPart, stop: StopReason) -> ModelResponse:
    return ModelResponse(message=Message(role="assistant", parts=parts), stop_reason=stop, usage=Usage())


def test_instructions_transcript_and_tools_are_in_the_request_unchanged() -> None:
    tool = ToolSpec(name="look", description="", parameters={})
    agent = AgentSpec(name="a", models=("demo:one", "demo:two"), planner="tools", instructions="Be kind.")
    transcript = [user_message("hi")]
    request = ToolsPlanner().render(agent, transcript, [tool])
    assert (request.model, request.system) == ("demo:one", "Be kind.")
    assert (request.messages, request.tools) == (transcript, [tool])


def test_every_step_needs_a_model() -> None:
    assert ToolsPlanner().response_without_model([user_message("hi")]) is None


@pytest.mark.parametrize("stop", ["end", "tool_calls", "refusal"])
def test_tool_calls_are_made_for_every_stop_reason(stop: StopReason) -> None:
    decision = ToolsPlanner().decide(response(TextPart(text="let me look"), CALL, stop=stop), AGENT)
    assert decision == CallTools((CALL,))


@pytest.mark.parametrize("stop", ["end", "tool_calls", "refusal"])
def test_text_without_a_tool_call_is_the_output(stop: StopReason) -> None:
    decision = ToolsPlanner().decide(response(ThinkingPart(text="hm"), TextPart(text="done"), stop=stop), AGENT)
    assert decision == Finish("done")


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((), id="nothing"),
        pytest.param((TextPart(text=" \n"),), id="blank"),
        pytest.param((ThinkingPart(text="hm"),), id="only thinking"),
    ],
)
def test_an_empty_response_is_retried(parts: tuple[ContentPart, ...]) -> None:
    decision = ToolsPlanner().decide(response(*parts, stop="end"), AGENT)
    assert isinstance(decision, Retry)
    assert "empty" in decision.feedback
