"""The ``Tool`` and ``Toolset`` Protocols, and the context of a tool call."""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, Self

from pydantic import Field, JsonValue, PrivateAttr

from agentkit.errors import ToolError
from agentkit.interfaces.memory import MemoryScope
from agentkit.messages import StoredContent
from agentkit.policy_rules import Effect
from agentkit.records import Record
from agentkit.specs import ToolSpec

__all__ = [
    "ASK_PERSON",
    "PREPARATION_TIMEOUT_S",
    "CallSignals",
    "ClientInput",
    "ClientInputRequest",
    "InputRequired",
    "McpCall",
    "OmittedText",
    "PreparedTool",
    "Tool",
    "ToolContext",
    "ToolOutput",
    "ToolProgress",
    "ToolValue",
    "Toolset",
]


ASK_PERSON = "ask_person"
"""The name of the tool whose calls are questions to a person: the task's workflow opens an input request for each."""

PREPARATION_TIMEOUT_S = 10.0
"""How long a call may wait until a ``PreparedTool`` is ready."""

_MAX_PROGRESS_CHARS = 1_000


class ToolProgress(Record):
    """How far a tool call is."""

    text: str
    fraction: float | None = Field(default=None, ge=0, le=1)
    """The part that is done."""


def _clamped_fraction(fraction: float | None) -> float | None:
    return None if fraction is None or math.isnan(fraction) else min(1.0, max(0.0, fraction))


def _ignore_progress(_: ToolProgress) -> None:
    """Do nothing."""


class ClientInputRequest(Record):
    """What an MCP server asks of its client in a call: a person's input, a model's message, or the roots."""

    key: str
    """Unique within the call."""
    method: Literal["elicitation/create", "sampling/createMessage", "roots/list"]
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """As the protocol defines them for the method."""


class ClientInput(Record):
    """What a server gets for a ``ClientInputRequest``."""

    result: dict[str, JsonValue] | None = None
    """As the protocol defines it for the method."""
    error: str | None = None
    """Why there is no result."""


class InputRequired(Record):
    """Instead of a result: the server wants input, and is then called again with it and its own state."""

    requests: tuple[ClientInputRequest, ...] = ()
    state: str | None = None
    """The server's; sent back unchanged."""


class McpCall(Record):
    """What a call of an MCP tool has besides its arguments."""

    effect: Effect
    """As recorded when the tool was listed: the server may have changed it since."""
    inputs: dict[str, dict[str, JsonValue]] | None = Field(default=None, exclude_if=lambda inputs: inputs is None)
    """Of a call that resumes one which required input: the results, by the keys of the requests."""
    state: str | None = Field(default=None, exclude_if=lambda state: state is None)
    """``InputRequired.state`` of the call that is resumed."""
    resumes: str | None = Field(default=None, exclude_if=lambda call_id: call_id is None)
    """The id of the model's call that this one continues: with the input that its server required, or from the start
    because the server has lost its state."""


async def _no_input(_: ClientInputRequest) -> ClientInput:
    return ClientInput(error="Nobody can be asked here.")


@dataclass
class CallSignals:
    """What passes between a running call and the one who made it: progress and questions one way, the cancellation and
    the answers the other."""

    report: Callable[[ToolProgress], None] = _ignore_progress
    ask: Callable[[ClientInputRequest], Awaitable[ClientInput]] = _no_input
    """Returns a person's or a model's input for a call that waits for it; it may take long."""
    cancelled: threading.Event = field(default_factory=threading.Event)


class ToolContext(Record):
    """The call that a tool serves."""

    task_id: str
    call_id: str
    idempotency_key: str
    """``{task_id}/{call_id}``: the same on each attempt of this call. Pass it on to the services that you call."""
    step: int
    attempt: int = Field(default=1, exclude_if=lambda attempt: attempt == 1)
    """Filled in by the worker that runs the activity, and so not part of history."""
    agent: str | None = Field(default=None, exclude_if=lambda agent: agent is None)
    """The name of the agent that calls the tool."""
    user: str | None = Field(default=None, exclude_if=lambda user: user is None)
    """The task's ``user``."""
    deadline: datetime | None = Field(default=None, exclude_if=lambda deadline: deadline is None)
    """When this attempt is stopped, by the worker's clock; filled in by the worker."""
    _secrets: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _signals: CallSignals = PrivateAttr(default_factory=CallSignals)

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Report how far the call is, to those who watch the task; of several reports in a second the newest counts.

        Any thread may call this. ``fraction`` is the part that is done, from 0 to 1; other numbers are clamped, for a
        report must not fail the call.
        """
        self._signals.report(ToolProgress(text=str(text)[:_MAX_PROGRESS_CHARS], fraction=_clamped_fraction(fraction)))

    @property
    def is_cancelled(self) -> bool:
        """Whether the call was cancelled: a plain function should return then. It has a second to do so."""
        return self._signals.cancelled.is_set()

    def wait_cancelled(self, timeout_s: float) -> bool:
        """Wait for ``timeout_s``, or until the call is cancelled; return whether it is. For plain functions."""
        return self._signals.cancelled.wait(timeout_s)

    @property
    def signals(self) -> CallSignals:
        """The connection of this call to the one who made it."""
        return self._signals

    def with_signals(self, signals: CallSignals) -> Self:
        """Return a copy with these signals."""
        copy = self.model_copy()
        copy._signals = signals
        return copy

    @property
    def secrets(self) -> Mapping[str, str]:
        """The values of the secrets that the tool has declared. The worker fills them in; they are never serialized."""
        return self._secrets

    def secret(self, name: str) -> str:
        """Return the value of a secret that the tool has declared: ``@tool(secrets=["github"])``.

        Raises:
            ToolError: it hasn't declared this one.
        """
        if name not in self._secrets:
            raise ToolError(f"The tool has not declared the secret {name!r}: @tool(secrets=[{name!r}]).")
        return self._secrets[name]

    def with_secrets(self, values: Mapping[str, str]) -> Self:
        """Return a copy that has the values of these secrets."""
        copy = self.model_copy()
        copy._secrets = dict(values)
        return copy

    mcp: McpCall | None = Field(default=None, exclude_if=lambda call: call is None)
    """Of a call of an MCP tool."""
    memory: MemoryScope | None = Field(default=None, exclude_if=lambda scope: scope is None)
    """Of a call of a tool of long-term memory: whose memories it is about."""
    result: StoredContent | None = None
    """For ``read_result``: the kept result of the call that its arguments name. None: there is none."""


class OmittedText(Record):
    """What the bounded form of a long text leaves out."""

    position: int
    """Characters of the bounded text before it."""
    start: int
    """Bytes of the whole text, in UTF-8, before it."""
    end: int
    """Bytes of the whole text up to its end."""
    size: int
    """Bytes of the whole text."""


class ToolOutput(Record):
    """What a tool call gave where plain JSON can't express it: a text that is cut, or files."""

    value: JsonValue = None
    """The tool's value; of one that is too long for a model, the start and the end of its text."""
    omitted: OmittedText | None = None
    """What ``value`` leaves out."""
    whole: StoredContent | None = None
    """All of the text that ``value`` is the start and end of. None: it is not kept."""
    loss: str | None = None
    """Why something is not kept, for the model."""
    files: tuple[StoredContent, ...] | None = None
    input_required: InputRequired | None = None
    """The call has no result yet; it is resumed by another call."""


ToolValue = JsonValue | ToolOutput
"""What a tool returns."""


class Tool(Protocol):
    """A function that a model can call."""

    @property
    def spec(self) -> ToolSpec:
        """Return the name, description, schema and effect."""
        ...

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        """Check the arguments, then act; return text or plain JSON, or a ``ToolOutput`` with files.

        Raises:
            ToolArgumentsInvalid: raised before the tool acts.
            ToolUnavailable: a retry may succeed.
            ToolInterrupted: the call was cut off; whether it took effect is not known.
            ToolError: any other failure; the message is for the model.
        """
        ...


class PreparedTool(Tool, Protocol):
    """A tool that needs something before it can be called, such as a process. Its timeout starts afterwards."""

    def prepared(self) -> AbstractAsyncContextManager[Tool]:
        """Return the tool, ready for one call, within ``PREPARATION_TIMEOUT_S``.

        Raises:
            ToolNotStarted: what it needs is not available now.
        """
        ...


class Toolset(Protocol):
    """Tools by name."""

    def specs(self) -> Sequence[ToolSpec]:
        """Return the specs of all tools, in a stable order."""
        ...

    def get(self, name: str) -> Tool:
        """Return one tool.

        Raises:
            ToolNotFound: no such tool; the message lists the existing ones.
        """
        ...
