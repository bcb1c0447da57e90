"""Build the model request of an agent: its first model, instructions and model settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.messages import Message
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["agent_request"]


def agent_request(
    agent: AgentSpec,
    messages: Sequence[Message],
    *,
    instructions: Sequence[str] = (),
    tools: Sequence[ToolSpec] = (),
    output_schema: Mapping[str, JsonValue] | None = None,
) -> ModelRequest:
    """Return a request to the agent's first model; ``instructions`` are appended to the agent's own."""
    return ModelRequest(
        model=agent.models[0],
        system="\n\n".join(filter(None, [agent.instructions, *instructions])),
        messages=messages,
        tools=tools,
        settings=agent.model_settings,
        output_schema=output_schema,
    )
