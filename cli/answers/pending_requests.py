"""Find the input request of a task that a person means."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.client import ApiUnreachable, OpspawnClient, RequestRefused, Task
from agentkit.input_requests import DECISIONS, AnswerDecision, InputRequest
from cli.errors import UsageWrong
from cli.views.console import one_line

__all__ = ["choose_request", "pending_requests"]

_MAX_MESSAGE_CHARS = 100


async def pending_requests(task: Task, client: OpspawnClient) -> tuple[InputRequest, ...]:
    """Return the pending input requests of a task, with all arguments where a worker can be asked for them."""
    try:
        return (await client.task_input_requests(task.id)).input_requests
    except (ApiUnreachable, RequestRefused):  # no worker runs, or the API is of a release that has no such call
        return task.input_requests


def choose_request(
    requests: Sequence[InputRequest], request_id: str | None, decision: AnswerDecision | None, task: Task
) -> InputRequest | None:
    """Return the request with this id, or the only one that can have this decision; None: any but an approval.

    None is returned for an id that isn't pending: the API knows why.

    Raises:
        UsageWrong: no request, or several, can be meant. The message lists them.
    """
    if request_id is not None:
        return next((request for request in requests if request.id == request_id), None)
    fitting = [request for request in requests if _may_have(request, decision)]
    if len(fitting) == 1:
        return fitting[0]
    listed = "".join(f"\n  {request.id} {_question(request)}" for request in requests)
    if len(fitting) > 1:
        raise UsageWrong(f"Task {task.id} asks several things. Name the one that you answer:{listed}")
    if requests:
        verb = "be answered so" if decision is None else f"have the decision {decision!r}"
        raise UsageWrong(f"Task {task.id} asks nothing that can {verb}. It asks:{listed}")
    raise UsageWrong(f"Task {task.id} asks nothing: it is {task.status.replace('_', ' ')}.")


def _may_have(request: InputRequest, decision: AnswerDecision | None) -> bool:
    return request.kind != "approval" if decision is None else decision in DECISIONS[request.kind]


def _question(request: InputRequest) -> str:
    return one_line(f"{request.kind.replace('_', ' ')}: {request.message}", _MAX_MESSAGE_CHARS)
