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
    """Make these tool calls, in parallel; then the next step follows."""

    calls: Sequence[ToolCall]


@dataclass(frozen=True, slots=True)
class Finish:
    """The task is completed."""

    output: JsonValue
    """Text, or the JSON value that fits the agent's ``output_schema``."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The response is unusable; the model gets feedback, and the next step follows."""

    feedback: str
    """The text of the message to the model."""


@dataclass(frozen=True, slots=True)
class Proceed:
    """The model has made a plan; it gets a message to carry it out, and the next step follows."""

    plan: tuple[str, ...]
    """The parts of the plan, in order."""
    feedback: str
    """The text of the message to the model."""


Decision = CallTools | Finish | Proceed | Retry


class Planner(Protocol):
    """Renders transcripts as requests, and turns responses into decisions. Pure: no I/O, no clock, no randomness."""

    def render(
        self, agent: AgentSpec, transcript: Sequence[Message], tools: Sequence[ToolSpec], *, own_start: int = 0
    ) -> ModelRequest:
        """Return the next model request. Its messages begin with those of the request for any shorter transcript.

        The messages before position ``own_start`` are of earlier tasks: of a conversation's turns, or a fork's source.
        """
        ...

    def response_without_model(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return a response where no model is needed; None, nearly always, to request the model.

        A task that has continued as new has only the messages since then in ``transcript``.
        """
        ...

    def decide(self, response: ModelResponse, agent: AgentSpec) -> Decision:
        """Return the decision that follows from a response; defined for every response, it never raises.

        The loop itself decides about responses that were cut off at their output limit.
        """
        ...
