"""A client of Opspawn's API, for programs: start tasks, watch them live, wait for their output."""

from __future__ import annotations

from agentkit.client.errors import ApiFailed, ApiUnreachable, ClientError, RequestRefused
from agentkit.client.opspawn_client import OpspawnClient
from agentkit.client.resources import Agent, AgentList, Answer, Document, Task, TaskError, TaskList, TranscriptPage
from agentkit.client.streamed_response import StreamedAnswer
from agentkit.client.task_events import (
    ModelCompleted,
    ModelDelta,
    ModelFailed,
    ModelReset,
    ModelRetrying,
    ModelStarted,
    PlanUpdated,
    TaskCancelled,
    TaskCompleted,
    TaskEvent,
    TaskFailed,
    TaskStarted,
    TaskStatusChanged,
    ToolCompleted,
    ToolFailed,
    ToolRetrying,
    ToolStarted,
)
from agentkit.client.watch import Lost, Regained, Update

__all__ = [
    "Agent",
    "AgentList",
    "Answer",
    "ApiFailed",
    "ApiUnreachable",
    "ClientError",
    "Document",
    "Lost",
    "ModelCompleted",
    "ModelDelta",
    "ModelFailed",
    "ModelReset",
    "ModelRetrying",
    "ModelStarted",
    "OpspawnClient",
    "PlanUpdated",
    "Regained",
    "RequestRefused",
    "StreamedAnswer",
    "Task",
    "TaskCancelled",
    "TaskCompleted",
    "TaskError",
    "TaskEvent",
    "TaskFailed",
    "TaskList",
    "TaskStarted",
    "TaskStatusChanged",
    "ToolCompleted",
    "ToolFailed",
    "ToolRetrying",
    "ToolStarted",
    "TranscriptPage",
    "Update",
]
