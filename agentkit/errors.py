"""The errors of agentkit, as one tree.

OpspawnError
├── ConfigurationInvalid      what a person wrote in a file or the environment
│   ├── AgentInvalid          agents/*.yaml
│   ├── AgentNotFound         no agent with that name
│   └── ToolInvalid           tools/*.py
├── ModelError                a model request failed
│   ├── ModelUnavailable      try again later
│   │   └── ModelTimedOut     no response in time
│   ├── ModelRequestRejected  the request is wrong
│   │   └── ContextTooLong    the request is too long
│   ├── ModelNotAuthorized    the key is wrong or missing
│   ├── ContentRefused        the provider's filter refused the content
│   └── ModelOutputInvalid    the response can't be used
├── OutputUncheckable         the output schema can't be evaluated
├── ToolError                 a message for the model that called the tool
│   ├── ToolNotFound
│   ├── ToolArgumentsInvalid
│   ├── SecretMissing         a secret that the call needs is not available; the tool was not called
│   ├── ToolInterrupted       the call was cut off: whether it took effect is not known
│   ├── NotDone               the call had no effect
│   │   └── RequestStateLost  an MCP server no longer knows the call that is to be resumed
│   ├── ResultUnreadable      the call took effect, but its result can't be read
│   └── ToolUnavailable       transient: another attempt may succeed
│       └── ToolNotStarted    the call has not reached the tool
├── SteeringInvalid           a message, a pause or new limits for a task change nothing
│   ├── ConversationBusy      a turn of the conversation runs, and the message is not to wait for its end
│   ├── ConversationEnded     the conversation is being deleted, or has expired
│   └── MessageConflict       another message of the same id was sent before
├── AnswerInvalid             a person's answer changes nothing
│   ├── InputRequestNotFound  no such input request
│   ├── AlreadyAnswered       it is answered already
│   ├── AnswerExpired         it has expired
│   ├── AnswerNotAllowed      this person may not answer it
│   ├── AnswerOutdated        its sha256 is another one
│   └── AnswerMismatch        the answer doesn't fit the request
├── InputRequestExpired       an input request had no answer in time
├── McpServerUnavailable      an MCP server can't be used now
├── FilesChanged              a task's files are not those that a change was made for
├── SandboxUnavailable        a program can't be confined, so it is not run
├── ToolCallRefused           a worker has not started a call; another may
│   ├── ToolNotServed         it doesn't have the tool
│   ├── WorkerBusy            it runs as many calls as it may
│   └── LocalAttemptLost      an earlier attempt in a workflow task may have ended a worker
├── LongTermMemoryError       a call of long-term memory failed
│   ├── MemoryUnavailable     it can't be reached; a retry may succeed
│   ├── MemoryMisconfigured   its settings don't fit what is stored, or each other
│   ├── MemoryNotFound        no such memory in the scope
│   └── MemoryRequestInvalid  the request can't be carried out as it is
├── MessageTooLong            what must stay in a transcript exceeds the model's context window
├── LimitExceeded             a limit of the task is reached
│   └── LoopDetected          the model made the same calls again and again
├── TranscriptSourceGone      the workflow whose messages a task goes on from was erased
└── TranscriptMismatch        a transcript is not the one that was referenced
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = [
    "AgentInvalid",
    "AgentNotFound",
    "AlreadyAnswered",
    "AnswerExpired",
    "AnswerInvalid",
    "AnswerMismatch",
    "AnswerNotAllowed",
    "AnswerOutdated",
    "ConfigurationInvalid",
    "ContentRefused",
    "ContextTooLong",
    "ConversationBusy",
    "ConversationEnded",
    "FilesChanged",
    "InputRequestExpired",
    "InputRequestNotFound",
    "LimitExceeded",
    "LocalAttemptLost",
    "LongTermMemoryError",
    "LoopDetected",
    "McpProblemKind",
    "McpServerUnavailable",
    "MemoryMisconfigured",
    "MemoryNotFound",
    "MemoryRequestInvalid",
    "MemoryUnavailable",
    "MessageConflict",
    "MessageTooLong",
    "ModelError",
    "ModelNotAuthorized",
    "ModelOutputInvalid",
    "ModelRequestRejected",
    "ModelTimedOut",
    "ModelUnavailable",
    "NotDone",
    "OpspawnError",
    "OutputUncheckable",
    "RequestStateLost",
    "ResultUnreadable",
    "SandboxUnavailable",
    "SecretMissing",
    "SteeringInvalid",
    "ToolArgumentsInvalid",
    "ToolCallRefused",
    "ToolError",
    "ToolInterrupted",
    "ToolInvalid",
    "ToolNotFound",
    "ToolNotServed",
    "ToolNotStarted",
    "ToolUnavailable",
    "TranscriptMismatch",
    "TranscriptSourceGone",
    "WorkerBusy",
]


class OpspawnError(Exception):
    """Base of all errors that Opspawn raises."""


class ConfigurationInvalid(OpspawnError):
    """A file or setting is wrong. The message names the file or variable, the key, and what was expected."""


class AgentInvalid(ConfigurationInvalid):
    """An agent definition is wrong. The message names the YAML file, the line and the key to correct."""

    def __init__(self, message: str, request_issues: Sequence[tuple[tuple[str | int, ...], str]] = ()) -> None:
        super().__init__(message)
        self.request_issues = request_issues
        """The path of each wrong value in the request, and what is wrong; empty where the fault is in a file."""


class AgentNotFound(ConfigurationInvalid):
    """There is no agent with that name; the message lists the existing ones."""


class ToolInvalid(ConfigurationInvalid):
    """A tool can't be registered: its name is taken, or its signature gives no JSON Schema."""


class ModelError(OpspawnError):
    """A model request failed; ``str()`` contains the provider's message, never a key."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The provider's HTTP status; None if there was no response."""


class ModelUnavailable(ModelError):
    """Overloaded, rate limited, timed out or disconnected. Retry after ``retry_after`` seconds."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        upstream: str | None = None,
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after
        """Seconds to wait, if the provider named any."""
        self.upstream = upstream
        """The provider behind a router that failed, if it was not the router itself."""


class ModelTimedOut(ModelUnavailable):
    """The provider did not respond in time. Another attempt may succeed; a fallback model is asked at once."""


class ModelRequestRejected(ModelError):
    """The provider rejected the request (400, 404, 422). A retry won't help: correct the agent."""


class ContextTooLong(ModelRequestRejected):
    """The transcript exceeds the model's context window. Shorten it, or use a model with a larger one."""


class ModelNotAuthorized(ModelError):
    """The key is missing, wrong or not allowed (401, 403). Set the variable that the message names."""


class ContentRefused(ModelError):
    """The provider's filter refused the content. A retry won't help."""


class ModelOutputInvalid(ModelError):
    """A response is too long, or too many responses in a row were empty or unusable."""


class OutputUncheckable(OpspawnError):
    """Checking a response against the output schema failed or took too long. Simplify the schema."""


McpProblemKind = Literal[
    "unknown",
    "no_such_tool",
    "command_not_found",
    "crashed",
    "unreachable",
    "not_authorized",
    "wrong_protocol",
    "timed_out",
    "failed",
]
"""``unknown``: ``mcp.json`` has no such server. ``no_such_tool``: it has no tool that an agent names."""


class McpServerUnavailable(OpspawnError):
    """An MCP server can't be used now; the message names the server, the phase and the cause."""

    def __init__(self, message: str, *, server: str = "", kind: McpProblemKind = "failed") -> None:
        super().__init__(message)
        self.server = server
        self.kind = kind


class FilesChanged(OpspawnError):
    """A task's files are of another version: another call has changed them. Read them again."""


class SandboxUnavailable(OpspawnError):
    """A program can't be confined on this machine, so it was not run. The message names what is missing."""


class LongTermMemoryError(OpspawnError):
    """A call of long-term memory failed."""


class MemoryUnavailable(LongTermMemoryError):
    """Long-term memory can't be reached now; a retry may succeed. The message names the place and the cause."""


class MemoryMisconfigured(LongTermMemoryError):
    """The settings of long-term memory don't fit what is stored, or each other. The message has the cure."""


class MemoryNotFound(LongTermMemoryError):
    """The scope has no memory with that id: it was forgotten, has expired, or is another scope's."""


class MemoryRequestInvalid(LongTermMemoryError):
    """The request can't be carried out as it is; the message has what was expected."""


class MessageTooLong(OpspawnError):
    """What must stay in a transcript exceeds the model's context window, so it can't be shortened enough.

    The message has the numbers. Use a model with a larger window, or send less at a time.
    """


class ToolError(OpspawnError):
    """A tool failed. The message is for the model: it names what to do next."""


class ToolNotFound(ToolError):
    """The agent has no tool with that name."""


class ToolArgumentsInvalid(ToolError):
    """The arguments don't fit the tool's schema; the message names the places."""


class SecretMissing(ToolError):
    """A secret that the call needs is not set, or may not be sent there; the tool was not called."""


class ToolInterrupted(ToolError):
    """The call was cut off: it timed out, or its process or connection ended. Whether it took effect is not known."""

    def __init__(self, message: str, *, may_still_run: bool = False) -> None:
        super().__init__(message)
        self.may_still_run = may_still_run
        """Whether the tool may still be running: its worker can't be reached, and may not have ended."""


class NotDone(ToolError):
    """The call had no effect: raise it in a tool that has changed nothing, or return it from a probe."""


class RequestStateLost(NotDone):
    """An MCP server doesn't accept the state of the call that is to be resumed: make the call from the start."""


class ResultUnreadable(ToolError):
    """The call took effect, but its result can't be read, for example because it is too large. Return less."""


class ToolUnavailable(ToolError):
    """A transient failure: raise it in a tool to have the call retried (irreversible calls never are)."""


class SteeringInvalid(OpspawnError):
    """A message, a pause or new limits are not accepted, and change nothing; the message has the reason."""


class ConversationBusy(SteeringInvalid):
    """A turn of the conversation runs; the message names its task."""


class ConversationEnded(SteeringInvalid):
    """The conversation is being deleted, or has expired: it takes no messages."""


class MessageConflict(SteeringInvalid):
    """Another message of the same id was sent to the conversation before."""


class AnswerInvalid(OpspawnError):
    """An answer to an input request is not accepted, and changes nothing."""


class InputRequestNotFound(AnswerInvalid):
    """The task has no input request of that id; the message lists the pending ones."""


class AlreadyAnswered(AnswerInvalid):
    """The input request was answered before; the message has the decision."""


class AnswerExpired(AnswerInvalid):
    """The input request has expired."""


class AnswerNotAllowed(AnswerInvalid):
    """This person may not answer the input request, or has approved already; the message names who may."""


class AnswerOutdated(AnswerInvalid):
    """The answer's sha256 isn't the request's: it is about another call or other arguments. Read the request again."""


class AnswerMismatch(AnswerInvalid):
    """The answer doesn't fit the input request; the message names what does."""


class ToolNotStarted(ToolUnavailable):
    """The call has not reached the tool: no process for it was ready. Another attempt may succeed."""


class InputRequestExpired(OpspawnError):
    """An input request had no answer in time, and its rule ends the task then."""


class ToolCallRefused(OpspawnError):
    """The worker that was asked has not started the call. It is made again, by any worker."""


class ToolNotServed(ToolCallRefused):
    """The worker that was asked has no such tool. Start a worker that has it."""


class WorkerBusy(ToolCallRefused):
    """The worker that was asked runs as many tool calls as it may. Start more workers, or look for calls that hang."""


class LocalAttemptLost(ToolCallRefused):
    """The call may have ended a worker before: it is made as an activity, whose attempts are counted."""


class LimitExceeded(OpspawnError):
    """A limit of the task is reached; the message names the limit, its value and the usage."""


class LoopDetected(LimitExceeded):
    """The model made the same calls in too many steps in a row, and got the same results.

    Change its instructions, tools or model, or raise ``max_repeats``.
    """


class TranscriptSourceGone(OpspawnError):
    """The workflow whose messages a task goes on from was erased, so that they can't be read any more.

    That of a fork is the task that it was forked from, that of a turn its conversation.
    """


class TranscriptMismatch(OpspawnError):
    """A transcript differs from the one that a segment refers to. It is never sent to a model."""
