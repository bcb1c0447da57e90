"""A Python client of Opspawn's API: start tasks, watch them live, wait for their output."""

from __future__ import annotations

from agentkit.client.errors import ApiFailed, ApiUnreachable, ClientError, RequestRefused
from agentkit.client.opspawn_client import OpspawnClient
from agentkit.client.resources import Agent, AgentList, ApiObject, JsonObject, MessageList, Task, TaskError, TaskList
from agentkit.client.streamed_response import StreamedResponse
from agentkit.client.task_events import (
    ModelCompleted,
    ModelDeltaReceived,
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
from agentkit.client.watch import ConnectionLost, ConnectionRestored, TaskUpdate

__all__ = [
    "Agent",
    "AgentList",
    "ApiFailed",
    "ApiObject",
    "ApiUnreachable",
    "ClientError",
    "ConnectionLost",
    "ConnectionRestored",
    "JsonObject",
    "MessageList",
    "ModelCompleted",
    "ModelDeltaReceived",
    "ModelFailed",
    "ModelReset",
    "ModelRetrying",
    "ModelStarted",
    "OpspawnClient",
    "PlanUpdated",
    "RequestRefused",
    "StreamedResponse",
    "Task",
    "TaskCancelled",
    "TaskCompleted",
    "TaskError",
    "TaskEvent",
    "TaskFailed",
    "TaskList",
    "TaskStarted",
    "TaskStatusChanged",
    "TaskUpdate",
    "ToolCompleted",
    "ToolFailed",
    "ToolRetrying",
    "ToolStarted",
]
