"""A planner without a model, for tests: the output is the last user message."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.interfaces import Decision, Finish, ModelRequest, ModelResponse
from agentkit.messages import Message, TextPart, Usage
from agentkit.planners.agent_request import agent_request
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["PlaceholderPlanner"]


class PlaceholderPlanner:
    """Finishes with the last user message, without a model request."""

    def render(
        self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec], *, own_start: int = 0
    ) -> ModelRequest:
        """Return a request with the transcript and the tools; it is never sent."""
        return agent_request(agent, transcript, tools=tools)

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return the last user message as a response."""
        text = next((message.text for message in reversed(transcript) if message.role == "user"), "")
        message = Message(role="assistant", parts=(TextPart(text=text),), model="placeholder")
        return ModelResponse(message=message, stop_reason="end", usage=Usage())

    def decide(self, response: ModelResponse, agent: AgentSpec) -> Decision:
        """Finish with the response's text."""
        return Finish(response.message.text)
