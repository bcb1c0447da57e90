from __future__ import annotations

from agentkit.messages import user_message
from agentkit.planners.agent_request import agent_request
from agentkit.specs import AgentSpec, ModelSettings

AGENT = AgentSpec(
    name="a",
    models=("demo:one", "demo:two"),
    planner="tools",
    instructions="Be kind.",
    model_settings=ModelSettings(seed=7),
)


def test_the_request_has_the_agents_first_model_instructions_and_settings() -> None:
    request = agent_request(AGENT, [user_message("hi")])
    assert (request.model, request.system, request.settings.seed) == ("demo:one", "Be kind.", 7)
    assert [message.text for message in request.messages] == ["hi"]


def test_further_instructions_are_paragraphs_after_the_agents_own_and_empty_ones_are_left_out() -> None:
    assert agent_request(AGENT, [], instructions=["Plan first.", ""]).system == "Be kind.\n\nPlan first."
    silent = AGENT.model_copy(update={"instructions": ""})
    assert agent_request(silent, [], instructions=["Plan first."]).system == "Plan first."
