"""The task that is measured: N steps, each a model request and a tool call, with messages of 400 bytes."""

from __future__ import annotations

from typing import cast

from openai.types.chat import ChatCompletionFunctionToolParam
from openai.types.shared_params import FunctionDefinition

from agentkit.specs import AgentSpec, Limits
from agentkit.tools import ToolRegistry, tool

__all__ = ["INPUT", "INSTRUCTIONS", "RESULT", "agent", "chat_tool", "toolset"]

INSTRUCTIONS = "You look things up, one at a time, and then say what you found."
INPUT = ("Please look up every topic that you can think of, and write down what is there. " * 5)[:400]
RESULT = ("It is written here that this topic was looked up, and that it was found worth it. " * 5)[:400]


@tool(effect="pure")
async def look_up(topic: str) -> str:
    """Look a topic up.

    Args:
        topic: What to look up.
    """
    return RESULT


@tool(effect="pure", fast=True)
async def look_up_fast(topic: str) -> str:
    """Look a topic up.

    Args:
        topic: What to look up.
    """
    return RESULT


toolset = ToolRegistry([look_up, look_up_fast])


def chat_tool() -> ChatCompletionFunctionToolParam:
    """Return ``look_up`` in the format of OpenAI's API, for the baseline."""
    spec = look_up.spec
    definition = {"name": spec.name, "description": spec.description, "parameters": dict[str, object](spec.parameters)}
    return {"type": "function", "function": cast("FunctionDefinition", definition)}


def agent(model: str, *, fast: bool = False) -> AgentSpec:
    """Return Opspawn's agent; with ``fast`` its tool runs as a local activity."""
    return AgentSpec(
        name="benchmark",
        models=(f"openai:{model}",),
        planner="tools",
        instructions=INSTRUCTIONS,
        tools=((look_up_fast if fast else look_up).spec,),
        limits=Limits(max_steps=10_000, max_repeats=10_000),
    )
