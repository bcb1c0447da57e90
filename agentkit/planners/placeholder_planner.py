"""A planner without a model, for tests: it gives back what it was told."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.interfaces import Decision, Finish, ModelRequest, ModelResponse
from agentkit.messages import Message, TextPart, Usage
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["PlaceholderPlanner"]


class PlaceholderPlanner:
    """Finishes at once with the last user message; no model is asked, nothing is spent."""

    def render(self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelRequest:
        """Return the transcript as a question; it is never asked."""
        return ModelRequest(model=agent.models[0], system=agent.instructions, messages=transcript, tools=tools)

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return the last user message as the answer."""
        told = next((message.text for message in reversed(transcript) if message.role == "user"), "")
        message = Message(role="assistant", parts=(TextPart(text=told),), model="placeholder")
        return ModelResponse(message=message, stop_reason="end", usage=Usage())

    def decide(self, response: ModelResponse) -> Decision:
        """Finish with the answer's text."""
        return Finish(response.message.text)
