from __future__ import annotations

import pytest

from agentkit.interfaces import CallTools, Finish, ModelResponse, Retry, StopReason
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolCall, Usage, user_message
from agentkit.planners import ToolsPlanner
from agentkit.specs import AgentSpec, ToolSpec

CALL = ToolCall(id="1", name="look")


def response(*parts: ContentPart, stop: StopReason) -> ModelResponse:
    return ModelResponse(message=Message(role="assistant", parts=parts), stop_reason=stop, usage=Usage())


def test_instructions_transcript_and_tools_go_to_the_first_model_as_they_are() -> None:
    tool = ToolSpec(name="look", description="", parameters={})
    agent = AgentSpec(name="a", models=("demo:one", "demo:two"), planner="tools", instructions="Be kind.")
    transcript = [user_message("hi")]
    request = ToolsPlanner().render(agent, transcript, [tool])
    assert (request.model, request.system) == ("demo:one", "Be kind.")
    assert (request.messages, request.tools) == (transcript, [tool])


def test_a_model_is_always_asked() -> None:
    assert ToolsPlanner().response_without_model([user_message("hi")]) is None


@pytest.mark.parametrize("stop", ["end", "tool_calls", "length", "refusal"])
def test_tool_calls_are_made_whatever_the_reason_to_stop(stop: StopReason) -> None:
    decided = ToolsPlanner().decide(response(TextPart(text="let me look"), CALL, stop=stop))
    assert decided == CallTools((CALL,))


@pytest.mark.parametrize("stop", ["end", "tool_calls", "refusal"])
def test_text_without_a_call_ends_the_task(stop: StopReason) -> None:
    decided = ToolsPlanner().decide(response(ThinkingPart(text="hm"), TextPart(text="done"), stop=stop))
    assert decided == Finish("done")


def test_an_answer_that_was_cut_off_is_asked_for_again() -> None:
    decided = ToolsPlanner().decide(response(TextPart(text="it is becau"), stop="length"))
    assert isinstance(decided, Retry)
    assert "cut off" in decided.feedback


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((), id="nothing"),
        pytest.param((TextPart(text=" \n"),), id="blank"),
        pytest.param((ThinkingPart(text="hm"),), id="only thinking"),
    ],
)
def test_an_empty_answer_is_asked_for_again(parts: tuple[ContentPart, ...]) -> None:
    decided = ToolsPlanner().decide(response(*parts, stop="end"))
    assert isinstance(decided, Retry)
    assert "empty" in decided.feedback
