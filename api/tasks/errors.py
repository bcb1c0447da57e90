"""Errors of the task services, the same for every protocol.

ServiceError
├── RequestInvalid        fields of the request break a rule
├── TaskRefused           the agent, its model or an option can't be used
├── TaskNotFound          no such task
├── TaskEnded             the task has ended
├── TaskErased            the task was erased
├── TaskRunning           the task has not ended
├── ErasureRefused        the task belongs to another, and can't be erased alone
├── VersionNotFound       the transcript has no such version
├── ConversationNotFound  no such conversation
├── ConversationErased    the conversation was erased
├── MessageRefused        a message to a conversation, or a change of it, is not accepted
├── AnswerRefused         an answer to an input request is not accepted
├── SteeringRefused       a message or new limits are not accepted
├── ToolCallNotFound      the task made no such tool call
├── ToolCallUnfinished    the tool call has not ended
├── ToolCallFailed        the tool call gave no result
├── IdempotencyConflict   the key was used for another request
├── CursorInvalid         not a cursor of this list
├── PositionInvalid       not a position in this task's events
├── WatchInterrupted      a stream of events ends before its task does
├── McpServerNotFound     mcp.json has no such MCP server
├── McpServerFailed       an MCP server can't be used now
├── McpServerTimedOut     an MCP server didn't respond in time
├── McpContentRefused     a prompt or resource of an MCP server can't be read as requested
├── StoredMemoryNotFound  no such memory
├── MemoryRefused         a text can't be remembered, or a list of memories not be gone on with
├── MemoryNotServed       no worker serves long-term memory, or it can't be reached
├── MemoryNotUsable       the settings of long-term memory don't fit what is stored
├── NotAuthenticated      there is no valid API key or token
├── AuthenticationUnavailable  the key or token can't be checked now
├── AuthenticationFailuresLimited  an address sends too many invalid keys or tokens
├── RoleMissing           the principal doesn't have the role that is needed
├── RequestsLimited       the principal makes too many requests
├── TenantLimited         the tenant has as many running tasks as it may have
├── TenantSpent           the tenant has spent what it may spend in a day
├── TenantNotFound        the principal sees no such tenant
├── WorkerUnavailable     only a worker could respond, and none did
├── WorkerVersionRefused  a version can't be made current, or drained
├── PayloadUnavailable    stored data of a task can't be read or written
│   └── ContentErased     the key of the task's tenant or user was destroyed
├── TemporalUnreachable   Temporal doesn't respond
└── TemporalNotReady      Temporal responds, but isn't set up for Opspawn
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentkit.errors import AnswerInvalid, OpspawnError, SteeringInvalid
from agentkit.principal import Principal, Role

__all__ = [
    "AnswerRefused",
    "AuthenticationFailuresLimited",
    "AuthenticationUnavailable",
    "ContentErased",
    "ConversationErased",
    "ConversationNotFound",
    "CursorInvalid",
    "ErasureRefused",
    "FieldIssue",
    "FieldPath",
    "IdempotencyConflict",
    "McpContentRefused",
    "McpServerFailed",
    "McpServerNotFound",
    "McpServerTimedOut",
    "MemoryNotServed",
    "MemoryNotUsable",
    "MemoryRefused",
    "MessageRefused",
    "NotAuthenticated",
    "PayloadUnavailable",
    "PositionInvalid",
    "RequestInvalid",
    "RequestsLimited",
    "RoleMissing",
    "ServiceError",
    "SteeringRefused",
    "StoredMemoryNotFound",
    "TaskEnded",
    "TaskErased",
    "TaskNotFound",
    "TaskRefused",
    "TaskRunning",
    "TemporalNotReady",
    "TemporalUnreachable",
    "TenantLimited",
    "TenantNotFound",
    "TenantSpent",
    "ToolCallFailed",
    "ToolCallNotFound",
    "ToolCallUnfinished",
    "VersionNotFound",
    "WatchInterrupted",
    "WorkerUnavailable",
    "WorkerVersionRefused",
    "first_of_issues",
]

FieldPath = tuple[str | int, ...]
"""Field names and positions that lead to a value of a request, such as ``("input", 0, "text")``; empty: all of it."""

_MAX_ID_CHARS = 80


@dataclass(frozen=True, slots=True)
class FieldIssue:
    """One field that breaks a rule."""

    path: FieldPath
    text: str


class ServiceError(OpspawnError):
    """Any of the above. ``str()`` is for the person who made the request."""

    retry_after_s: float | None = None
    """Seconds after which the same request may be accepted; None: not known, or never."""


class NotAuthenticated(ServiceError):
    """Send a valid API key or token."""


class AuthenticationUnavailable(ServiceError):
    """Try again; the person who runs the API has to correct what the message names."""


class AuthenticationFailuresLimited(ServiceError):
    """Send a valid API key or token, which is accepted at once; else wait for ``retry_after_s``."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "The API key or token isn't valid, and too many invalid ones came from this address: wait "
            f"{retry_after_s:.3g} s. The setting authentication_failures_per_minute of the API says how many may."
        )
        self.retry_after_s = retry_after_s


class RoleMissing(ServiceError):
    """Use a key or token of a principal with one of the roles that the message names."""

    def __init__(self, principal: Principal, roles: Sequence[Role]) -> None:
        """Create the error; any one of ``roles`` would be enough."""
        needed = " or ".join((*roles, *(() if "admin" in roles else ("admin",))))
        existing = " and ".join(sorted(principal.roles)) or "no role"
        super().__init__(f"This needs the role {needed}; {_shown_id(principal.subject)} has {existing}.")


class RequestsLimited(ServiceError):
    """Wait for ``retry_after_s``, and send requests less often."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            f"Too many requests: wait {retry_after_s:.3g} s. The settings rate_limit and rate_burst of the API set how "
            "many a principal may make."
        )
        self.retry_after_s = retry_after_s


class TenantLimited(ServiceError):
    """Wait until a task of the tenant has ended, or end one; or raise the tenant's limit."""

    retry_after_s = 10.0

    def __init__(self, tenant: str, limit: int) -> None:
        running = "1 running task" if limit == 1 else f"{limit} running tasks"
        super().__init__(
            f"Tenant {tenant} has {running}, and may have no more. Wait until one has ended, or cancel one; "
            "tenants.NAME.max_running_tasks in the settings of the API is the limit."
        )


class TenantNotFound(ServiceError):
    """Name your own tenant; only administrators see others."""

    def __init__(self, tenant: str) -> None:
        super().__init__(f"There is no tenant {_shown_id(tenant)}.")


class TenantSpent(ServiceError):
    """Wait until midnight (UTC), or raise the tenant's limit."""

    def __init__(self, tenant: str, spent: str, setting: str, retry_after_s: float) -> None:
        """Create the error; ``spent`` is such as ``1,200 tokens of the 1,000``."""
        super().__init__(
            f"Tenant {tenant} has spent {spent} that it may spend in a day. Nothing new starts until midnight UTC; "
            f"tenants.NAME.{setting} in the settings of API and workers is the limit."
        )
        self.retry_after_s = retry_after_s


class RequestInvalid(ServiceError):
    """Correct the fields that ``issues`` names."""

    def __init__(self, *issues: FieldIssue) -> None:
        super().__init__(first_of_issues([(".".join(map(str, issue.path)), issue.text) for issue in issues]))
        self.issues = issues


class TaskRefused(ServiceError):
    """Correct the fields that ``issues`` names: the agent, the model or another option can't be used."""

    def __init__(self, message: str, *, path: FieldPath, issues: Sequence[FieldIssue] = ()) -> None:
        """Create the error; without ``issues``, the field at ``path`` is the one."""
        super().__init__(message)
        self.issues = tuple(issues) or (FieldIssue(path, message),)


class TaskNotFound(ServiceError):
    """No workflow of our type has this id. Temporal erases ended tasks after the namespace's retention."""

    def __init__(self, task_id: str, hint: str = "") -> None:
        super().__init__(f"There is no task {_shown_id(task_id)}.{hint and f' {hint}'}")


class TaskEnded(ServiceError):
    """An ended task can't be changed."""

    def __init__(self, task_id: str, status: str) -> None:
        super().__init__(f"Task {task_id!r} has ended already: it is {status}.")


class TaskErased(ServiceError):
    """It can't be read or started again: take a new idempotency key for a new task."""

    def __init__(self, task_id: str, *, by_key: bool = False, problem: str | None = None) -> None:
        """Create the error; ``by_key``: an idempotency key named the task. ``problem``: why not all of it is gone."""
        super().__init__(_erased_text(f"task {_shown_id(task_id)}", by_key, problem))


class TaskRunning(ServiceError):
    """Cancel or terminate the task; erase it when it has ended."""

    def __init__(self, task_id: str, status: str) -> None:
        super().__init__(
            f"Task {_shown_id(task_id)} has not ended: it is {status}. Cancel or terminate it first, and erase it when "
            "it has ended."
        )


class ErasureRefused(ServiceError):
    """Erase what the task belongs to, which the message names: that erases the task as well."""


class VersionNotFound(ServiceError):
    """The transcript has no such version; compaction makes one after the other, from 1."""

    def __init__(self, version: int, versions: int) -> None:
        existing = "is version 1" if versions == 1 else f"are versions 1 to {versions}"
        super().__init__(f"The transcript has no version {version}. There {existing}.")


class ConversationNotFound(ServiceError):
    """No conversation has this id. Temporal erases expired conversations after the namespace's retention."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"There is no conversation {_shown_id(conversation_id)}.")


class ConversationErased(ServiceError):
    """It can't be read or started again: take a new idempotency key for a new conversation."""

    def __init__(self, conversation_id: str, *, by_key: bool = False, problem: str | None = None) -> None:
        """Create the error; ``by_key``: an idempotency key named it. ``problem``: why not all of it is gone."""
        super().__init__(_erased_text(f"conversation {_shown_id(conversation_id)}", by_key, problem))


class MessageRefused(ServiceError):
    """It changes nothing; ``verdict`` is the class of the reason, such as ``ConversationBusy``."""

    def __init__(self, message: str, verdict: type[SteeringInvalid]) -> None:
        super().__init__(message)
        self.verdict = verdict


class AnswerRefused(ServiceError):
    """The answer changes nothing; ``verdict`` is the class of the reason, such as ``AlreadyAnswered``."""

    def __init__(self, message: str, verdict: type[AnswerInvalid]) -> None:
        super().__init__(message)
        self.verdict = verdict


class SteeringRefused(ServiceError):
    """It changes nothing; ``str()`` has the reason: a limit can only be raised, for example."""


class ToolCallNotFound(ServiceError):
    """The transcript and the events of a task have the ids of its tool calls."""


class ToolCallUnfinished(ServiceError):
    """Ask again when the call has ended: the task has an event then."""


class ToolCallFailed(ServiceError):
    """There is no result; ``str()`` has the reason."""


class IdempotencyConflict(ServiceError):
    """Use a new idempotency key for a new task."""


class CursorInvalid(ServiceError):
    """Pass ``next_cursor`` of the page before, unchanged and with the same filters."""


class PositionInvalid(ServiceError):
    """Pass the ``id`` of an event of the same task, unchanged; or none, for all events."""


class WatchInterrupted(ServiceError):
    """Watch again after the last event received: no durable event is lost. ``str()`` is the reason."""


class McpServerNotFound(ServiceError):
    """Correct the name, or add the server to ``mcp.json``; the message lists those that there are."""


class McpServerFailed(ServiceError):
    """The message names the server, the phase and the cause; ``opspawn doctor`` has the cure."""


class McpServerTimedOut(ServiceError):
    """The message names the server and the phase. Try again, or raise its timeouts in ``mcp.json``."""


class McpContentRefused(ServiceError):
    """Correct the reference: there is no such server, prompt or resource, or its contents are too large."""

    def __init__(self, message: str, *, item: int, path: FieldPath) -> None:
        super().__init__(message)
        self.item = item
        """Its position among those that were asked for."""
        self.path = path
        """To its field that is wrong."""


class StoredMemoryNotFound(ServiceError):
    """It was deleted, has expired, or is in another scope than the one that is named."""


class MemoryRefused(ServiceError):
    """Correct the request: the message has what was expected."""


class MemoryNotServed(ServiceError):
    """Start a worker that serves memory, or its server; the message has which. Then try again."""


class MemoryNotUsable(ServiceError):
    """Follow the message, such as ``opspawn memory reindex``: trying again doesn't help before."""


class WorkerUnavailable(ServiceError):
    """Start a worker (``opspawn worker``), then try again."""


class WorkerVersionRefused(ServiceError):
    """Start workers of the version, or make another one current; the message has the reason."""


class PayloadUnavailable(ServiceError):
    """Correct the file or directory that the message names: trying again doesn't help before."""


class ContentErased(PayloadUnavailable):
    """Nothing brings it back: the key of a tenant or user was destroyed (``opspawn keys destroy``). What is left of a
    task or conversation, which nobody can read, can be deleted.
    """

    def __init__(self, workflow_id: str = "") -> None:
        what = _shown_id(workflow_id) if workflow_id else "What the task refers to"
        rest = " DELETE deletes what is left of it." if workflow_id else ""
        super().__init__(f"{what} was erased: the key of its tenant or user was destroyed.{rest}")


class TemporalUnreachable(ServiceError):
    """Start Temporal, or correct ``TEMPORAL_ADDRESS``; the API reconnects by itself."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"Temporal doesn't respond at {address} ({reason}). Start it (`opspawn dev`) or set TEMPORAL_ADDRESS."
        )
        self.address = address


class TemporalNotReady(ServiceError):
    """The namespace, its search attributes or the credentials are wrong; the message names which."""


def _erased_text(what: str, by_key: bool, problem: str | None) -> str:
    if by_key:
        return f"This Idempotency-Key started {what}, which was erased. Take a new key."
    text = f"{what[0].upper()}{what[1:]} was erased."
    return text if problem is None else f"{text} Not all of it is gone yet: {problem}"


def _shown_id(text: str) -> str:
    return repr(text if len(text) <= _MAX_ID_CHARS else f"{text[:_MAX_ID_CHARS]}…")


def first_of_issues(issues: Sequence[tuple[str, str]]) -> str:
    """Return the first issue and the number of the others as text. Each is its place, as the protocol writes it, and
    what is wrong; an empty place is the request itself.
    """
    place, text = issues[0]
    others = f" ({len(issues) - 1} more)" if len(issues) > 1 else ""
    return f"{place}: {text}{others}" if place else f"{text}{others}"
