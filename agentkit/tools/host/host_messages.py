"""The messages between a worker and the processes of its tools: JSON objects, one a line, told apart by their kind.

- worker to host: ``CallRequest``, ``CancelRequest``
- host to worker: ``ReadyReport``, ``LogReport``, ``ProgressReport``, ``CallResponse``
- worker to fork server: ``StartRequest``, ``KillRequest``
- fork server to worker: ``StartedReport``, ``EndedReport``
- process that describes the tools, to worker: ``DescribeReport``
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from agentkit.errors import NotDone, ResultUnreadable, ToolArgumentsInvalid, ToolError, ToolNotFound, ToolUnavailable
from agentkit.interfaces import ToolOutput, ToolValue
from agentkit.messages import StoredContent

__all__ = [
    "MAX_MESSAGE_BYTES",
    "CallRequest",
    "CallResponse",
    "CallTraces",
    "CancelRequest",
    "CancelledResponse",
    "DescribeReport",
    "DescribedFilesReport",
    "EndedReport",
    "ErrorRecord",
    "ErrorResponse",
    "FileRecord",
    "ForkReport",
    "ForkRequest",
    "HostReport",
    "HostRequest",
    "ImportErrorReport",
    "ImportingReport",
    "KillRequest",
    "LineBuffer",
    "LogReport",
    "ProgressReport",
    "ReadyReport",
    "StartRequest",
    "StartedReport",
    "ToolRecord",
    "ToolsReport",
    "ValueResponse",
    "decode",
    "encode",
    "error_record",
    "read_error",
    "read_value",
    "value_response",
]

MAX_MESSAGE_BYTES = 64_000_000
"""The largest size of one message, such as a tool's result."""

_ERRORS: Mapping[str, type[ToolError]] = {
    kind.__name__: kind
    for kind in (ToolError, ToolUnavailable, ToolArgumentsInvalid, ToolNotFound, NotDone, ResultUnreadable)
}


class CallRequest(TypedDict):
    """Run a call."""

    kind: Literal["call"]
    call_number: int
    """Counts the calls of a host."""
    tool: str
    arguments: Mapping[str, JsonValue]
    context: Mapping[str, JsonValue]
    secrets: NotRequired[Mapping[str, str]]
    """The values of the secrets that the tool has declared, by name."""
    is_probe: NotRequired[bool]
    """Whether the tool's probe is called instead; its outcome is a record of ``probe_record``."""


class CancelRequest(TypedDict):
    """Cancel the call that runs."""

    kind: Literal["cancel"]
    call_number: int


HostRequest = CallRequest | CancelRequest


class ReadyReport(TypedDict):
    """The host has imported the tool files."""

    kind: Literal["ready"]
    tools: Sequence[str]
    import_errors: Mapping[str, str]
    """By the file's name."""


class LogReport(TypedDict):
    """A log record."""

    kind: Literal["log"]
    level: int
    logger: str
    text: str


class ProgressReport(TypedDict):
    """How far the call is."""

    kind: Literal["progress"]
    call_number: int
    progress: Mapping[str, JsonValue]
    """A ``ToolProgress``."""


class ErrorRecord(TypedDict):
    """A ``ToolError``."""

    error_type: str
    message: str


class CallTraces(TypedDict):
    """What a call has left in its process; empty for most calls."""

    leftover_count: NotRequired[int]
    """Threads, asyncio tasks and child processes."""
    has_grown: NotRequired[bool]
    """Whether the process has used so much memory that it is to be replaced."""
    imported_files: NotRequired[Sequence[str]]
    """The project's files that are imported, if the call has imported any module."""


class FileRecord(TypedDict):
    """A file that a tool has returned."""

    media_type: str
    name: str | None
    data: str
    """In base64."""


class ValueResponse(TypedDict):
    """The value that a tool has returned."""

    kind: Literal["value"]
    call_number: int
    value: JsonValue
    files: NotRequired[Sequence[FileRecord]]
    traces: CallTraces


class ErrorResponse(TypedDict):
    """The error that a tool has raised."""

    kind: Literal["error"]
    call_number: int
    error: ErrorRecord
    traces: CallTraces


class CancelledResponse(TypedDict):
    """The call was cancelled."""

    kind: Literal["cancelled"]
    call_number: int
    traces: CallTraces


CallResponse = ValueResponse | ErrorResponse | CancelledResponse
HostReport = ReadyReport | LogReport | ProgressReport | CallResponse


class StartRequest(TypedDict):
    """Start a host; its two file descriptors come with the message."""

    kind: Literal["start"]
    host_number: int
    files: Sequence[str]
    """The names of the tool files to import."""


class KillRequest(TypedDict):
    """End a host with its process group."""

    kind: Literal["kill"]
    pid: int


ForkRequest = StartRequest | KillRequest


class StartedReport(TypedDict):
    """A host has a process."""

    kind: Literal["started"]
    host_number: int
    pid: int


class EndedReport(TypedDict):
    """A host's process has ended."""

    kind: Literal["ended"]
    pid: int
    exit_code: int
    """Negative after a signal."""


ForkReport = StartedReport | EndedReport


class ImportingReport(TypedDict):
    """A tool file is being imported."""

    kind: Literal["importing"]
    file: str


class ImportErrorReport(TypedDict):
    """That file can't be imported."""

    kind: Literal["import_error"]
    message: str


class ToolRecord(TypedDict):
    """A tool: its spec, and file and line of its function."""

    spec: Mapping[str, JsonValue]
    origin: str


class ToolsReport(TypedDict):
    """The tools of that file."""

    kind: Literal["tools"]
    tools: Sequence[ToolRecord]


class DescribedFilesReport(TypedDict):
    """All tool files are described: the project's files that they import, with themselves."""

    kind: Literal["files"]
    files: Sequence[str]


DescribeReport = ImportingReport | ImportErrorReport | ToolsReport | DescribedFilesReport


def encode(message: Mapping[str, object]) -> bytes:
    """Return the message as one line."""
    try:
        return to_json(message) + b"\n"
    except ValueError:  # a lone surrogate or deep nesting, which the tool's own check is to refuse
        return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> Any:
    """Return the message of a line; the receiver knows which messages it gets.

    Raises:
        ValueError: the line is no JSON object.
    """
    try:
        message = from_json(line)
    except ValueError:
        message = _decode_unusual(line)
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    return message


def _decode_unusual(line: bytes) -> object:
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


class LineBuffer:
    """Splits received bytes into lines."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes, and return the lines that they complete.

        Raises:
            ValueError: a line is longer than ``MAX_MESSAGE_BYTES``.
        """
        *ends, rest = data.split(b"\n")
        if not ends:
            self._add(rest)
            return []
        ends[0] = b"".join([*self._parts, ends[0]])
        self._parts, self._size = [], 0
        self._add(rest)
        return ends

    def _add(self, part: bytes) -> None:
        """Add bytes to the line that is not complete yet."""
        if not part:
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_MESSAGE_BYTES:
            raise ValueError(f"a line of more than {MAX_MESSAGE_BYTES} bytes")


def value_response(call_number: int, output: ToolValue) -> ValueResponse:
    """Return the message for what a tool has returned."""
    if not isinstance(output, ToolOutput):
        return {"kind": "value", "call_number": call_number, "value": output, "traces": {}}
    files: list[FileRecord] = [
        {"media_type": file.media_type, "name": file.name, "data": base64.b64encode(file.data or b"").decode()}
        for file in output.files or ()
    ]
    return {"kind": "value", "call_number": call_number, "value": output.value, "files": files, "traces": {}}


def read_value(response: ValueResponse) -> ToolValue:
    """Return what a tool has returned."""
    if "files" not in response:
        return response["value"]
    files = []
    for record in response["files"]:
        data = base64.b64decode(record["data"])
        content = StoredContent(media_type=record["media_type"], size=len(data), name=record["name"])
        files.append(content.model_copy(update={"data": data}))
    return ToolOutput(value=response["value"], files=tuple(files))


def error_record(error: ToolError, max_chars: int) -> ErrorRecord:
    """Return a tool's error as a record; of a subclass that only the project has, the nearest one of ours."""
    error_type = next(base.__name__ for base in type(error).__mro__ if _ERRORS.get(base.__name__) is base)
    return {"error_type": error_type, "message": str(error)[:max_chars]}


def read_error(record: ErrorRecord) -> ToolError:
    """Return the error of a record."""
    return _ERRORS.get(record["error_type"], ToolError)(record["message"])
