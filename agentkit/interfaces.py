"""The seams of agentkit: what a model, a planner, a tool and a memory promise each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import Field, JsonValue

from agentkit.messages import Message, ToolCall, Usage
from agentkit.records import Record
from agentkit.specs import AgentSpec, ModelSettings, ToolSpec

__all__ = [
    "CallTools",
    "Decision",
    "Emit",
    "Fetched",
    "Fetcher",
    "Finish",
    "LongTermMemory",
    "Memory",
    "Model",
    "ModelDelta",
    "ModelRequest",
    "ModelResponse",
    "Planner",
    "Proceed",
    "Retry",
    "SecurityPolicy",
    "ShortTermMemory",
    "StopReason",
    "Tool",
    "ToolContext",
    "Toolset",
    "Verdict",
]

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

    def unasked(self, transcript: Sequence[Message]) -> ModelResponse | None:
        """Return an answer that needs no model; None, nearly always: ask the model."""
        ...

    def decide(self, response: ModelResponse) -> Decision:
        """Return what follows. Total: any response leads to a decision; it never raises."""
        ...


class ToolContext(Record):
    """What a tool may know of the call it serves."""

    task_id: str
    call_id: str
    idempotency_key: str
    """``{task_id}/{call_id}``: the same on every attempt of this call. Pass it on to what you call."""
    step: int
    attempt: int = Field(default=1, exclude_if=lambda attempt: attempt == 1)
    """Where the call runs as an activity, the worker fills it in; so it isn't in history."""


class Tool(Protocol):
    """Something a model can call."""

    @property
    def spec(self) -> ToolSpec:
        """Return its name, description, schema and effect."""
        ...

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        """Check the arguments, then act; return text or plain JSON.

        Raises:
            ToolArgumentsInvalid: before anything has happened.
            ToolUnavailable: worth another attempt.
            ToolError: the model should read why.
        """
        ...


class Toolset(Protocol):
    """Tools by name."""

    def specs(self) -> Sequence[ToolSpec]:
        """Return what there is, in a stable order."""
        ...

    def get(self, name: str) -> Tool:
        """Return one tool.

        Raises:
            ToolNotFound: no such tool; the message lists those there are.
        """
        ...


class ShortTermMemory(Protocol):
    """The transcript: what was said in this task."""

    def append(self, *messages: Message) -> None:
        """Add messages at the end."""
        ...

    def read(self, start: int = 0, end: int | None = None) -> Sequence[Message]:
        """Return the messages from ``start`` to before ``end``."""
        ...


class Memory(Record):
    """Something remembered."""

    id: str
    text: str
    scope: str
    """Whose it is, such as ``user/ada``."""
    score: float | None = None
    """Similarity to what was asked, 0 to 1; only on recall."""


class LongTermMemory(Protocol):
    """What outlives a task, in scopes that never see each other."""

    async def remember(self, scope: str, text: str, *, key: str) -> Memory:
        """Store text; the same ``key`` again stores nothing twice."""
        ...

    async def recall(self, scope: str, query: str, *, limit: int) -> Sequence[Memory]:
        """Return the most similar memories, best first."""
        ...

    async def forget(self, scope: str, memory_id: str | None = None) -> int:
        """Erase one memory, or (None) all of the scope; return how many."""
        ...


class Verdict(Record):
    """What a security policy says of a call."""

    action: Literal["allow", "ask", "deny"]
    reason: str | None = None
    """Why, for the person or model that reads it."""


class SecurityPolicy(Protocol):
    """Decides on each tool call before it is scheduled. Pure: it runs in the workflow."""

    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> Verdict:
        """Return whether the call may go ahead."""
        ...


class Fetched(Record):
    """What an HTTP GET brought."""

    url: str
    """Where it came from, after redirects."""
    status: int
    content_type: str
    text: str
    truncated: bool = False


class Fetcher(Protocol):
    """GETs from public addresses only."""

    async def fetch(self, url: str, *, max_bytes: int, within: float) -> Fetched:
        """Return the text at ``url``, cut at ``max_bytes``; ``within`` is seconds in all.

        Raises:
            ToolError: a private address, no text, or too slow.
            ToolUnavailable: the connection failed.
        """
        ...
