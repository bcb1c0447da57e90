"""Payloads that are exchanged with workers of other programs: plain JSON, in history itself.

Those workers can't read our payload storage, and what they send may be anything.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from activities.payload_types import INLINE_METADATA
    from agentkit.errors import NotDone
    from agentkit.interfaces import ToolContext
    from agentkit.messages import ToolCall
    from agentkit.specs import ToolSpec

__all__ = ["MAX_PLAIN_BYTES", "PlainArguments", "read_plain_json"]

MAX_PLAIN_BYTES = 1_000_000
"""Bytes of JSON that the arguments of one call may have; Temporal takes 2 MiB."""

_MAX_BYTES_AT_ONCE = 2_000_000
"""Bytes of JSON of all calls that one workflow task may schedule; Temporal takes 4 MiB of commands."""

_PLAIN_JSON = "json/plain"
_NO_VALUE = ("", "binary/null")
"""Encodings of a result that isn't there: SDKs differ in what they send for it."""

_NEXT_WORKFLOW_TASK = timedelta(milliseconds=1)


class PlainArguments:
    """The arguments of one task's calls on task queues of other workers."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._bytes = 0
        """Arguments scheduled since the newest wait for another workflow task: at least those of the current one."""

    async def encode(self, tool: ToolSpec, call: ToolCall, context: ToolContext) -> list[RawValue]:
        """Return the payloads of arguments and context, in a workflow task that has space for them.

        Raises:
            NotDone: they are too large; the message is written for the model.
        """
        payloads = workflow.payload_converter().to_payloads([call.arguments, context])
        size = len(payloads[0].data)
        if size > MAX_PLAIN_BYTES:
            raise NotDone(
                f"{tool.name} was not called: its arguments have {size:,} bytes, and it takes {MAX_PLAIN_BYTES:,} at "
                "most. Send less at a time, or a reference to the data."
            )
        for payload in payloads:
            payload.metadata[INLINE_METADATA] = b"1"
        async with self._lock:
            self._bytes += size
            if self._bytes > _MAX_BYTES_AT_ONCE:
                await workflow.sleep(_NEXT_WORKFLOW_TASK, summary="Many bytes of arguments: go on in another task")
                self._bytes = size
        return [RawValue(payload) for payload in payloads]


def read_plain_json(payload: Payload, converter: PayloadConverter) -> JsonValue:
    """Return the value of a payload.

    Raises:
        ValueError: it is no plain JSON; the message says what it is.
    """
    encoding = payload.metadata.get("encoding", b"").decode(errors="replace")
    if encoding in _NO_VALUE and not payload.data:
        return None
    if encoding != _PLAIN_JSON:
        raise ValueError(f"its encoding is {encoding[:100]!r}, and not {_PLAIN_JSON}")
    try:
        value: JsonValue = converter.from_payload(payload)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    return value
