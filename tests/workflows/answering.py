"""Find the input requests of a task, and answer them by signal, as ``temporal workflow signal`` does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic import JsonValue

from agentkit.input_requests import InputRequest
from tests.workflows.conftest import TIMEOUT_S, Handle
from workflows.task_types import PendingInput

__all__ = ["answer", "pending_requests"]


async def pending_requests(handle: Handle, count: int = 1) -> Sequence[InputRequest]:
    """Wait until so many requests of the task are pending; return them, oldest first."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            found: PendingInput = await handle.query("input_requests", result_type=PendingInput)
            if len(found.input_requests) == count:
                return found.input_requests


async def answer(handle: Handle, request: InputRequest, decision: str, **fields: JsonValue) -> None:
    """Answer a request by signal."""
    await handle.signal("answer_input", {"input_request_id": request.id, "decision": decision, **fields})
