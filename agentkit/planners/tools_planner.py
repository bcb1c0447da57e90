"""The default planner: the model calls tools natively, and finishes by answering without a call."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.interfaces import CallTools, Decision, Finish, ModelRequest, ModelResponse, Retry
from agentkit.messages import Message
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["ToolsPlanner"]

_EMPTY = "Your answer was empty. Answer the request in words, or call one of your tools."
_CUT_OFF = "Your answer was cut off at your output limit. Give the whole answer again, shorter."


class ToolsPlanner:
    """Instructions, transcript and tools go to the model as they are."""

    def render(self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelRequest:
        """Return what to ask the agent's first model."""
        return ModelRequest(
            model=agent.models[0],
            system=agent.instructions,
            messages=transcript,
            tools=tools,
            settings=agent.model_settings,
            output_schema=agent.output_schema,
        )

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return None: a model is always asked."""
        return None

    def decide(self, response: ModelResponse) -> Decision:
        """Call the tools that the model asks for; else finish with its text, if it has any."""
        message = response.message
        if message.tool_calls:
            return CallTools(message.tool_calls)
        if response.stop_reason == "length":
            return Retry(_CUT_OFF)
        if not message.text.strip():
            return Retry(_EMPTY)
        return Finish(message.text)
