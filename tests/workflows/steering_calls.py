"""Steer tasks and answer their input requests by update, as the API does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from tests.workflows.conftest import TIMEOUT_S, Handle
from workflows.task_types import AnswerVerdict, MessageVerdict, TaskView

__all__ = ["answer_now", "refusal_of", "send_now", "view_when"]


async def answer_now(handle: Handle, request_id: str, decision: str, **fields: JsonValue) -> AnswerVerdict:
    """Answer a request by update, and return the verdict."""
    data = {"input_request_id": request_id, "decision": decision, **fields}
    verdict: AnswerVerdict = await handle.execute_update("answer_input", data, result_type=AnswerVerdict)
    return verdict


async def send_now(handle: Handle, text: str, **fields: JsonValue) -> MessageVerdict:
    """Send a message by update, and return the verdict."""
    data = {"text": text, **fields}
    verdict: MessageVerdict = await handle.execute_update("send_message", data, result_type=MessageVerdict)
    return verdict


async def refusal_of(handle: Handle, update: str, data: JsonValue) -> tuple[str | None, str]:
    """Return type and message of the error of an update that is refused."""
    with pytest.raises(WorkflowUpdateFailedError) as raised:
        await handle.execute_update(update, data)
    error = raised.value.cause
    assert isinstance(error, ApplicationError), repr(error)
    return error.type, error.message


async def view_when(handle: Handle, is_wanted: Callable[[TaskView], bool]) -> TaskView:
    """Query the task's status until it is as wanted, and return it."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            view: TaskView = await handle.query("status", result_type=TaskView)
            if is_wanted(view):
                return view
