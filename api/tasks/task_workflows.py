"""The workflows of tasks, by their ids: found, described, and whether they still run."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, suppress

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowHandle
from temporalio.converter import DataConverter, WorkflowSerializationContext

from activities.erasure_payloads import TASK_ERASURE
from activities.settings import Settings
from activities.temporal.client import temporal_address
from activities.temporal.encryption.encrypted_payloads import id_suffix, is_erased, key_reference
from api.current_principal import current_principal
from api.tasks.erasure_progress import erasure_problem
from api.tasks.errors import ContentErased, ConversationErased, ServiceError, TaskEnded, TaskErased, TaskNotFound
from api.tasks.temporal_calls import CALLS_TIMEOUT_S, RPC_TIMEOUT, calling_temporal
from api.tasks.visibility.task_visibility import visible_status
from api.tasks.visibility.tenant_access import is_visible, own_tenant, tenant_of
from workflows.task_types import WORKFLOW_TYPE

__all__ = ["TaskHandle", "TaskWorkflows"]

_MAX_ID_BYTES = 255
"""Temporal's SQL stores hold workflow ids of this length."""

TaskHandle = WorkflowHandle[object, object]


class TaskWorkflows:
    """Finds the workflows of tasks; a subclass those of another type."""

    workflow_type = WORKFLOW_TYPE
    not_found: type[ServiceError] = TaskNotFound
    """The error where there is no such workflow."""
    erasure_type = TASK_ERASURE
    """The type of the workflows that have the ids of those that were erased."""
    erased: type[TaskErased | ConversationErased] = TaskErased
    """The error where there is one of these."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._address = temporal_address(settings)

    def calling(self, task_id: str = "", *, timeout_s: float = CALLS_TIMEOUT_S) -> AbstractAsyncContextManager[None]:
        """Return ``calling_temporal`` for the client's address."""
        return calling_temporal(self._address, task_id, timeout_s=timeout_s)

    def handle(self, task_id: str) -> TaskHandle:
        """Return the handle of the task's newest run.

        Raises:
            TaskNotFound: no task can have this id.
        """
        if not 0 < len(task_id.encode(errors="replace")) <= _MAX_ID_BYTES or not task_id.isprintable():
            raise self.not_found(task_id)
        return self._client.get_workflow_handle(task_id)

    def converter(self, task_id: str) -> DataConverter:
        """Return what decodes the task's payloads."""
        return self._client.data_converter.with_context(
            WorkflowSerializationContext(namespace=self._client.namespace, workflow_id=task_id)
        )

    async def id_suffix(self, user: str | None, *, source_id: str = "") -> str:
        """Return the end of the id of a new workflow, by which its payloads are encrypted; see ``KeyedCodec``.

        What continues another workflow has that one's key: it is erased with it.

        Raises:
            PayloadUnavailable: the key can't be read or stored.
        """
        if (reference := key_reference(source_id)) is not None:
            return f".{reference}"
        if self._client.data_converter.payload_codec is None:  # nothing is encrypted
            return ""
        async with self.calling():
            return await id_suffix(self._client, own_tenant(), user)

    async def tenant_of_continuation(self, source_id: str) -> str:
        """Return the source's tenant for admins, else the principal's.

        For admins, too, it is the principal's where the source is gone.
        """
        if current_principal().has_role("admin"):  # nobody else sees workflows of other tenants
            with suppress(TaskNotFound, self.not_found):
                async with self.calling(source_id):
                    return tenant_of(await self.describe_any(self.handle(source_id)))
        return own_tenant()

    async def describe(self, handle: TaskHandle) -> WorkflowExecutionDescription:
        """Return the workflow's description, within ``calling``.

        Raises:
            TaskNotFound: the workflow is of another type, and no task, or of a tenant that the current principal
                doesn't see. Of subclasses: ``not_found``, as everywhere.
            TaskErased: it was erased. Of subclasses: ``erased``.
            ContentErased: the key of its payloads was destroyed.
        """
        execution = await self.describe_any(handle)
        if execution.workflow_type == self.erasure_type:
            raise self.erased(handle.id, problem=await erasure_problem(execution, self.converter(handle.id)))
        if await is_erased(self._client, handle.id):
            raise ContentErased(handle.id)
        return execution

    async def describe_any(self, handle: TaskHandle) -> WorkflowExecutionDescription:
        """Return what ``describe`` does, also of what was erased: the description of its erasure, or its own.

        Raises:
            TaskNotFound: as of ``describe``.
        """
        execution = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        if execution.workflow_type not in (self.workflow_type, self.erasure_type) or not is_visible(execution):
            raise self.not_found(handle.id)
        return execution

    async def unended(self, task_id: str) -> WorkflowExecutionDescription:
        """Return the description of a task that has not ended.

        Raises:
            TaskNotFound: there is no task of this id.
            TaskEnded: it has ended.
        """
        handle = self.handle(task_id)
        async with self.calling(task_id):
            execution = await self.describe(handle)
        if execution.status is not WorkflowExecutionStatus.RUNNING:
            raise self.ended(execution)
        return execution

    def ended(self, execution: WorkflowExecutionDescription) -> ServiceError:
        """Return the error for what can't be done with a workflow that has ended."""
        return TaskEnded(execution.id, visible_status(execution))
