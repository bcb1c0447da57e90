"""The default planner: the model calls tools natively; a response without a call is the task's output."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.interfaces import CallTools, Decision, Finish, ModelRequest, ModelResponse, Retry
from agentkit.messages import Message
from agentkit.planners.agent_request import agent_request
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["ToolsPlanner"]

_EMPTY = "Your response was empty. Respond to the request in words, or call one of your tools."


class ToolsPlanner:
    """Passes instructions, transcript and tools to the model unchanged."""

    def render(
        self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec], *, own_start: int = 0
    ) -> ModelRequest:
        """Return a request with the transcript, the tools and the agent's output schema."""
        return agent_request(agent, transcript, tools=tools, output_schema=agent.output_schema)

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return None: every step needs a model."""
        return None

    def decide(self, response: ModelResponse, agent: AgentSpec) -> Decision:
        """Make the response's tool calls; without any, finish with its text, if it isn't empty."""
        message = response.message
        if message.tool_calls:
            return CallTools(message.tool_calls)
        if not message.text.strip():
            return Retry(_EMPTY)
        return Finish(message.text)
