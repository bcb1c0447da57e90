from __future__ import annotations

from agentkit.interfaces import Finish
from agentkit.messages import Message, TextPart, Usage, user_message
from agentkit.planners import PlaceholderPlanner


def test_it_finishes_with_the_last_user_message_and_spends_nothing() -> None:
    said = Message(role="assistant", parts=(TextPart(text="hello"),))
    planner = PlaceholderPlanner()
    response = planner.response_without_model([user_message("first"), said, user_message("second"), said])
    assert response is not None
    assert response.usage == Usage()
    assert planner.decide(response) == Finish("second")


def test_without_a_user_message_it_finishes_with_nothing() -> None:
    response = PlaceholderPlanner().response_without_model([])
    assert response is not None
    assert PlaceholderPlanner().decide(response) == Finish("")
