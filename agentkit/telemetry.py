"""Names of spans and metrics after the GenAI conventions of OpenTelemetry, and ids that derive from those of tasks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = [
    "AGENT_NAME",
    "CONVERSATION_ID",
    "EMBEDDING_DIMENSIONS",
    "ERROR_TYPE",
    "FINISH_REASONS",
    "INFERENCE_DETAILS",
    "INPUT_MESSAGES",
    "MCP_METHOD",
    "MEMORY_COUNT",
    "MEMORY_RECORDS",
    "OPERATION",
    "OUTPUT_MESSAGES",
    "PROVIDER",
    "REQUEST_MODEL",
    "SYSTEM_INSTRUCTIONS",
    "TASK_ID",
    "TOOL_ARGUMENTS",
    "TOOL_CALL_ID",
    "TOOL_DEFINITIONS",
    "TOOL_NAME",
    "TOOL_RESULT",
    "USAGE_CACHE_READ",
    "USAGE_CACHE_WRITE",
    "USAGE_INPUT",
    "USAGE_OUTPUT",
    "USAGE_REASONING",
    "TraceParent",
    "current_trace",
    "provider_name",
    "span_id",
    "start_trace",
    "trace_id",
    "tracing_as",
]

# The conventions moved to a repository of their own; OpenTelemetry's package marks its names as deprecated.
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
AGENT_NAME = "gen_ai.agent.name"
CONVERSATION_ID = "gen_ai.conversation.id"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"
TOOL_DEFINITIONS = "gen_ai.tool.definitions"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
FINISH_REASONS = "gen_ai.response.finish_reasons"
EMBEDDING_DIMENSIONS = "gen_ai.embeddings.dimension.count"
MEMORY_COUNT = "gen_ai.memory.record.count"
MEMORY_RECORDS = "gen_ai.memory.records"
INFERENCE_DETAILS = "gen_ai.client.inference.operation.details"
"""Name of the log event with a request to a model and its response."""
USAGE_INPUT = "gen_ai.usage.input_tokens"
USAGE_OUTPUT = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING = "gen_ai.usage.reasoning.output_tokens"
MCP_METHOD = "mcp.method.name"
ERROR_TYPE = "error.type"
TASK_ID = "opspawn.task.id"

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


def provider_name(provider: str) -> str:
    """Return the conventions' name of one of our providers."""
    return "gcp.gemini" if provider == "google" else provider


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A span, as the header ``traceparent`` of W3C Trace Context names it; 128 and 64 bits, neither of them 0."""

    trace_id: int
    span_id: int

    @classmethod
    def read(cls, text: str | None) -> TraceParent | None:
        """Return what a ``traceparent`` names; None for no text and for one that isn't valid, which is ignored."""
        match = _TRACEPARENT.fullmatch((text or "").strip()[:200])
        if match is None or ((text or "").strip().startswith("00") and match[3]):
            return None
        return cls(int(match[1], 16), int(match[2], 16))

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


def trace_id(task_id: str) -> int:
    """Return the id of a task's trace, unless its caller has one already: 128 bits, the same wherever it is derived."""
    return _hash(16, task_id)


def span_id(*parts: object) -> int:
    """Return the id of what these parts name, such as task, run, activity and attempt: 64 bits."""
    return _hash(8, *parts)


def _hash(size: int, *parts: object) -> int:
    text = "\0".join(map(str, parts)).encode(errors="surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:size]) or 1


_current: ContextVar[TraceParent | None] = ContextVar("opspawn_trace", default=None)


@contextmanager
def tracing_as(parent: TraceParent | None) -> Iterator[None]:
    """Make ``parent`` the span of the code inside, and of the asyncio tasks that it starts."""
    token = _current.set(parent)
    try:
        yield
    finally:
        _current.reset(token)


def start_trace(parent: TraceParent) -> None:
    """Make ``parent`` the span of the rest of the running asyncio task, and of the tasks that it starts."""
    _current.set(parent)


def current_trace() -> TraceParent | None:
    """Return the span of the running code: that of an activity in a worker, that of the caller in the API; or None."""
    return _current.get()
