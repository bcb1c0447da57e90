"""The ``Model`` Protocol: one language model behind one provider, and what is exchanged with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import JsonValue

from agentkit.messages import Message, Usage
from agentkit.records import Record
from agentkit.specs import ModelSettings, ToolSpec

__all__ = ["Emit", "Model", "ModelDelta", "ModelRequest", "ModelResponse", "StopReason"]

StopReason = Literal["end", "tool_calls", "length", "refusal"]
"""Why a model stopped: it was done, wants tools, hit its output limit, or its provider's filter."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a model, in no provider's words."""

    model: str
    """``provider:name``."""
    system: str
    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    settings: ModelSettings = ModelSettings()
    output_schema: Mapping[str, JsonValue] | None = None
    """JSON Schema that the answer's text must fit; providers that can constrain the model to it do so."""
    attempt: int = 1
    """From 1; goes up when the same question is asked again after a failure."""


@dataclass(frozen=True, slots=True)
class ModelDelta:
    """A piece of what a model is saying, as it says it."""

    kind: Literal["text", "thinking", "tool_arguments"]
    text: str


Emit = Callable[[ModelDelta], None]
"""Takes deltas as they come. It returns at once and never raises."""


class ModelResponse(Record):
    """A model's whole answer."""

    message: Message
    stop_reason: StopReason
    usage: Usage
    served_by: str | None = None
    """Who gave it, where the provider passes requests on to others, such as ``Anthropic`` behind OpenRouter."""


class Model(Protocol):
    """A language model behind one provider; safe for concurrent use."""

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Ask once; never retry. Deltas go to ``emit`` in order; together they make up the answer.

        Raises:
            ModelUnavailable: worth asking again.
            ModelError: any other leaf; not worth it.
        """
        ...

    async def aclose(self) -> None:
        """Close connections. May be called once; ``respond`` is not called afterwards."""
        ...
