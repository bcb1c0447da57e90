"""Start the workflows of tasks, each once for an idempotency key."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.settings import Settings
from activities.temporal.temporal_clock import temporal_now
from api.tasks.errors import IdempotencyConflict, TaskErased, TaskNotFound
from api.tasks.requests.task_requests import NewTask
from api.tasks.starting.idempotency_keys import IdempotencyKey, IdempotencyKeys
from api.tasks.starting.task_start import new_task_id, start_delay, task_id_for_key
from api.tasks.task_snapshot import ForkOrigin, TaskSnapshot, TaskUrls
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.tenants.tenant_limits import TenantLimits
from api.tasks.visibility.task_visibility import new_task_memo, new_task_search_attributes, queued_task
from api.tasks.visibility.tenant_access import own_tenant
from workflows.search_attributes import MEMO_BODY_HASH
from workflows.task_types import WORKFLOW_TYPE, TaskInput

__all__ = ["TaskStarter"]


class TaskStarter:
    """Starts tasks."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._workflows = TaskWorkflows(client, settings)
        self._keys = IdempotencyKeys(client, self._workflows)
        self._limits = TenantLimits(client, settings)
        self._urls = TaskUrls.of(settings.temporal_ui_url, client.namespace)

    async def idempotency_key(self, text: str, request_hash: str, *, id_suffix: str) -> IdempotencyKey:
        """Return the key of a request of the principal's tenant; ``id_suffix`` is that of a new task."""
        return await self._keys.find(task_id_for_key(text, own_tenant()), request_hash, id_suffix)

    async def start(
        self,
        new_task: NewTask,
        task_input: TaskInput,
        title: str,
        *,
        key: IdempotencyKey | None,
        forked_from: ForkOrigin | None = None,
        task_id: str | None = None,
    ) -> TaskSnapshot | None:
        """Start a task; return None where an earlier request with the same key started it.

        ``task_id`` is that of the key, or a new one; None: it is made here.

        Raises:
            IdempotencyConflict: the key was used for another request.
            TaskErased: the key's task was erased.
            TenantLimited: the tenant has as many running tasks as it may have.
            TenantSpent: it has spent what it may spend in a day.
        """
        if key is not None and await self.was_started(key):  # before a payload is stored under an erased task's id
            return None
        agent = task_input.agent
        task_id = task_id or (new_task_id() if key is None else key.workflow_id)
        try:
            async with self._workflows.calling():
                await self._limits.check()
                created_at = await temporal_now(self._client)
                delay = await start_delay(new_task.start_at, self._client)
                await self._client.start_workflow(
                    WORKFLOW_TYPE,
                    task_input,
                    id=task_id,
                    task_queue=self._settings.task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    memo=new_task_memo(new_task, title, None if key is None else key.request_hash, forked_from),
                    search_attributes=new_task_search_attributes(new_task, agent.name),
                    static_summary=f"{agent.name}: {title}",
                    static_details=f"Agent **{agent.name}** on {', '.join(agent.models)}",
                    start_delay=delay,
                    priority=self._limits.priority(),
                    rpc_timeout=RPC_TIMEOUT,
                )
        except WorkflowAlreadyStartedError:
            if key is None:
                raise
            if not await self.was_started(key):
                raise self._keys.conflict() from None
            return None
        return queued_task(
            new_task,
            task_id=task_id,
            agent=agent.name,
            title=title,
            message=task_input.message,
            created_at=created_at,
            forked_from=forked_from,
            links=self._urls.links(task_id),
        )

    async def was_started(self, key: IdempotencyKey) -> bool:
        """Return whether an earlier request with this key has started its task.

        Raises:
            IdempotencyConflict: it was another request.
            TaskErased: its task was erased.
        """
        try:
            async with self._workflows.calling(key.workflow_id):
                execution = await self._workflows.describe(self._workflows.handle(key.workflow_id))
                same = await execution.memo_value(MEMO_BODY_HASH, default=None) == key.request_hash
        except TaskNotFound:
            await self._keys.check_not_started(key)
            return False
        except TaskErased:
            raise TaskErased(key.workflow_id, by_key=True) from None
        if not same:
            raise IdempotencyConflict(
                f"This Idempotency-Key started task {key.workflow_id!r} with another body. "
                "Take a new key for a new task."
            )
        return True
