"""The payloads of activities and queries, and the names under which histories hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import ConfigDict, Field, JsonValue, SerializerFunctionWrapHandler, model_serializer, model_validator

from agentkit.input_requests import InputRequest
from agentkit.interfaces import (
    ClientInputRequest,
    CompactionReason,
    ContextUse,
    McpToolCall,
    ModelResponse,
    ToolContext,
    ToolOutput,
    ToolValue,
)
from agentkit.messages import Message, Usage
from agentkit.records import Record
from agentkit.runtime.calls.sampling import SamplingRequest
from agentkit.specs import McpSelection
from agentkit.transcript import Segment

__all__ = [
    "ASK_CLIENT_SIGNAL",
    "CHECK_INPUT_ACTIVITY",
    "CLIENT_INPUT_QUERY",
    "COMPACT_ACTIVITY",
    "DESCRIBE_MCP_TOOLS_ACTIVITY",
    "INLINE_METADATA",
    "LIST_MCP_TOOLS_ACTIVITY",
    "MODEL_ACTIVITY",
    "NOTIFY_INPUT_ACTIVITY",
    "PROBE_PREFIX",
    "QUERY_RESULT_METADATA",
    "SAMPLE_ACTIVITY",
    "STORE_ACTIVITY",
    "TOOL_OUTPUT_KEY",
    "TOOL_PREFIX",
    "AskedInput",
    "CompactedTranscript",
    "CompactionCall",
    "InputCheck",
    "InputKey",
    "InputNotice",
    "McpDescribeCall",
    "McpListCall",
    "ModelCall",
    "ModelReply",
    "ReplacedVersion",
    "SamplingCall",
    "StoredMessages",
    "StoredTranscript",
    "TranscriptPage",
    "TranscriptRange",
    "TranscriptSource",
    "decode_context",
    "decode_output",
    "encode_context",
    "encode_output",
    "model_activity_id",
    "probe_activity",
    "probe_activity_id",
    "tool_activity",
    "tool_activity_id",
]

MODEL_ACTIVITY = "request_model"
STORE_ACTIVITY = "store_messages"
LIST_MCP_TOOLS_ACTIVITY = "list_mcp_tools"
SAMPLE_ACTIVITY = "sample_model"
COMPACT_ACTIVITY = "compact_transcript"
ASK_CLIENT_SIGNAL = "ask_client"
CLIENT_INPUT_QUERY = "client_input"
DESCRIBE_MCP_TOOLS_ACTIVITY = "describe_mcp_tools"
CHECK_INPUT_ACTIVITY = "check_input"
NOTIFY_INPUT_ACTIVITY = "notify_input_request"
TOOL_PREFIX = "tool."
PROBE_PREFIX = "probe."
TOOL_OUTPUT_KEY = "opspawn-tool-output"
"""Key in the metadata of the payloads of tool results."""

QUERY_RESULT_METADATA = "opspawn-query-result"
"""Metadata of payloads that no history holds: to store them in files would fill the disk."""

INLINE_METADATA = "opspawn-inline"
"""Metadata of payloads that stay in history, however large: their receivers can't read our payload storage."""

_MAX_ACTIVITY_ID_CHARS = 200
"""Temporal takes 1,000 bytes; a call's id comes from a model's server, and may be of any length."""


def tool_activity(name: str) -> str:
    """Return the activity type of a tool."""
    return TOOL_PREFIX + name


def tool_activity_id(call_id: str) -> str:
    """Return the activity id of a tool call: the call's id itself, or a hash of it where Temporal may refuse that."""
    if len(call_id) <= _MAX_ACTIVITY_ID_CHARS and call_id.isascii() and call_id.isprintable():
        return call_id
    return f"call-{hashlib.sha256(call_id.encode(errors='surrogatepass')).hexdigest()[:32]}"


def probe_activity(name: str) -> str:
    """Return the activity type of a tool's probe."""
    return PROBE_PREFIX + name


def probe_activity_id(call_id: str) -> str:
    """Return the activity id of the probe of a call."""
    return f"probe-{tool_activity_id(call_id)}"


def model_activity_id(step: int, fallback_index: int, version: int = 1) -> str:
    """Return the activity id of a step's request to one model of the agent's chain; ``version`` is the transcript's."""
    return f"model-{step}-{fallback_index}" + ("" if version == 1 else f"-{version}")


class ModelCall(Record):
    """The argument of the model activity: a reference to the transcript of its workflow, never the transcript itself.

    What the activity knows anyway, such as the task's id, is not here: each step has one of these in history.
    """

    step: int
    agent_hash: str
    """``AgentSpec.hash``; a worker that doesn't have the agent queries ``agent_spec``."""
    model: str
    """``provider:name``."""
    end: int
    """Number of messages of the transcript so far. Each of them is in history once, where it entered the task."""
    digest: str
    """The transcript's digest at ``end``."""
    version: int = Field(default=1, exclude_if=lambda version: version == 1)
    """The transcript's version; compaction increases it."""
    composed_messages: tuple[Message, ...] = Field(default=(), exclude_if=lambda messages: not messages)
    """Messages after ``end`` that the workflow wrote itself, and that are nowhere else in history."""
    own_start: int | None = Field(default=None, exclude_if=lambda position: position is None)
    """The position of the task's own first message, where others come before it; see ``Planner.render``."""

    def segment(self, task_id: str) -> Segment:
        """Return the reference to the transcript of the task."""
        return Segment(workflow_id=task_id, version=self.version, start=0, end=self.end, digest=self.digest)


class ModelReply(Record):
    """The result of the model activity. The response's message enters the transcript here.

    Each step has one in history, so its JSON is the response's without what nearly all of them have in common: the
    message's role, the reason to stop that its parts imply, one model call, and counts of zero.
    """

    response: ModelResponse

    @property
    def context(self) -> ContextUse | None:
        """Set where the transcript is to be shortened before the next request."""
        return self.response.context

    @model_serializer(mode="wrap")
    def _write(self, write: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        written: dict[str, JsonValue] = write(self)["response"]
        message, usage = self.response.message, self.response.usage
        if message.role == "assistant" and isinstance(written["message"], dict):
            del written["message"]["role"]
        if self.response.stop_reason == ("tool_calls" if message.tool_calls else "end"):
            del written["stop_reason"]
        counts = usage.model_dump(mode="json", exclude_defaults=True, exclude={"model_calls"})
        return {**written, "usage": counts if usage.model_calls == 1 else {**counts, "model_calls": usage.model_calls}}

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: object) -> object:
        if not isinstance(data, dict) or "response" in data:
            return data
        message, usage = data.get("message"), data.get("usage")
        if not isinstance(message, dict) or not isinstance(usage, dict):
            return data
        parts = message.get("parts")
        has_calls = isinstance(parts, list) and any(_is_call(part) for part in parts)
        defaults = {"stop_reason": "tool_calls" if has_calls else "end"}
        response = {"message": {"role": "assistant", **message}, "usage": {"model_calls": 1, **usage}}
        return {"response": {**defaults, **data, **response}}


def _is_call(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "tool_call"


def encode_output(output: ToolOutput) -> bytes:
    """Return what the payload of a tool's result has in its metadata, beside the value in its data."""
    return output.model_dump_json(exclude={"value"}, exclude_none=True).encode()


def decode_output(value: JsonValue, metadata: Mapping[str, bytes]) -> ToolValue:
    """Return a tool's result from the value and the metadata of its payload.

    Raises:
        ValueError: the metadata are none of ``encode_output``.
    """
    encoded = metadata.get(TOOL_OUTPUT_KEY)
    if encoded is None:
        return value
    return ToolOutput.model_validate_json(encoded).model_copy(update={"value": value})


def encode_context(context: ToolContext, activity_id: str) -> dict[str, JsonValue]:
    """Return a call's context as our own workers get it: without what their activity knows, for history holds it.

    Workers of other programs get the whole context.
    """
    known = {"task_id"}
    if context.call_id == activity_id:
        known.add("call_id")
    if context.idempotency_key == f"{context.task_id}/{context.call_id}":
        known.add("idempotency_key")
    return context.model_dump(mode="json", exclude=known, exclude_none=True)


def decode_context(encoded: JsonValue, task_id: str, activity_id: str) -> ToolContext:
    """Return a call's context from its payload, whole or without what its activity knows.

    Raises:
        ValidationError: it is no context.
    """
    if not isinstance(encoded, dict):
        return ToolContext.model_validate(encoded)
    known = {"task_id": task_id, "call_id": activity_id, **encoded}
    return ToolContext.model_validate({"idempotency_key": f"{known['task_id']}/{known['call_id']}", **known})


class TranscriptRange(Record):
    """The argument of the ``transcript`` query."""

    start: int = 0
    """Position of the first message, from 0."""
    end: int | None = None
    """Position after the last message; None is the end of the transcript."""
    max_bytes: int = 400_000
    """Bytes of JSON that a page may have; it holds at least one message even so."""
    version: int | None = Field(default=None, exclude_if=lambda version: version is None)
    """Version of the transcript, from 1; None is the newest."""


class StoredMessages(Record):
    """A reference to successive messages of a transcript in payload storage; ``MessageStorage`` reads them."""

    start: int
    """Position of the first message in the transcript, from 0."""
    end: int
    """Position after the last message."""
    claim: Mapping[str, str]
    """The storage driver's."""


class StoredTranscript(Record):
    """The result of the activity that stores messages before a task continues as new."""

    pages: tuple[StoredMessages, ...]


class TranscriptSource(Record):
    """The beginning of another workflow's transcript, which a task goes on from. It is read there; nothing is copied.

    That of a fork is the task that it was forked from, that of a turn its conversation.
    """

    workflow_id: str
    version: int = Field(default=1, exclude_if=lambda version: version == 1)
    """The version of that transcript: compaction makes a new one."""
    end: int
    """Position in it after the last message in common."""
    digest: str
    """Digest of it up to there."""


class TranscriptPage(Record):
    """The result of the ``transcript`` query."""

    start: int
    messages: tuple[Message, ...]
    stored: tuple[StoredMessages, ...] = Field(default=(), exclude_if=lambda stored: not stored)
    """In place of messages: where those from ``start`` on are that earlier runs of the task stored."""
    source: TranscriptSource | None = Field(default=None, exclude_if=lambda source: source is None)
    """In place of messages: the transcript that has those from ``start`` on, because the task goes on from it."""
    total: int
    """Number of messages in the whole transcript; 0 where it has no such version."""
    version: int = Field(default=1, exclude_if=lambda version: version == 1)
    """The version that the messages are of."""
    versions: int = Field(default=1, exclude_if=lambda versions: versions == 1)
    """How many versions the transcript has: the newest one's number."""


class ReplacedVersion(Record):
    """A version of a transcript that compaction has replaced by the next one. It can be read, and grows no more."""

    pages: tuple[StoredMessages, ...]
    """Where its messages are stored, except those that the first version has in common with a ``TranscriptSource``."""
    end: int
    """Number of its messages."""
    digest: str
    """Digest of all of them."""
    written: int = Field(default=0, exclude_if=lambda written: not written)
    """How many of its messages, from the first on, compaction wrote: those after them are the task's own."""
    last_step: int
    """The last step of the task that was finished in it."""


class CompactionCall(Record):
    """The argument of the activity that shortens a transcript: references to it, as in ``ModelCall``."""

    task_id: str
    step: int
    agent_hash: str
    model: str
    """The model that reads the transcript: ``provider:name``."""
    reason: CompactionReason
    attempt: int = 1
    """How many compactions in a row were made for the same request to the model, this one included."""
    segments: tuple[Segment, ...]
    """The transcript so far, in order; the last segment has the task's own messages."""
    composed_messages: tuple[Message, ...] = Field(default=(), exclude_if=lambda messages: not messages)
    """Messages after the segments that the workflow wrote itself, and that are nowhere else in history."""
    stored_end: int
    """Position of the first message that is not stored yet."""
    context: ContextUse | None = Field(default=None, exclude_if=lambda context: context is None)
    """What the newest response said of the transcript's tokens; None: unknown."""
    facts: tuple[str, ...] = Field(default=(), exclude_if=lambda facts: not facts)
    """What must not be lost: the irreversible calls of the task, a line each."""


class CompactedTranscript(Record):
    """The result of the activity that shortens a transcript. All messages are in payload storage."""

    pages: tuple[StoredMessages, ...]
    """The messages of the new version."""
    replaced_pages: tuple[StoredMessages, ...] = Field(default=(), exclude_if=lambda pages: not pages)
    """Those messages of the replaced version that were not stored yet."""
    digest: str
    """Digest of the new version."""
    tokens_before: int
    """Estimated, as ``tokens_after`` is."""
    tokens_after: int
    usage: Usage = Field(default=Usage(), exclude_if=lambda usage: usage == Usage())
    """Of the models that wrote summaries."""

    @property
    def end(self) -> int:
        """Number of messages of the new version."""
        return self.pages[-1].end if self.pages else 0


class InputCheck(Record):
    """The argument of the activity that checks what a person gave: an answer, or other arguments for a call."""

    model_config = ConfigDict(frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    value: JsonValue
    value_schema: dict[str, JsonValue] = Field(alias="schema")
    """JSON Schema that the value must fit."""


class AskedInput(Record):
    """The argument of the signal ``ask_client``: what an MCP server asks while a call runs."""

    call_id: str
    request: ClientInputRequest


class InputKey(Record):
    """The argument of the query ``client_input``."""

    call_id: str
    key: str
    """``ClientInputRequest.key``."""


class SamplingCall(Record):
    """The argument of the activity that sends an MCP server's request to a model."""

    task_id: str
    step: int
    model: str
    """``provider:name``."""
    request: SamplingRequest


class McpListCall(Record):
    """The argument of the activity that lists an agent's MCP tools."""

    selection: McpSelection
    taken: tuple[str, ...] = ()
    """The names of the agent's other tools."""


class McpDescribeCall(Record):
    """The argument of the activity that describes the MCP tools of calls of ``mcp_call``."""

    calls: tuple[McpToolCall, ...]
    taken: tuple[str, ...] = ()
    """The names of the agent's other tools."""


class InputNotice(Record):
    """The argument of the activity that calls the webhook for an input request."""

    task_id: str
    agent: str
    request: InputRequest
