"""The input requests of tasks: what they ask, over all tasks, and the answers of people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription

from activities.settings import Settings
from activities.temporal.temporal_clock import temporal_now
from agentkit.errors import AnswerInvalid, AnswerNotAllowed, InputRequestNotFound
from agentkit.input_requests import InputAnswer
from agentkit.runtime.calls.open_requests import OpenRequests
from api.current_principal import authenticated_principal
from api.tasks.errors import AnswerRefused, RoleMissing, TaskEnded
from api.tasks.listing.task_listing import PageCursor, TaskPages, inbox_query
from api.tasks.requests.steering_requests import AnswerRequest, InboxRequest
from api.tasks.task_service import TaskService
from api.tasks.task_snapshot import TaskSnapshot
from api.tasks.task_updates import TaskUpdates
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.visibility.task_visibility import listed_input_requests, open_request
from api.tasks.workers.worker_queries import QUERY_CALLS_TIMEOUT_S, WorkerQueries
from workflows.search_attributes import AGENT, MAX_LISTED_REQUESTS
from workflows.task_types import AnswerVerdict, PendingInput

__all__ = ["AnsweredTask", "InboxPage", "InputRequestService"]

_ANSWER_INPUT = "answer_input"
_MAX_REQUEST_ID_CHARS = 200
_DECISIONS_ON_CALLS = frozenset({"approve", "deny", "happened", "retry", "give_up"})


@dataclass(frozen=True, slots=True)
class AnsweredTask:
    """The response to an answer."""

    task: TaskSnapshot
    is_decided: bool
    """False where no worker has checked the answer yet: the task's events say what became of it."""


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Pending input requests, of the newest tasks first."""

    input_requests: tuple[dict[str, JsonValue], ...]
    """JSON of ``InputRequest``, with ``task_id`` and ``agent``."""
    next_cursor: str | None
    """None on the last page."""
    total: int
    """How many there are, where one page has all; else the number of tasks that have such requests."""


class InputRequestService:
    """Lists and answers input requests.

    Every method may raise TemporalUnreachable and TemporalNotReady.
    """

    def __init__(self, client: Client, tasks: TaskService, settings: Settings) -> None:
        self._client = client
        self._tasks = tasks
        self._workflows = TaskWorkflows(client, settings)
        self._pages = TaskPages(client, self._workflows)
        self._updates = TaskUpdates(client, settings)
        self._queries = WorkerQueries(client, settings)

    async def answer(
        self, task_id: str, input_request_id: str, request: AnswerRequest, *, key: str | None = None
    ) -> AnsweredTask:
        """Answer an input request of a task. The same idempotency key gives the verdict of the first answer again.

        Raises:
            TaskNotFound: there is no task of this id.
            TaskEnded: it has ended.
            AnswerRefused: the answer is not accepted.
            RoleMissing: the current principal may not decide on calls.
        """
        if not 0 < len(input_request_id) <= _MAX_REQUEST_ID_CHARS:
            raise AnswerRefused("The task has no input request of this id.", InputRequestNotFound)
        update_id = None if key is None else f"{_ANSWER_INPUT}:{input_request_id}:{key}"
        answer = _from_principal(request.answer_to(input_request_id))
        try:
            execution = await self._workflows.unended(task_id)
        except TaskEnded:
            if update_id is None or not await self._updates.earlier_verdict(task_id, update_id, AnswerVerdict):
                raise
            return AnsweredTask(await self._tasks.changed(task_id), is_decided=True)
        if not await self._updates.may_respond(execution):
            await self._check_listed(execution, answer)
        verdict = await self._updates.send(execution, _ANSWER_INPUT, answer, AnswerVerdict, update_id=update_id)
        is_decided = verdict is not None
        return AnsweredTask(await self._tasks.changed(task_id, has_verdict=is_decided), is_decided)

    async def pending(self, task_id: str) -> tuple[dict[str, JsonValue], ...]:
        """Return the pending input requests of a task, complete, oldest first.

        Raises:
            TaskNotFound: there is no task of this id.
            WorkerUnavailable: no worker responds; only they can read them completely.
        """
        handle = self._workflows.handle(task_id)
        async with self._workflows.calling(task_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
            execution = await self._workflows.describe(handle)
            pending = await self._queries.query(handle, execution, "input_requests", PendingInput)
        return tuple(open_request(request, task_id, _agent(execution)) for request in pending.input_requests)

    async def list(self, request: InboxRequest) -> InboxPage:
        """Return a page of pending input requests, from what Temporal lists.

        Raises:
            CursorInvalid: the cursor isn't one of this list.
        """
        filters = f"{inbox_query(request)} older_than={request.older_than}"
        cursor = PageCursor.decode(request.cursor, filters) if request.cursor is not None else None
        before = None
        if request.older_than is not None:
            async with self._workflows.calling():
                before = await temporal_now(self._client) - timedelta(seconds=request.older_than)
        bounded = inbox_query(request, opened_before=before)
        executions, total = await self._pages.read(bounded, cursor, request.limit + 1)
        page = executions[: request.limit]
        found = [item for execution in page for item in await _matching(execution, request, before)]
        has_more = len(executions) > request.limit
        next_cursor = PageCursor.after(page[-1]).encode(filters) if has_more else None
        is_all = cursor is None and not has_more
        return InboxPage(tuple(found), next_cursor, len(found) if is_all else total)

    async def _check_listed(self, execution: WorkflowExecutionDescription, answer: InputAnswer) -> None:
        """Check an answer that no worker can check now against what visibility has of the task's requests."""
        listed = await listed_input_requests(execution)
        if len(listed) >= MAX_LISTED_REQUESTS and answer.input_request_id not in {request.id for request in listed}:
            return
        requests = OpenRequests()
        for request in listed:
            requests.open(request)
        async with self._workflows.calling(execution.id):
            now = await temporal_now(self._client)
        try:
            requests.check(answer, now)
        except AnswerInvalid as error:
            raise AnswerRefused(str(error), type(error)) from error


async def _matching(
    execution: WorkflowExecution, request: InboxRequest, opened_before: datetime | None
) -> list[dict[str, JsonValue]]:
    """Return the requests of a task that fit the filters."""
    return [
        open_request(pending, execution.id, _agent(execution))
        for pending in await listed_input_requests(execution)
        if (not request.kind or pending.kind in request.kind)
        and (request.approver is None or request.approver in (pending.approvers or ()))
        and (opened_before is None or pending.opened_at <= opened_before)
    ]


def _from_principal(answer: InputAnswer) -> InputAnswer:
    """Return the answer as one of the current principal, if it is authenticated.

    Raises:
        AnswerRefused: the answer names another person, or a group that the principal isn't in.
        RoleMissing: it decides on a call, which needs the role ``approver``.
    """
    principal = authenticated_principal()
    if principal is None:
        return answer
    if answer.decision in _DECISIONS_ON_CALLS and not principal.has_role("approver"):
        raise RoleMissing(principal, ("approver",))
    if answer.answered_by not in (None, principal.subject) or not {*answer.groups} <= {*principal.groups}:
        text = f"The API key or token is that of {principal.subject!r}. Leave out answered_by and groups."
        raise AnswerRefused(text, AnswerNotAllowed)
    return answer.model_copy(update={"answered_by": principal.subject, "groups": principal.groups})


def _agent(execution: WorkflowExecution) -> str:
    return execution.typed_search_attributes.get(AGENT) or ""
