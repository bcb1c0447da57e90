"""Scripts for scripted servers: model responses, HTTP failures, and faults in the middle of a stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from agentkit.records import Record

__all__ = [
    "CALL_ITEM",
    "BenchmarkTask",
    "JSONObject",
    "RawResponse",
    "ReceivedRequest",
    "ScriptFile",
    "ServerFailure",
    "ServerResponse",
    "ServerScript",
    "ServerScriptEntry",
    "ServerToolCall",
    "read_script",
    "script_by_step",
    "script_in_order",
]

JSONObject = dict[str, JsonValue]

CALL_ITEM = "function_call"
"""The type of a tool call among the items of OpenAI's Responses API."""
_CHARS_PER_TOKEN = 4


class _ScriptRecord(Record):
    """A value that people write in script files: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerToolCall(_ScriptRecord):
    """A tool call in a model response."""

    name: str
    arguments: JSONObject | str = Field(default_factory=dict)
    """Text is sent unchanged, whether or not it is JSON."""
    id: str | None = None
    """None: generated. Empty: no id is sent, as some servers do."""

    @property
    def arguments_text(self) -> str:
        """The arguments as the model writes them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


class ServerResponse(_ScriptRecord):
    """A model response; it is streamed if the request asks for a stream."""

    text: str = ""
    thinking: str = ""
    """Sent in the provider's format; OpenAI-compatible servers call it ``reasoning_content``."""
    refusal: str = ""
    calls: tuple[ServerToolCall, ...] = ()
    finish_reason: str | None = None
    """OpenAI's name or the provider's own; None: ``tool_calls`` if there are any, else ``stop``."""
    usage: tuple[int, int, int] | None = None
    """Input, output and cached tokens; None: estimated."""
    send_usage: bool = True
    cost: float | None = None
    """US dollars, as OpenRouter reports them."""
    served_by: str | None = None
    """The provider behind OpenRouter."""
    reasoning_details: tuple[JSONObject, ...] = ()
    """Thoughts in OpenRouter's format, each sent in a chunk of its own."""
    chunk_chars: int = Field(default=40, ge=1)
    """Characters of text in one chunk."""
    delay: float = 0
    """Seconds before anything is sent."""
    pause: float = 0
    """Seconds between chunks."""
    fault: Literal["cut", "drop", "error", "garbage", "stall"] | None = None
    """``cut``: the stream ends early but cleanly. ``drop``: the connection breaks. ``error``: the provider reports
    an error in the stream. ``garbage``: a chunk is not JSON. ``stall``: nothing is sent until the client disconnects.
    """
    fault_after: int = Field(default=2, ge=0)
    """Number of chunks sent before the fault."""

    @property
    def token_counts(self) -> tuple[int, int, int]:
        """Input, output and cached tokens."""
        output_chars = len(self.text) + len(self.thinking) + sum(len(call.arguments_text) for call in self.calls)
        return self.usage or (10, output_chars // _CHARS_PER_TOKEN + 1, 0)

    @property
    def thinking_tokens(self) -> int:
        """Estimated tokens of ``thinking``."""
        return len(self.thinking) // _CHARS_PER_TOKEN

    def chunks(self, text: str) -> Iterator[str]:
        """Split a text into chunks of ``chunk_chars``."""
        return (text[start : start + self.chunk_chars] for start in range(0, len(text), self.chunk_chars))


class ServerFailure(_ScriptRecord):
    """An HTTP error response in the provider's format."""

    status: int = Field(ge=400, le=599)
    message: str = "Scripted failure"
    type: str | None = None
    code: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    """Such as ``{"retry-after": "2"}``."""
    delay: float = 0
    """Seconds before it is sent."""


class RawResponse(_ScriptRecord):
    """An HTTP response with exactly this body."""

    body: str
    content_type: str = "text/html"
    status: int = 200
    headers: dict[str, str] = Field(default_factory=dict)
    """Further headers."""
    delay: float = 0
    """Seconds before it is sent."""


ServerScriptEntry = ServerResponse | ServerFailure | RawResponse
"""What a scripted server responds to one request."""


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request for a model response, in the provider's format."""

    number: int
    """Number of the request, from 0, in order of arrival."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Mapping[str, Any]

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The messages, in the provider's format."""
        return self.body.get("messages") or self.body.get("contents") or self.body.get("input") or ()

    @property
    def step(self) -> int:
        """Number of model responses in the transcript: the same when a request is repeated."""
        from_model = [False, *map(_is_from_model, self.messages)]
        return sum(after and not before for before, after in pairwise(from_model))

    @property
    def last_text(self) -> str:
        """The text of the last message."""
        if not self.messages:
            return ""
        content = self.messages[-1].get("content") or self.messages[-1].get("parts") or ""
        return content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in content)


def _is_from_model(message: Mapping[str, Any]) -> bool:
    """Return whether the model wrote a message; in some formats one response is several items in a row."""
    return message.get("role") in ("assistant", "model") or message.get("type") in ("reasoning", CALL_ITEM)


ServerScript = Callable[[ReceivedRequest], ServerScriptEntry]
"""Returns the response to a request."""


def script_in_order(entries: Sequence[ServerScriptEntry]) -> ServerScript:
    """Return a script that responds in order of arrival; after the last entry every request fails with 400."""
    return lambda request: entries[request.number] if request.number < len(entries) else _exhausted(request.number)


def script_by_step(entries: Sequence[ServerScriptEntry]) -> ServerScript:
    """Return a script that responds by the step of the request: for parallel tasks, and for repeated requests."""
    return lambda request: entries[request.step] if request.step < len(entries) else _exhausted(request.step)


def _exhausted(number: int) -> ServerFailure:
    return ServerFailure(status=400, message=f"The script has no response number {number}, counted from 0")


class BenchmarkTask(_ScriptRecord):
    """A task of ``steps`` tool calls, then a final text; any number of such tasks may run in parallel."""

    steps: int = Field(ge=0)
    tool: str = "calculator"
    arguments: JSONObject = Field(default={"expression": "6*7"})
    text_chars: int = Field(default=400, ge=0)
    """Length of the text beside each call."""
    final: str = "done"

    def script(self) -> ServerScript:
        """Return the script that plays this task."""
        text = ("All work and no play makes a dull agent. " * (self.text_chars // 40 + 1))[: self.text_chars]
        call = ServerToolCall(name=self.tool, arguments=self.arguments)
        calling = ServerResponse(text=text, calls=(call,), chunk_chars=100)
        final = ServerResponse(text=self.final)
        return lambda request: calling if request.step < self.steps else final


class ScriptFile(_ScriptRecord):
    """A script as JSON: either ``responses`` or a ``benchmark``."""

    responses: tuple[ServerScriptEntry, ...] = ()
    by: Literal["order", "step"] = "order"
    """``order``: of arrival. ``step``: the number of model responses in the request's transcript."""
    benchmark: BenchmarkTask | None = None

    @model_validator(mode="after")
    def _exactly_one_is_set(self) -> Self:
        if bool(self.responses) == (self.benchmark is not None):
            raise ValueError("a script holds either responses or a benchmark")
        return self


def read_script(path: Path) -> ServerScript:
    """Read a script file.

    Raises:
        OSError: the file can't be read.
        ValidationError: the file is not a script; the error names the place.
    """
    file = ScriptFile.model_validate_json(path.read_bytes())
    if file.benchmark is not None:
        return file.benchmark.script()
    return script_in_order(file.responses) if file.by == "order" else script_by_step(file.responses)
