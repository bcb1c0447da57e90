"""One error of each class that the task services raise."""

from __future__ import annotations

from agentkit.errors import AlreadyAnswered
from api.tasks.errors import (
    AnswerRefused,
    CursorInvalid,
    FieldIssue,
    IdempotencyConflict,
    McpContentRefused,
    McpServerFailed,
    McpServerNotFound,
    McpServerTimedOut,
    PayloadUnavailable,
    PositionInvalid,
    RequestInvalid,
    ServiceError,
    SteeringRefused,
    TaskEnded,
    TaskNotFound,
    TaskRefused,
    TemporalNotReady,
    TemporalUnreachable,
    ToolCallFailed,
    ToolCallNotFound,
    ToolCallUnfinished,
    WatchInterrupted,
    WorkerUnavailable,
)

SERVICE_ERRORS: tuple[ServiceError, ...] = (
    RequestInvalid(FieldIssue(("input",), "Empty.")),
    TaskRefused("No such model.", path=("model",)),
    TaskNotFound("task-1"),
    TaskEnded("task-1", "completed"),
    AnswerRefused("input_1 is answered already: approve.", AlreadyAnswered),
    SteeringRefused("max_steps is 30, and can't be lowered."),
    ToolCallNotFound("No such call."),
    ToolCallUnfinished("It runs."),
    ToolCallFailed("The disk is full."),
    IdempotencyConflict("Another body."),
    CursorInvalid("Not a cursor."),
    PositionInvalid("Not a position."),
    McpServerNotFound("No such server."),
    McpServerFailed("It crashed."),
    McpServerTimedOut("It hangs."),
    McpContentRefused("No such prompt.", item=0, path=("prompt",)),
    WatchInterrupted("Too slow."),
    WorkerUnavailable("None polls."),
    PayloadUnavailable("Stored payload /data/ab is missing."),
    TemporalUnreachable("127.0.0.1:7233", "timed out"),
    TemporalNotReady("No such namespace."),
)
