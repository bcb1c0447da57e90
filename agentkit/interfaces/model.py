"""The ``Model`` Protocol: a language model of a provider, its requests, responses and deltas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from pydantic import Field, JsonValue

from agentkit.interfaces.compaction import ContextUse
from agentkit.interfaces.output import OutputCheck
from agentkit.messages import Message, Usage
from agentkit.records import Record
from agentkit.specs import ModelSettings, ToolSpec

__all__ = [
    "Emit",
    "LoadableModel",
    "Model",
    "ModelDelta",
    "ModelRequest",
    "ModelResponse",
    "ModelWait",
    "RateLimited",
    "StopReason",
]

StopReason = Literal["end", "tool_calls", "length", "refusal", "interrupted"]
"""Why a model stopped: its response is complete, it calls tools, it reached its output limit, a filter refused, or a
person interrupted it; a model itself never gives the last."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request to a model, in no provider's format."""

    model: str
    """``provider:name``."""
    system: str
    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    settings: ModelSettings = ModelSettings()
    output_schema: Mapping[str, JsonValue] | None = None
    """JSON Schema of the response's text; enforced by providers that support it."""
    attempt: int = 1
    """Number of this attempt, from 1; higher when a failed request is retried."""


@dataclass(frozen=True, slots=True)
class ModelDelta:
    """An increment of a model's response."""

    kind: Literal["text", "thinking", "tool_arguments"]
    text: str


Emit = Callable[[ModelDelta], None]
"""Called with each delta, in order. It returns at once and never raises."""


class ModelResponse(Record):
    """A model's complete response."""

    message: Message
    stop_reason: StopReason
    usage: Usage
    served_by: str | None = None
    """The provider that served the request, if a router forwarded it, such as ``Anthropic`` for OpenRouter."""
    output_check: OutputCheck | None = Field(default=None, exclude_if=lambda check: check is None)
    """Whether the text that ends the task fits the output schema; ``request_model`` sets it, no model does."""
    refused_arguments: Mapping[int, str] | None = Field(default=None, exclude_if=lambda refused: not refused)
    """Why calls of external tools are refused: their arguments don't fit. By position among the decision's calls, from
    0; ``request_model`` sets it, no model does."""
    context: ContextUse | None = Field(default=None, exclude_if=lambda context: context is None)
    """Set where the transcript is to be shortened before the next request: it takes the share of the model's context
    window that the agent's ``compaction`` names. ``request_model`` sets it, no model does."""


class Model(Protocol):
    """A language model of one provider; safe for concurrent use."""

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Send one request, without retries. Deltas go to ``emit`` in order; together they make up the response.

        Raises:
            ModelUnavailable: a retry may succeed.
            ModelError: any other subclass; a retry won't help.
        """
        ...

    async def aclose(self) -> None:
        """Close connections. Called at most once; ``respond`` is not called afterwards."""
        ...


class ModelWait(Record):
    """A model to which no request starts at the moment, because its provider asked for that."""

    model: str
    """``provider:name``."""
    key: str
    """The setting that holds the key to which the wait applies, such as ``OPENAI_API_KEY``; never the key."""
    seconds: float
    """How long the wait still lasts."""
    requests: int
    """How many requests wait for its end."""


@runtime_checkable
class RateLimited(Protocol):
    """A ``Model`` whose provider may ask for waits."""

    def waits(self) -> Sequence[ModelWait]:
        """Return the waits of the provider's models at this moment, by model."""
        ...


@runtime_checkable
class LoadableModel(Protocol):
    """A ``Model`` whose SDK is imported after the start of the worker."""

    async def load(self) -> None:
        """Import and build what requests need, ahead of the first one; more than once is allowed."""
        ...
