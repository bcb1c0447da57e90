"""Erase a task or a conversation, and keep its id from being used again as long as Temporal keeps what has ended.

The erasure has the id of what it erases. So an idempotency key, which is the id of one task, starts nothing again, and
no moment lies between the two: the erasure starts before anything is deleted.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.erasure_payloads import (
        CONVERSATION_ERASURE,
        ERASE_ACTIVITY,
        ERASE_MEMORIES_SIGNAL,
        ERASES_MEMORIES_MEMO,
        MAX_LATE_TASKS,
        TASK_ERASURE,
        ConversationReference,
        ErasureRequest,
        ErasureSweep,
        MemoryCount,
        SweptExecutions,
        TaskReference,
    )
    from activities.memory.memory_queries import (
        ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY,
        ERASE_MEMORIES_OF_TASK_ACTIVITY,
    )
    from activities.retry_policies import ERASE_MEMORIES_POLICY, ERASURE_POLICY
    from agentkit.interfaces import DEFAULT_TENANT, memory_task_queue
    from workflows.search_attributes import TENANT

__all__ = ["ConversationErasure", "TaskErasure"]

_FIRST_INTERVAL = timedelta(seconds=1)
_MAX_INTERVAL = timedelta(minutes=1)
"""Between two looks at whether Temporal has deleted the runs."""

_MEMO = {ERASES_MEMORIES_MEMO: True}


class _Erasure:
    """Sweeps until Temporal has no run any more, and nothing can store anything any more; erases memories then."""

    def __init__(self, request: ErasureRequest) -> None:
        self._request = request
        self._late_tasks = request.late_tasks
        self._last_sweep_after = request.last_sweep_after

    async def run(self) -> None:
        interval = _FIRST_INTERVAL
        while True:
            started = workflow.now()
            swept = await self._sweep()
            self._add_late_tasks(swept)
            if not swept.remaining and started >= self._last_sweep_after:
                break
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self._rest, memo=_MEMO if self._request.memories else None)
            left = self._last_sweep_after - workflow.now()
            await workflow.sleep(interval if swept.remaining else max(left, _FIRST_INTERVAL))
            interval = min(2 * interval, _MAX_INTERVAL)
        if self._request.memories:
            await self._erase_memories()

    def add_memories(self) -> None:
        """Erase memories as well, after the last sweep."""
        if not self._request.memories:
            self._request = self._request.model_copy(update={"memories": True})
            workflow.upsert_memo(_MEMO)

    async def _erase_memories(self) -> None:
        """Erase the memories that it has written. The activity is retried until memory can be used."""
        policy = ERASE_MEMORIES_POLICY
        activity, reference = _memories()
        await workflow.execute_activity(
            activity,
            reference,
            result_type=MemoryCount,
            task_queue=memory_task_queue(workflow.info().task_queue),
            start_to_close_timeout=policy.start_to_close,
            heartbeat_timeout=policy.heartbeat,
            retry_policy=policy.retry,
        )

    @property
    def _rest(self) -> ErasureRequest:
        """What another run of the erasure goes on with."""
        return self._request.model_copy(
            update={"late_tasks": self._late_tasks, "last_sweep_after": self._last_sweep_after}
        )

    async def _sweep(self) -> SweptExecutions:
        swept: SweptExecutions = await workflow.execute_activity(
            ERASE_ACTIVITY,
            ErasureSweep(
                workflow_id=workflow.info().workflow_id,
                run_id=self._request.run_id,
                grace_s=self._request.grace_s,
                late_tasks=self._late_tasks,
            ),
            result_type=SweptExecutions,
            start_to_close_timeout=ERASURE_POLICY.start_to_close,
            heartbeat_timeout=ERASURE_POLICY.heartbeat,
            retry_policy=ERASURE_POLICY.retry,
        )
        return swept

    def _add_late_tasks(self, swept: SweptExecutions) -> None:
        new = [task for task in swept.late_tasks if task not in self._late_tasks]
        if new:
            self._late_tasks = (*self._late_tasks, *new)[:MAX_LATE_TASKS]
            after = workflow.now() + timedelta(seconds=self._request.grace_s)
            self._last_sweep_after = max(self._last_sweep_after, after)


def _memories() -> tuple[str, TaskReference | ConversationReference]:
    """Return the activity that erases the memories of what is erased, and its argument."""
    info = workflow.info()
    tenant = info.typed_search_attributes.get(TENANT) or DEFAULT_TENANT
    if info.workflow_type == CONVERSATION_ERASURE:
        conversation = ConversationReference(tenant=tenant, conversation_id=info.workflow_id)
        return ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY, conversation
    return ERASE_MEMORIES_OF_TASK_ACTIVITY, TaskReference(tenant=tenant, task_id=info.workflow_id)


@workflow.defn(name=TASK_ERASURE)
class TaskErasure:
    """Erases a task."""

    @workflow.init
    def __init__(self, request: ErasureRequest) -> None:
        """Take the request: a signal may be handled before ``run``."""
        self._erasure = _Erasure(request)

    @workflow.run
    async def run(self, request: ErasureRequest) -> None:
        """Erase it; return when nothing of it is left."""
        await self._erasure.run()

    @workflow.signal(name=ERASE_MEMORIES_SIGNAL)
    def erase_memories(self) -> None:
        """Erase its memories as well."""
        self._erasure.add_memories()


@workflow.defn(name=CONVERSATION_ERASURE)
class ConversationErasure:
    """Erases a conversation with its turns."""

    @workflow.init
    def __init__(self, request: ErasureRequest) -> None:
        """Take the request: a signal may be handled before ``run``."""
        self._erasure = _Erasure(request)

    @workflow.run
    async def run(self, request: ErasureRequest) -> None:
        """Erase it; return when nothing of it is left."""
        await self._erasure.run()

    @workflow.signal(name=ERASE_MEMORIES_SIGNAL)
    def erase_memories(self) -> None:
        """Erase its memories as well."""
        self._erasure.add_memories()
