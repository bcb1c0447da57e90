"""What a scripted server answers: whole answers, failures, and every way a stream goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from agentkit.records import Record

__all__ = [
    "BenchmarkTask",
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


class _Written(Record):
    """What people write in script files: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerToolCall(_Written):
    """A tool call of a reply."""

    name: str
    arguments: dict[str, JsonValue] | str = Field(default_factory=dict)
    """Text is sent as it is, be it JSON or not."""
    id: str | None = None
    """None: made up; empty: none is sent, as by some servers."""


class ServerResponse(_Written):
    """An answer of the model; streamed if the request asks for that."""

    text: str = ""
    thinking: str = ""
    """Sent as the provider sends thoughts: OpenAI-like servers as ``reasoning_content``."""
    refusal: str = ""
    calls: tuple[ServerToolCall, ...] = ()
    finish_reason: str | None = None
    """In OpenAI's words, or the provider's own; None: ``tool_calls`` if there are any, else ``stop``."""
    usage: tuple[int, int, int] | None = None
    """Tokens in, out and cached; None: estimated."""
    send_usage: bool = True
    cost: float | None = None
    """US dollars, as OpenRouter tells them."""
    served_by: str | None = None
    """The provider behind OpenRouter."""
    reasoning_details: tuple[dict[str, JsonValue], ...] = ()
    """Thoughts as OpenRouter wants them back, one a chunk."""
    chunk_chars: int = Field(default=40, ge=1)
    """How much text goes into one chunk."""
    delay: float = 0
    """Seconds before anything is sent."""
    pause: float = 0
    """Seconds between chunks."""
    fault: Literal["cut", "drop", "error", "garbage", "stall"] | None = None
    """``cut``: the stream ends early but cleanly; ``drop``: the connection breaks; ``error``: the provider says that
    it failed; ``garbage``: a chunk is no JSON; ``stall``: nothing more comes until the client goes away."""
    fault_after: int = Field(default=2, ge=0)
    """How many chunks are sent before the fault."""


class ServerFailure(_Written):
    """An error answer, worded as the provider does."""

    status: int = Field(ge=400, le=599)
    message: str = "The script says so"
    type: str | None = None
    code: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    """Such as ``{"retry-after": "2"}``."""
    delay: float = 0


class RawResponse(_Written):
    """Any other answer, byte for byte."""

    body: str
    content_type: str = "text/html"
    status: int = 200
    delay: float = 0


ServerScriptEntry = ServerResponse | ServerFailure | RawResponse


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request for an answer of the model, as it came in, in any provider's format."""

    number: int
    """From 0, in order of arrival."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Mapping[str, Any]

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The messages, in the provider's format."""
        return self.body.get("messages") or self.body.get("contents") or self.body.get("input") or ()

    @property
    def step(self) -> int:
        """How many times the model has answered before, from 0: the same again when a request is repeated."""
        answers = [False, *map(_is_answer, self.messages)]
        return sum(after and not before for before, after in pairwise(answers))

    @property
    def asked(self) -> str:
        """The text of the newest message."""
        if not self.messages:
            return ""
        content = self.messages[-1].get("content") or self.messages[-1].get("parts") or ""
        return content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in content)


def _is_answer(message: Mapping[str, Any]) -> bool:
    """Return whether the model said it; in some formats, one answer is several items in a row."""
    return message.get("role") in ("assistant", "model") or message.get("type") in ("reasoning", "function_call")


ServerScript = Callable[[ReceivedRequest], ServerScriptEntry]
"""Picks the answer to a request."""


def script_in_order(answers: Sequence[ServerScriptEntry]) -> ServerScript:
    """Answer the first request with the first answer, and so on; a request too many fails with 400."""
    return lambda request: answers[request.number] if request.number < len(answers) else _used_up(request.number)


def script_by_step(answers: Sequence[ServerScriptEntry]) -> ServerScript:
    """Answer by how far the transcript is, so that tasks at once and repeated requests each get what is theirs."""
    return lambda request: answers[request.step] if request.step < len(answers) else _used_up(request.step)


def _used_up(number: int) -> ServerFailure:
    return ServerFailure(status=400, message=f"The script is used up: it has no answer number {number}, counted from 0")


class BenchmarkTask(_Written):
    """A task of ``steps`` tool calls, then a final text; the same for any number of tasks at once."""

    steps: int = Field(ge=0)
    tool: str = "calculator"
    arguments: dict[str, JsonValue] = Field(default={"expression": "6*7"})
    text_chars: int = Field(default=400, ge=0)
    """The length of the text beside each call."""
    final: str = "done"

    def script(self) -> ServerScript:
        """Return it as a script."""
        text = ("All work and no play makes a dull agent. " * (self.text_chars // 40 + 1))[: self.text_chars]
        call = ServerToolCall(name=self.tool, arguments=self.arguments)
        working, done = ServerResponse(text=text, calls=(call,), chunk_chars=100), ServerResponse(text=self.final)
        return lambda request: working if request.step < self.steps else done


class ScriptFile(_Written):
    """A script as JSON: either ``answers``, or a ``benchmark``."""

    answers: tuple[ServerScriptEntry, ...] = ()
    by: Literal["order", "step"] = "order"
    """``order``: of arrival. ``step``: by how far the transcript of the request is."""
    benchmark: BenchmarkTask | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if bool(self.answers) == (self.benchmark is not None):
            raise ValueError("a script holds either answers or a benchmark")
        return self


def read_script(path: Path) -> ServerScript:
    """Read a script file.

    Raises:
        OSError: it can't be read.
        ValidationError: it is no script; the error says where.
    """
    written = ScriptFile.model_validate_json(path.read_bytes())
    if written.benchmark is not None:
        return written.benchmark.script()
    return script_in_order(written.answers) if written.by == "order" else script_by_step(written.answers)
