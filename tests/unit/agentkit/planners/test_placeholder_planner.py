from __future__ import annotations

from agentkit.interfaces import Finish
from agentkit.messages import Message, TextPart, Usage, user_message
from agentkit.planners import PlaceholderPlanner
from agentkit.specs import AgentSpec

AGENT = AgentSpec(name="a", models=("demo:demo",), planner="placeholder")


def test_the_output_is_the_last_user_message_without_any_usage() -> None:
    reply = Message(role="assistant", parts=(TextPart(text="hello"),))
    planner = PlaceholderPlanner()
    response = planner.response_without_model([user_message("first"), reply, user_message("second"), reply])
    assert response is not None
    assert response.usage == Usage()
    assert planner.decide(response, AGENT) == Finish("second")


def test_without_a_user_message_the_output_is_empty() -> None:
    response = PlaceholderPlanner().response_without_model([])
    assert response is not None
    assert PlaceholderPlanner().decide(response, AGENT) == Finish("")
