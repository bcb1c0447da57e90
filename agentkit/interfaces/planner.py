"""The ``Planner`` Protocol: a transcript rendered as a model request, a model response turned into a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from agentkit.interfaces.model import ModelRequest, ModelResponse
from agentkit.messages import Message, ToolCall
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["CallTools", "Decision", "Finish", "Planner", "Proceed", "Retry"]


@dataclass(frozen=True, slots=True)
class CallTools:
    """Call these tools, in parallel, then ask the model again."""

    calls: Sequence[ToolCall]


@dataclass(frozen=True, slots=True)
class Finish:
    """The task is done."""

    output: JsonValue
    """Text; or what fits the agent's ``output_schema``."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The answer can't be used: tell the model why, and ask again."""

    feedback: str


@dataclass(frozen=True, slots=True)
class Proceed:
    """The model has made a plan: tell it to go on."""

    plan: tuple[str, ...]
    """What it means to do, in order."""
    feedback: str
    """What it is told."""


Decision = CallTools | Finish | Proceed | Retry


class Planner(Protocol):
    """Turns a transcript into a question, and an answer into a decision. Pure and deterministic: no I/O, no clock."""

    def render(self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelRequest:
        """Return what to ask. A longer transcript's rendering starts with the shorter one's."""
        ...

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return an answer that needs no model; None, nearly always: ask the model."""
        ...

    def decide(self, response: ModelResponse) -> Decision:
        """Return what follows. Total: any response leads to a decision; it never raises."""
        ...
