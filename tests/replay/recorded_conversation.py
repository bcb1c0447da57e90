"""The conversation whose history is recorded: its turns are interrupted, fail, are cancelled, and follow each other."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import Client, WorkflowHandle

from activities.settings import Settings
from agentkit.errors import ModelNotAuthorized
from agentkit.interfaces import ModelRequest
from agentkit.messages import user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry
from worker import build_worker
from workflows.conversations.conversation import ConversationWorkflow
from workflows.conversations.conversation_types import (
    ConversationInput,
    ConversationMessage,
    ConversationResult,
    ConversationView,
)

__all__ = ["run_conversation"]

_AGENT = AgentSpec(name="recorder", models=("scripted:m",), planner="tools")
_WAIT, _FAIL = "Wait.", "Fail."

_Conversation = WorkflowHandle[ConversationWorkflow, ConversationResult]


class _Script:
    """Responds at once, but to ``_WAIT`` never, and not to ``_FAIL``."""

    def __init__(self) -> None:
        self.waiting = asyncio.Semaphore(0)

    async def respond(self, request: ModelRequest) -> ScriptedResponse:
        text = request.messages[-1].text
        if text == _WAIT:
            self.waiting.release()
            await asyncio.Event().wait()
        return ModelNotAuthorized("Incorrect API key provided.", status=401) if text == _FAIL else f"Re: {text}"


async def run_conversation(client: Client, settings: Settings, name: str) -> _Conversation:
    """Run the conversation on a worker of its own; return its handle when it has ended."""
    script = _Script()
    models = {"scripted": ScriptedModel(script.respond)}
    async with build_worker(client, settings, models, ToolRegistry([]), InlineOutputChecker()):
        first = ConversationMessage(id="first", agent=_AGENT, message=user_message(_WAIT))
        handle = await client.start_workflow(
            ConversationWorkflow.run,
            ConversationInput(agent="recorder", on_busy="enqueue", idle_expiry=3_600, message=first),
            id=f"recorded-{name}",
            task_queue=settings.task_queue,
        )
        await script.waiting.acquire()
        await handle.signal("send_message", _message("refused", "No.", on_busy="reject"))
        await handle.signal("send_message", {"text": "no message"})
        await _send(handle, "fails", _FAIL)
        await _send(handle, "interrupts", "Stop.", on_busy="interrupt")
        await _send(handle, "interrupts", "Stop.", on_busy="interrupt")
        await _until_idle(handle, 2)
        await _send(handle, "cancelled", _WAIT)
        await script.waiting.acquire()
        await client.get_workflow_handle(f"{handle.id}-cancelled").cancel()
        await _until_idle(handle, 3)
        await handle.execute_update("change", {"title": "Renamed", "on_busy": "reject"})
        for number in range(10):
            await _send(handle, f"m{number}", f"{number}")
            await _until_idle(handle, 4 + number)
            if (await client.get_workflow_handle(handle.id).describe()).run_id != handle.first_execution_run_id:
                break
        await handle.signal("delete")
        await asyncio.wait_for(handle.result(), 60)
    return handle


def _message(message_id: str, text: str, **fields: Any) -> ConversationMessage:
    return ConversationMessage(**{"id": message_id, "agent": _AGENT, "message": user_message(text), **fields})


async def _send(handle: _Conversation, message_id: str, text: str, **fields: Any) -> None:
    await handle.execute_update("send_message", _message(message_id, text, **fields))


async def _until_idle(handle: _Conversation, turns: int) -> None:
    async with asyncio.timeout(60):
        view: ConversationView | None = None
        while view is None or view.status != "idle" or view.turns < turns or view.queued:
            view = await handle.query(ConversationWorkflow.conversation)
